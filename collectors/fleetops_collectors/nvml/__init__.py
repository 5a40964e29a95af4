"""NVIDIA GPUs in band, through the driver's management library (NVML)."""

from fleetops_collectors.nvml.collector import NvmlCollector, NvmlConfig, NvmlTarget
from fleetops_collectors.nvml.fields import decode_device, parse_answer

__all__ = ["NvmlCollector", "NvmlConfig", "NvmlTarget", "decode_device", "parse_answer"]
