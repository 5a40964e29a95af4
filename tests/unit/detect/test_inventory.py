"""One inventory of many sources: swaps are events, contradictions are said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fleetops.detect.inventory import InventoryBook
from fleetops_schemas.identity import CONFIGURED, DeviceIdentity, InventoryDevice
from fleetops_schemas.records import Event

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
GPU = "node001/gpu5"
LEAF_1 = {"leaf_switch": "leaf1"}
LEAF_2 = {"leaf_switch": "leaf2"}


def claim(
    source: str = "nvml", at: float = 0.0, device: str = GPU, **words: object
) -> DeviceIdentity:
    return DeviceIdentity.model_validate(
        {
            "device": device,
            "device_class": "accelerator",
            "host": device.split("/", maxsplit=1)[0],
            "source": source,
            "observed_at": START + timedelta(seconds=at),
            **words,
        }
    )


def told(*claims: DeviceIdentity) -> tuple[dict[str, InventoryDevice], list[Event]]:
    book = InventoryBook()
    for one in claims:
        book.take(one)
    return {device.device: device for device in book.changes()}, book.events()


def test_sources_complete_each_other() -> None:
    devices, events = told(
        claim("nvml", uuid="GPU-AB-12", serial="165", firmware="96.00"),
        claim("redfish", at=5, uuid="ab12", model="H100", part_number="900-21"),
        claim(f"{CONFIGURED}csv:dcim.csv", device="node001", placement={"rack": "r01"}),
    )
    gpu = devices[GPU]
    assert (gpu.serial, gpu.model, gpu.firmware) == ("165", "H100", "96.00")
    assert gpu.conflicts == ()
    assert gpu.since == START
    assert {one.source for one in gpu.claims} == {"nvml", "redfish"}
    assert devices["node001"].placement == {"rack": "r01"}
    assert events == []


def test_another_serial_at_the_same_place_is_one_event() -> None:
    book = InventoryBook()
    book.take(claim(serial="165"))
    book.take(claim(serial="999", at=60))
    book.take(claim(serial="999", at=120))
    (event,) = book.events()
    assert (event.kind, event.device, event.host) == ("part_swapped", GPU, "node001")
    assert event.text == f"{GPU}: serial 165 is now 999 (nvml)"
    assert event.attributes == {"old_serial": "165", "new_serial": "999"}
    assert event.time == START + timedelta(seconds=60)
    (device,) = book.changes()
    assert device.since == START + timedelta(seconds=60)


def test_a_word_that_is_missing_or_late_is_no_swap() -> None:
    _, events = told(
        claim(serial="165", uuid="GPU-1", at=10),
        claim(uuid="GPU-1", at=20),
        claim(serial="999", at=5),
    )
    assert events == []


def test_a_firmware_update_is_no_swap() -> None:
    _, events = told(
        claim(serial="165", firmware="96.00"), claim(serial="165", firmware="97.00", at=9)
    )
    assert events == []


def test_two_sources_that_see_different_parts_contradict_each_other() -> None:
    devices, events = told(claim("nvml", uuid="GPU-1"), claim("redfish", at=1, uuid="2"))
    assert devices[GPU].conflicts == ("uuid: redfish 2, nvml GPU-1",)
    assert events == []


def test_serials_of_two_protocols_are_different_numbers() -> None:
    devices, _ = told(claim("nvml", serial="165"), claim("redfish", serial="B81.C"))
    assert devices[GPU].conflicts == ()


def test_what_a_file_expects_is_held_against_what_is_found() -> None:
    expected = claim(f"{CONFIGURED}csv:dcim.csv", serial="165")
    assert told(expected)[0][GPU].conflicts == ()
    assert (
        told(expected, claim("redfish", serial="B8"), claim("nvml", serial="165"))[0][GPU].conflicts
        == ()
    )
    devices, events = told(expected, claim("nvml", serial="999"))
    assert devices[GPU].conflicts == ("serial: inventory:csv:dcim.csv 165, nvml 999",)
    assert devices[GPU].serial == "999"
    assert events == []


def test_two_files_that_place_a_host_differently_contradict_each_other() -> None:
    devices, _ = told(
        claim(f"{CONFIGURED}slurm", at=5, device="node001", precedence=1, placement=LEAF_2),
        claim(f"{CONFIGURED}yaml:a", device="node001", placement=LEAF_1),
    )
    assert devices["node001"].conflicts == (
        "leaf_switch: inventory:yaml:a leaf1, inventory:slurm leaf2",
    )
    assert devices["node001"].placement == LEAF_1


def test_one_part_at_two_places_is_a_contradiction_once_both_are_seen_again() -> None:
    book = InventoryBook()
    book.take(claim(uuid="GPU-1"))
    book.take(claim(uuid="GPU-1", device="node002/gpu0", at=60))
    assert [one.conflicts for one in book.changes()] == [(), ()]  # moved, as far as is known
    book.take(claim(uuid="GPU-1", at=120))
    book.take(claim(uuid="GPU-1", device="node002/gpu0", at=121))
    devices = {one.device: one for one in book.changes()}
    assert devices[GPU].conflicts == ("uuid GPU-1 is also at node002/gpu0 (nvml)",)
    assert devices["node002/gpu0"].conflicts == (f"uuid GPU-1 is also at {GPU} (nvml)",)


def test_a_part_that_was_moved_is_at_one_place() -> None:
    book = InventoryBook()
    book.take(claim(uuid="GPU-1"))
    book.take(claim(uuid="GPU-1", device="node002/gpu0", at=60))
    book.take(claim(uuid="GPU-2", at=70))
    book.take(claim(uuid="GPU-1", device="node002/gpu0", at=80))
    assert all(not one.conflicts for one in book.changes())
    assert [event.device for event in book.events()] == [GPU]


def test_the_same_word_again_changes_nothing() -> None:
    book = InventoryBook()
    book.take(claim(uuid="GPU-1"))
    assert len(book.changes()) == 1
    book.take(claim(uuid="GPU-1", at=3600))
    assert book.changes() == []


def test_after_a_restart_a_swap_that_happened_meanwhile_is_still_one() -> None:
    devices, _ = told(claim(serial="165"))
    again = InventoryBook()
    again.restore(devices.values())
    again.take(claim(serial="165"))  # what the bus still holds from before
    assert again.changes() == []
    again.take(claim(serial="999", at=7200))
    assert [event.kind for event in again.events()] == ["part_swapped"]
