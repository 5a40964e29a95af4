"""The process that calls the driver: it reads devices when asked, and may be killed at any moment.

Run by its path, alone: it imports nothing but the standard library and ``pynvml``, so that it is
small and starts fast. It is asked by one JSON line on standard input and answers by lines:

    {"fields": [82, ...], "devices": [0, 1] or null, "skip": [3], "throughput": false}
    {"devices": 8, "driver": "580.95.05"}      how many there are, once a round
    {"reading": 0}                             it is about to call the driver for device 0
    {"device": 0, "values": {...}, "errors": {...}, "identity": {...}}
    {"device": 3, "lost": 15}                  the driver says that the device is gone
    {"failed": "nvmlInit", "error": 12}        the driver itself does not answer; it ends
    {"done": true}

A value's name is that of the call, with a part after a dot, or the number of a field. An error is
NVML's number. ``reading`` comes before every device, so that whoever waits knows which one hangs.
It ends when standard input does, so it never outlives its parent.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

NO_MODULE = -1
"""Stands for an error of NVML: the Python package ``nvidia-ml-py`` is not installed."""
GONE = (15, 16, 28)
"""NVML_ERROR_GPU_IS_LOST, RESET_REQUIRED and GPU_NOT_FOUND: none of its values can be had."""

# pynvml ships no types
Library = Any
Handle = Any
Values = dict[str, float | int]
Reader = Callable[[Handle], Mapping[str, float | int]]


class Nvml:
    """The driver's library, opened once."""

    def __init__(self, pynvml: Library) -> None:
        """Opens it.

        Raises:
            pynvml.NVMLError: there is no library, or no driver.
        """
        self.api = pynvml
        pynvml.nvmlInit()
        self.driver = _text(pynvml.nvmlSystemGetDriverVersion())
        self._identities: dict[int, dict[str, str]] = {}

    def count(self) -> int:
        """How many devices the driver has."""
        return int(self.api.nvmlDeviceGetCount())

    def device(self, index: int, fields: list[int], *, throughput: bool) -> dict[str, Any]:
        """Everything of one device; what cannot be read is an error by name."""
        try:
            handle = self.api.nvmlDeviceGetHandleByIndex(index)
        except self.api.NVMLError as error:
            return {"device": index, "lost": error.value}
        values: Values = {}
        errors: dict[str, int] = {}
        readers = {**self._readers(), **(self._slow_readers() if throughput else {})}
        for name, read in readers.items():
            try:
                for part, value in read(handle).items():
                    values[f"{name}.{part}" if part else name] = value
            except self.api.NVMLError as error:
                errors[name] = error.value
        self._fields(handle, fields, values, errors)
        if lost := next((code for code in errors.values() if code in GONE), None):
            self._identities.pop(index, None)
            return {"device": index, "lost": lost}
        identity = self._identities.get(index)
        if identity is None:
            identity = self._identities[index] = self._identity(handle)
        return {"device": index, "values": values, "errors": errors, "identity": identity}

    def _fields(
        self,
        handle: Handle,
        fields: list[int],
        values: Values,
        errors: dict[str, int],
    ) -> None:
        """All fields in one call to the driver."""
        try:
            found = self.api.nvmlDeviceGetFieldValues(handle, fields)
        except self.api.NVMLError as error:
            errors.update({str(field): error.value for field in fields})
            return
        for one in found:
            if one.nvmlReturn:
                errors[str(one.fieldId)] = int(one.nvmlReturn)
            else:
                values[str(one.fieldId)] = self._value_of(one)

    def _value_of(self, field: Handle) -> float | int:
        api, value = self.api, field.value
        members = {
            api.NVML_VALUE_TYPE_DOUBLE: value.dVal,
            api.NVML_VALUE_TYPE_UNSIGNED_INT: value.uiVal,
            api.NVML_VALUE_TYPE_UNSIGNED_LONG: value.ulVal,
            api.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG: value.ullVal,
            api.NVML_VALUE_TYPE_SIGNED_LONG_LONG: value.sllVal,
            api.NVML_VALUE_TYPE_SIGNED_INT: value.siVal,
            api.NVML_VALUE_TYPE_UNSIGNED_SHORT: value.usVal,
        }
        known: float | int = members.get(field.valueType, value.ullVal)
        return known

    def _readers(self) -> dict[str, Reader]:
        api = self.api
        return {
            "nvmlDeviceGetTemperature": self._temperature,
            "nvmlDeviceGetMarginTemperature": _plain(api.nvmlDeviceGetMarginTemperature),
            "nvmlDeviceGetPowerUsage": _plain(api.nvmlDeviceGetPowerUsage),
            "nvmlDeviceGetPowerManagementLimit": _plain(api.nvmlDeviceGetPowerManagementLimit),
            "nvmlDeviceGetClockInfo": self._clocks,
            "nvmlDeviceGetCurrentClocksEventReasons": self._clock_event_reasons,
            "nvmlDeviceGetUtilizationRates": _parts(
                api.nvmlDeviceGetUtilizationRates, "gpu", "memory"
            ),
            "nvmlDeviceGetEncoderUtilization": _first(api.nvmlDeviceGetEncoderUtilization),
            "nvmlDeviceGetDecoderUtilization": _first(api.nvmlDeviceGetDecoderUtilization),
            "nvmlDeviceGetMemoryInfo": self._memory,
            "nvmlDeviceGetCurrPcieLinkGeneration": _plain(api.nvmlDeviceGetCurrPcieLinkGeneration),
            "nvmlDeviceGetCurrPcieLinkWidth": _plain(api.nvmlDeviceGetCurrPcieLinkWidth),
            "nvmlDeviceGetSramEccErrorStatus": self._sram,
            "nvmlDeviceGetNvLinkState": self._links,
        }

    def _slow_readers(self) -> dict[str, Reader]:
        return {"nvmlDeviceGetPcieThroughput": self._throughput}

    def _temperature(self, handle: Handle) -> Mapping[str, int]:
        api = self.api
        try:
            return {"": api.nvmlDeviceGetTemperatureV(handle, api.NVML_TEMPERATURE_GPU)}
        except api.NVMLError_FunctionNotFound:  # drivers before 570
            return {"": api.nvmlDeviceGetTemperature(handle, api.NVML_TEMPERATURE_GPU)}

    def _clocks(self, handle: Handle) -> Mapping[str, int]:
        api = self.api
        return {
            "sm": api.nvmlDeviceGetClockInfo(handle, api.NVML_CLOCK_SM),
            "memory": api.nvmlDeviceGetClockInfo(handle, api.NVML_CLOCK_MEM),
        }

    def _clock_event_reasons(self, handle: Handle) -> Mapping[str, int]:
        api = self.api
        try:
            return {"": api.nvmlDeviceGetCurrentClocksEventReasons(handle)}
        except api.NVMLError_FunctionNotFound:  # drivers before 535
            return {"": api.nvmlDeviceGetCurrentClocksThrottleReasons(handle)}

    def _memory(self, handle: Handle) -> Mapping[str, int]:
        api = self.api
        try:
            memory = api.nvmlDeviceGetMemoryInfo(handle, version=api.nvmlMemory_v2)
        except api.NVMLError_FunctionNotFound:  # drivers before 510 count the reserve as used
            memory = api.nvmlDeviceGetMemoryInfo(handle)
            return {"used": memory.used, "free": memory.free}
        return {"used": memory.used, "free": memory.free, "reserved": memory.reserved}

    def _sram(self, handle: Handle) -> Mapping[str, int]:
        status = self.api.c_nvmlEccSramErrorStatus_v1_t()
        self.api.nvmlDeviceGetSramEccErrorStatus(handle, self.api.byref(status))
        return {
            "correctable": status.aggregateCor,
            "uncorrectable": status.aggregateUncParity + status.aggregateUncSecDed,
            "threshold_exceeded": status.bThresholdExceeded,
        }

    def _links(self, handle: Handle) -> Mapping[str, int]:
        """Links that are up; some of a board's numbers may stand for no link."""
        api = self.api
        states = []
        for link in range(api.NVML_NVLINK_MAX_LINKS):
            try:
                states.append(api.nvmlDeviceGetNvLinkState(handle, link))
            except api.NVMLError_NotSupported:
                continue
            except api.NVMLError_InvalidArgument:
                break
        if not states:
            raise api.NVMLError(api.NVML_ERROR_NOT_SUPPORTED)
        return {"active": sum(map(bool, states))}

    def _throughput(self, handle: Handle) -> Mapping[str, int]:
        api = self.api
        return {
            "tx": api.nvmlDeviceGetPcieThroughput(handle, api.NVML_PCIE_UTIL_TX_BYTES),
            "rx": api.nvmlDeviceGetPcieThroughput(handle, api.NVML_PCIE_UTIL_RX_BYTES),
        }

    def _identity(self, handle: Handle) -> dict[str, str]:
        api = self.api
        wanted: dict[str, Callable[[], Any]] = {
            "uuid": lambda: api.nvmlDeviceGetUUID(handle),
            "serial": lambda: api.nvmlDeviceGetSerial(handle),
            "model": lambda: api.nvmlDeviceGetName(handle),
            "part_number": lambda: api.nvmlDeviceGetBoardPartNumber(handle),
            "firmware": lambda: api.nvmlDeviceGetVbiosVersion(handle),
            "address": lambda: api.nvmlDeviceGetPciInfo(handle).busId,
        }
        found = {}
        for name, read in wanted.items():
            try:
                found[name] = _text(read())
            except api.NVMLError:
                continue
        return found


def _plain(call: Callable[[Any], int]) -> Reader:
    return lambda handle: {"": call(handle)}


def _first(call: Callable[[Any], list[int]]) -> Reader:
    return lambda handle: {"": call(handle)[0]}


def _parts(call: Callable[[Any], Any], *names: str) -> Reader:
    def read(handle: Handle) -> Mapping[str, int]:
        answer = call(handle)
        return {name: getattr(answer, name) for name in names}

    return read


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def answer_requests(requests: Iterable[str], say: Callable[[dict[str, Any]], None]) -> None:
    """Answers every request until there is none, or until the driver fails."""
    nvml: Nvml | None = None
    for line in requests:
        request = json.loads(line)
        if nvml is None:
            nvml = _opened(say)
            if nvml is None:
                return
        try:
            count = nvml.count()
        except nvml.api.NVMLError as error:
            say({"failed": "nvmlDeviceGetCount", "error": error.value, "text": str(error)})
            return
        say({"devices": count, "driver": nvml.driver})
        skipped = set(request["skip"])
        wanted = range(count) if request["devices"] is None else request["devices"]
        for index in wanted:
            if index < count and index not in skipped:
                say({"reading": index})
                say(nvml.device(index, request["fields"], throughput=request["throughput"]))
        say({"done": True})


def _opened(say: Callable[[dict[str, Any]], None]) -> Nvml | None:
    try:
        import pynvml  # noqa: PLC0415 (its absence is an answer, not a crash)
    except ImportError as error:
        say({"failed": "import pynvml", "error": NO_MODULE, "text": str(error)})
        return None
    try:
        return Nvml(pynvml)
    except pynvml.NVMLError as error:
        say({"failed": "nvmlInit", "error": error.value, "text": str(error)})
        return None


def main() -> None:
    """Answers standard input on standard output, which the driver's own messages cannot reach."""
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say(answer: dict[str, Any]) -> None:
        out.write(json.dumps(answer, separators=(",", ":")) + "\n")
        out.flush()

    try:
        answer_requests(sys.stdin, say)
    except BrokenPipeError:
        os._exit(0)  # the parent is gone; nothing may hold this process up


if __name__ == "__main__":
    main()
