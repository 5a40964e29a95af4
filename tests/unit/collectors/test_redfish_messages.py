"""What message ids mean, held against the registries themselves."""

from __future__ import annotations

import json
import re
from collections import defaultdict

import pytest

from fleetops_collectors.redfish.messages import OTHER, MessageId, load_messages, meaning_of
from fleetops_schemas.records import Severity
from tests.support import fixtures

UNMAPPED: dict[str, str] = {
    r"Environmental\.Humidity\w*": "no limit of ours hangs on air humidity; shown as it is",
    r"Environmental\.TemperatureBelowLower\w*": "cold harms nothing that runs",
    r"Environmental\.TemperatureAboveLower\w*": "cold harms nothing that runs",
    r"Environmental\.FlowRate(Above|Below)Upper\w*": "too much flow starves no host",
    r"Power\.(Current|Frequency|Power(Above|Below|Warning|Critical))\w*": (
        "limits of single sensors; our thresholds judge these"
    ),
    r"Power\.(Circuit|Outlet|Chassis)PoweredO(n|ff)": "somebody switched it",
    r"Platform\.(NVRAMClear|SecurityBypass)Asserted": "a jumper, set by somebody",
    r"Platform\.PlatformReset\w*": "a restart; its consequences are told for themselves",
    r"Platform\.PowerBrake": "the accelerator's throttle reasons tell it, and for how long",
    r"Platform\.DeviceAssemblyData\w*": "a part's label cannot be read; the part works",
    r"SensorEvent\.\w+": "single sensors of any kind; our thresholds judge their readings",
    r"Telemetry\.\w+": "triggers that somebody set up on the controller",
}
"""Messages that are no better than warnings and have no kind of their own, and why."""


@pytest.mark.parametrize(
    ("message", "device_class", "kind"),
    [
        ("Environmental.1.4.LeakDetectedWarning", "coolant_unit", "coolant_leak"),
        ("Environmental.1.4.LeakDetectedCritical", "coolant_unit", "coolant_leak"),
        ("Environmental.1.0.LeakDetectedCritical", "host", "coolant_leak"),
        ("Environmental.2.17.3.LeakDetectedCritical", "host", "coolant_leak"),
        ("LeakDetectedCritical", "host", "coolant_leak"),
        ("Contoso.1.0.LeakDetectedCritical", "host", "coolant_leak"),
        ("Environmental.1.4.LeakDetectedNormal", "host", OTHER),
        ("OpenBMC_StateLeakDetectorGroup.1.0.DetectorGroupCritical", "host", "coolant_leak"),
        ("Environmental.1.4.LeakDetectorFailure", "host", "coolant_leak_detector_fault"),
        ("Environmental.1.4.LeakDetectorDisconnected", "host", "coolant_leak_detector_fault"),
        ("Environmental.1.4.LeakDetectorRestored", "host", OTHER),
        ("Environmental.1.4.FlowRateBelowLowerCriticalThreshold", "host", "host_coolant_flow_low"),
        ("Environmental.1.4.FlowRateCritical", "coolant_unit", "coolant_flow_low"),
        ("Environmental.1.4.FlowRateNoLongerCritical", "coolant_unit", OTHER),
        ("Environmental.1.4.PumpFailed", "coolant_unit", "coolant_pump_degraded"),
        ("Environmental.1.4.PumpRestored", "coolant_unit", OTHER),
        ("Environmental.1.4.PressureWarning", "coolant_unit", "coolant_pressure_out_of_range"),
        ("Environmental.1.4.FluidLevelCritical", "coolant_unit", "coolant_level_out_of_range"),
        ("Environmental.1.4.FilterRequiresService", "coolant_unit", "coolant_filter_service"),
        ("Environmental.1.4.ValveUnableToReachSetPoint", "coolant_unit", "coolant_valve_fault"),
        ("Environmental.1.4.TemperatureCritical", "accelerator", "accelerator_hot"),
        ("Environmental.1.4.TemperatureCritical", "power_unit", "power_unit_hot"),
        ("Environmental.1.4.FanFailed", "host", "fan_fault"),
        ("Power.1.2.PowerSupplyFailed", "power_unit", "power_supply_fault"),
        ("OpenBMC.0.6.PowerSupplyPowerLost", "host", "power_supply_fault"),
        ("Power.1.2.PowerSupplyGroupCritical", "power_unit", "power_redundancy_lost"),
        ("Power.1.2.BreakerTripped", "power_unit", "power_circuit_tripped"),
        ("Power.1.2.BreakerReset", "power_unit", OTHER),
        (
            "Power.1.2.VoltageAboveUpperCriticalThreshold",
            "power_unit",
            "power_voltage_out_of_range",
        ),
        ("Power.1.2.VoltageNormal", "power_unit", OTHER),
        ("Platform.1.3.DeviceMissing", "host", "device_absent"),
        ("Platform.1.3.PCIeLinkDown", "host", "pcie_error"),
        ("Platform.1.3.PCIeLinkRestored", "host", OTHER),
        (
            "Platform.1.3.MemoryUncorrectableError",
            "accelerator",
            "accelerator_memory_uncorrectable",
        ),
        ("Platform.1.3.MemoryUncorrectableError", "host", "machine_check"),
        ("AcceleratorFabric.1.0.LinkFlapDetected", "accelerator", "link_errors"),
        ("AcceleratorFabric.1.0.RetryRateAboveCriticalThreshold", "accelerator", "link_errors"),
        ("AcceleratorFabric.1.0.RetryRateCautionThresholdCleared", "accelerator", OTHER),
        ("AcceleratorFabric.1.0.LinkTrainingFailed", "accelerator", "link_down"),
        ("ResourceEvent.1.4.ResourceErrorsDetected", "host", OTHER),
        ("Contoso.1.0.SomethingElse", "host", OTHER),
        ("", "host", OTHER),
    ],
)
def test_kinds(message: str, device_class: str, kind: str) -> None:
    assert meaning_of(message, Severity.CRITICAL, device_class).kind == kind


def test_what_is_only_informational_is_of_no_fault_kind() -> None:
    for message in ("Environmental.1.4.LeakDetectedCritical", "Power.1.2.PowerSupplyFailed"):
        assert meaning_of(message, Severity.INFO, "host") == (OTHER, Severity.INFO)


def test_what_got_better_is_informational_however_bad_it_is_called() -> None:
    # the registry itself prints Critical
    meant = meaning_of("Platform.1.3.PCIeLinkRestored", Severity.CRITICAL, "host")
    assert meant == (OTHER, Severity.INFO)


def test_an_entry_without_a_severity_has_that_of_its_kind() -> None:
    leak = meaning_of("Environmental.1.4.LeakDetectedCritical", None, "host")
    assert leak == ("coolant_leak", Severity.CRITICAL)
    assert meaning_of("Contoso.1.0.Whatever", None, "host") == (OTHER, Severity.INFO)


def test_the_table_s_own_severity_where_the_registry_calls_it_ok() -> None:
    meant = meaning_of("Platform.1.3.DeviceManagementInterfaceError", Severity.INFO, "host")
    assert meant == ("device_fault", Severity.WARNING)


def _registries() -> dict[str, dict[str, str]]:
    """By registry: the keys of all its versions, with their severity."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for file in sorted((fixtures() / "redfish" / "registries").glob("*.json")):
        registry = json.loads(file.read_text("utf-8"))
        for key, message in registry["Messages"].items():
            severity = message.get("MessageSeverity") or message["Severity"]
            found[registry["RegistryPrefix"]][key.strip()] = severity
    return found


@pytest.mark.fixtures
def test_every_warning_of_the_standard_s_registries_has_a_kind_or_a_reason() -> None:
    table, without = load_messages(), []
    for registry, keys in _registries().items():
        for key, severity in keys.items():
            if severity == "OK" or table.is_over(MessageId(registry, key)):
                continue
            name = f"{registry}.{key}"
            mapped = meaning_of(f"{registry}.1.0.{key}", Severity.CRITICAL, "host").kind != OTHER
            excused = any(re.fullmatch(pattern, name) for pattern in UNMAPPED)
            if mapped == excused:
                without.append((name, "mapped and excused" if mapped else "neither"))
    assert without == []


@pytest.mark.fixtures
def test_every_rule_of_a_standard_registry_is_about_a_message_in_it() -> None:
    registries = _registries()
    idle = [
        rule.key.pattern
        for rule in load_messages().messages
        if rule.registry.pattern in registries
        and not any(rule.key.fullmatch(key) for key in registries[rule.registry.pattern])
    ]
    assert idle == []
