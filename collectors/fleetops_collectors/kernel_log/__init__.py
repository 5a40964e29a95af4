"""Kernel logs: which lines mean something, and what to do about it."""

from fleetops_collectors.kernel_log.collector import (
    KernelLogCollector,
    KernelLogConfig,
    KernelLogTarget,
)
from fleetops_collectors.kernel_log.decode import KernelFinding, decode_kernel_log

__all__ = [
    "KernelFinding",
    "KernelLogCollector",
    "KernelLogConfig",
    "KernelLogTarget",
    "decode_kernel_log",
]
