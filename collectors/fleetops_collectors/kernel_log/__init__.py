"""Kernel logs: which lines mean something, and what to do about it."""

from fleetops_collectors.kernel_log.collector import KernelLogCollector
from fleetops_collectors.kernel_log.config import KernelLogConfig, KernelLogTarget
from fleetops_collectors.kernel_log.decode import decode_kernel_log
from fleetops_collectors.kernel_log.finding import KernelFinding
from fleetops_collectors.kernel_log.record import bounded_lines

__all__ = [
    "KernelFinding",
    "KernelLogCollector",
    "KernelLogConfig",
    "KernelLogTarget",
    "bounded_lines",
    "decode_kernel_log",
]
