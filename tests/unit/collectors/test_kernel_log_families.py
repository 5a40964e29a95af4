# ruff: noqa: E501  (tables of lines as the kernel writes them)
"""Every pattern of kernel_patterns.yaml, against a line in the wording of the kernel's source."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fleetops_collectors.kernel_log import KernelFinding, decode_kernel_log
from fleetops_collectors.kernel_log.patterns import load_patterns

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NVLINK = "NVLink: fatal error detected on link 6(0x10000, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0)"

# pattern, text, device below its host, kind, severity, action
# fmt: off
NVIDIA = [
    ("xid", f"NVRM: Xid (PCI:0000:b9:00): 74, pid=<unknown>, name=<unknown>, {NVLINK}", "pci-0000:b9:00.0", "accelerator_nvlink", "critical", "drain_and_reset"),
    ("xid", "NVRM: Xid (0000:03:00): 14, Channel 00000001", "pci-0000:03:00.0", "unclassified", "warning", "watch"),
    ("xid", "NVRM: Xid (PCI:0000:3b:00 GPU-I:05): 31, pid=812, name=python3, Ch 00000008, MMU Fault", "pci-0000:3b:00.0", "accelerator_application", "info", "check_job"),
    ("xid", "NVRM: Xid (PCI:0019:01:00.0): 4711, new", "pci-0019:01:00.0", "unclassified", "warning", "watch"),
    ("xid", "NVRM: Xid (PCI:0000:01:00): 149, pid=8828, NETIR_LINK_EVT Fatal XC0 i0 Link 00 (0x025001c6 0x00000000)", "pci-0000:01:00.0", "accelerator_nvlink", "critical", "drain_and_reset"),
    ("sxid", "nvidia-nvswitch0: SXid (PCI:0000:c2:00.0): 20034, Fatal, Link 28 LTSSM Fault Up", "nvswitch0", "nvswitch_fault", "critical", "drain_and_reset"),
    ("sxid", "nvidia-nvswitch4: SXid (PCI:0000:c6:00.0): 19084, Non-fatal, Link 29 AN1 Heartbeat Timeout Error (First)", "nvswitch4", "nvswitch_fault", "warning", "inspect"),
    ("off_bus", "NVRM: GPU 0000:9b:00.0: GPU has fallen off the bus.", "pci-0000:9b:00.0", "accelerator_fallen_off_bus", "critical", "drain"),
    ("off_bus", "NVRM: The NVIDIA GPU 0000:b3:00.0\nNVRM: (PCI ID: 10de:2330) installed in this system has\nNVRM: fallen off the bus and is not responding to commands.", "pci-0000:b3:00.0", "accelerator_fallen_off_bus", "critical", "drain"),
    ("off_bus_continued", "NVRM: fallen off the bus and is not responding to commands.", "", "accelerator_fallen_off_bus", "critical", "drain"),
    ("nvidia_init", "NVRM: GPU 0000:9b:00.0: RmInitAdapter failed! (0x26:0xffff:1482)", "pci-0000:9b:00.0", "accelerator_driver", "critical", "inspect"),
    ("nvidia_init", "NVRM: rm_init_adapter failed, device minor number 4", "", "accelerator_driver", "critical", "inspect"),
    ("nvidia_probe", "nvidia 0000:02:00.0: probe with driver nvidia failed with error -1", "pci-0000:02:00.0", "accelerator_driver", "critical", "inspect"),
    ("nvidia_probe", "nvidia: probe of 0000:02:00.0 failed with error -1", "pci-0000:02:00.0", "accelerator_driver", "critical", "inspect"),
    ("nvidia_none", "NVRM: None of the NVIDIA devices were initialized.", "", "accelerator_driver", "critical", "inspect"),
    ("nvidia_mismatch", "NVRM: API mismatch: the client has the version 535.104.05, but", "", "accelerator_driver", "warning", "inspect"),
    ("nvidia_modeset", "nvidia-modeset: ERROR: GPU:0: Failed to query display engine channel state: 0x0000c67e:0:0:0x0000000f", "", "accelerator_driver", "warning", "watch"),
]
AMD = [
    ("amd_uncorrectable", "amdgpu 0000:c1:00.0: amdgpu: socket: 0, die: 0 2 new uncorrectable hardware errors detected in umc block", "pci-0000:c1:00.0", "accelerator_memory_uncorrectable", "critical", "drain_and_reset"),
    ("amd_uncorrectable", "amdgpu 0000:c1:00.0: amdgpu: {17}socket: 0, die: 1, 1 new uncorrectable hardware errors detected in gfx block", "pci-0000:c1:00.0", "accelerator_memory_uncorrectable", "critical", "drain_and_reset"),
    ("amd_athub", "amdgpu 0000:c1:00.0: amdgpu: uncorrectable hardware error(ERREVENT_ATHUB_INTERRUPT) detected!", "pci-0000:c1:00.0", "accelerator_memory_uncorrectable", "critical", "drain_and_reset"),
    ("amd_athub", "amdgpu 0000:c1:00.0: amdgpu: {3}poison is consumed by client 10, kick off gpu reset flow", "pci-0000:c1:00.0", "accelerator_memory_uncorrectable", "critical", "drain_and_reset"),
    ("amd_deferred", "amdgpu 0000:c1:00.0: amdgpu: {4}socket: 0, die: 1, 1 new deferred hardware errors detected in umc block", "pci-0000:c1:00.0", "accelerator_memory_uncorrectable", "warning", "inspect"),
    ("amd_corrected", "amdgpu 0000:c1:00.0: amdgpu: 5 correctable hardware errors detected in umc block", "pci-0000:c1:00.0", "memory_corrected", "info", "watch"),
    ("amd_worn_out", "amdgpu 0000:c1:00.0: amdgpu: RAS records:260 exceed threshold:256, GPU will not be initialized. Replace this GPU or increase the threshold", "pci-0000:c1:00.0", "accelerator_memory_uncorrectable", "critical", "drain_and_replace"),
    ("amd_wearing_out", "amdgpu 0000:c1:00.0: amdgpu: RAS records:240 exceeds 90% of threshold:256", "pci-0000:c1:00.0", "accelerator_row_remap", "warning", "inspect"),
    ("amd_reset_failed", "amdgpu 0000:c1:00.0: amdgpu: GPU reset(2) failed", "pci-0000:c1:00.0", "accelerator_reset_required", "critical", "drain_and_reset"),
    ("amd_reset", "amdgpu 0000:c1:00.0: amdgpu: GPU reset begin!", "pci-0000:c1:00.0", "accelerator_reset_required", "warning", "inspect"),
    ("amd_init", "amdgpu 0000:c1:00.0: amdgpu: Fatal error during GPU init", "pci-0000:c1:00.0", "accelerator_driver", "critical", "inspect"),
    ("amd_recovered", "amdgpu 0000:c6:00.0: amdgpu: ring comp_1.0.1 timeout, but soft recovered", "pci-0000:c6:00.0", "accelerator_driver", "info", "watch"),
    ("amd_ring", "amdgpu 0000:c6:00.0: amdgpu: ring sdma0 timeout, signaled seq=4242, emitted seq=4244", "pci-0000:c6:00.0", "accelerator_driver", "warning", "inspect"),
    ("amd_ring", "[drm:amdgpu_job_timedout [amdgpu]] *ERROR* ring sdma0 timeout, signaled seq=42, emitted seq=44", "", "accelerator_driver", "warning", "inspect"),
    ("amd_page_fault", "amdgpu 0000:c1:00.0: amdgpu: [gfxhub0] no-retry page fault (src_id:0 ring:24 vmid:8 pasid:32771)", "pci-0000:c1:00.0", "accelerator_application", "info", "check_job"),
    ("amd_throttled", "amdgpu 0001:01:00.0: amdgpu: WARN: GPU is throttled, expect performance decrease. VR.", "pci-0001:01:00.0", "accelerator_throttled", "warning", "watch"),
]
PROCESSOR = [
    ("mce_panic", "Kernel panic - not syncing: Fatal machine check", "", "machine_check", "critical", "inspect"),
    ("mce", "mce: [Hardware Error]: CPU 12: Machine Check: 0 Bank 7: be00000000800400", "cpu12", "machine_check", "critical", "inspect"),
    ("mce", "mce: [Hardware Error]: CPU 3: Machine Check Exception: f Bank 1: bd80000000100134", "cpu3", "machine_check", "critical", "inspect"),
    ("mce", "mce: [Hardware Error]: CPU 12: Machine Check: 0 Bank 7: 8c00004000010090", "cpu12", "machine_check", "info", "watch"),
    ("mce", "core: [Hardware Error]: CPU 18: Machine Check Exception: 5 Bank 7: be00000001010090", "cpu18", "machine_check", "critical", "inspect"),
    ("mce_amd", "[Hardware Error]: CPU:2 (17:31:0) MC14_STATUS[Over|CE|MiscV|-|-|-|SyndV|-|-|-]: 0xdc2040000000011b", "cpu2", "machine_check", "info", "watch"),
    ("mce_amd", "[Hardware Error]: CPU:2 (19:1:1) MC20_STATUS[-|UE|MiscV|AddrV|-|TCC|SyndV|UECC|-|-|-]: 0xbc00240000000145", "cpu2", "machine_check", "critical", "inspect"),
    ("mce_amd", "[Hardware Error]: CPU:2 (19:1:1) MC20_STATUS[-|-|MiscV|AddrV|-|-|SyndV|UECC|Deferred|-|-]: 0x9c00340000000145", "cpu2", "machine_check", "warning", "inspect"),
    ("mce_amd_fatal", "[Hardware Error]: System Fatal error.", "", "machine_check", "critical", "inspect"),
    ("mce_amd_uncorrected", "[Hardware Error]: Uncorrected, software restartable error.", "", "machine_check", "warning", "inspect"),
    ("mce_amd_corrected", "[Hardware Error]: Corrected error, no action required.", "", "machine_check", "info", "watch"),
    ("mce_logged", "mce: [Hardware Error]: Machine check events logged", "", "machine_check", "info", "watch"),
    ("mce_user", "mce: Uncorrected hardware memory error in user-access at 8b4a1d9c0", "", "machine_check", "critical", "inspect"),
    ("mce_user", "MCE: Killing python3:8123 due to hardware memory corruption fault at 7f0a8c000000", "", "machine_check", "critical", "inspect"),
    ("ghes_fatal", "{1}[Hardware Error]: event severity: fatal", "", "machine_check", "critical", "inspect"),
    ("ghes_recoverable", "{42}[Hardware Error]: event severity: recoverable", "", "machine_check", "warning", "inspect"),
    ("ghes_corrected", "{1}[Hardware Error]: event severity: corrected", "", "machine_check", "info", "watch"),
    ("serror", "SError Interrupt on CPU17, code 0x00000000be000411 -- SError", "", "machine_check", "critical", "inspect"),
    ("serror", "Internal error: synchronous external abort: 0000000096000410 [#1] SMP", "", "machine_check", "critical", "inspect"),
    ("nmi_bus", "NMI: PCI system error (SERR) for reason a1 on CPU 0.", "", "pcie_error", "critical", "inspect"),
    ("nmi_unknown", "Uhhuh. NMI received for unknown reason 3d on CPU 0.", "", "machine_check", "warning", "inspect"),
    ("edac_corrected", "EDAC MC0: 1 CE memory read error on CPU_SrcID#0_MC#0_Chan#0_DIMM#0 (channel:0 slot:0 page:0x1 offset:0x0)", "MC0", "memory_corrected", "info", "watch"),
    ("edac_uncorrected", "EDAC MC1: 1 UE memory read error on CPU_SrcID#0_MC#0_Chan#0_DIMM#0", "MC1", "machine_check", "critical", "inspect"),
    ("edac_device_corrected", "EDAC DEVICE0: CE: l3cache instance: bank0 block: cpu count: 1 'L3 tag'", "edac0", "memory_corrected", "info", "watch"),
    ("edac_device_uncorrected", "EDAC DEVICE1: UE: l3cache instance: bank0 block: cpu count: 1 'L3 data'", "edac1", "machine_check", "critical", "inspect"),
    ("memory_failure", "Memory failure: 0x8b4a1d: recovery action for dirty LRU page: Recovered", "", "machine_check", "warning", "inspect"),
    ("cpu_throttled", "CPU12: Core temperature above threshold, cpu clock throttled (total events = 1)", "", "host_hot", "warning", "inspect"),
    ("cpu_throttled", "CPU0: Package temperature is above threshold, cpu clock is throttled (total events = 7)", "", "host_hot", "warning", "inspect"),
    ("thermal_critical", "thermal thermal_zone0: acpitz: critical temperature reached, shutting down", "", "host_hot", "critical", "inspect"),
]
PCIE = [
    ("aer_fatal", "nvidia 0000:9b:00.0: AER: PCIe Bus Error: severity=Uncorrectable (Fatal), type=Data Link Layer", "pci-0000:9b:00.0", "pcie_error", "critical", "inspect"),
    ("aer_fatal", "pcieport 0000:00:01.0: PCIe Bus Error: severity=Uncorrected (Fatal), type=Transaction Layer, (Receiver ID)", "pci-0000:00:01.0", "pcie_error", "critical", "inspect"),
    ("aer_uncorrected", "nvme 0000:01:00.0: PCIe Bus Error: severity=Uncorrected (Non-Fatal), type=Transaction Layer, (Requester ID)", "pci-0000:01:00.0", "pcie_error", "warning", "inspect"),
    ("aer_corrected", "pcieport 0000:00:01.0: AER: PCIe Bus Error: severity=Correctable, type=Physical Layer, (Receiver ID)", "pci-0000:00:01.0", "pcie_error", "info", "watch"),
    ("aer_root_corrected", "pcieport 0000:00:01.0: AER: Multiple Corrected error received: 0000:01:00.0", "pci-0000:01:00.0", "pcie_error", "info", "watch"),
    ("aer_root_corrected", "pcieport 0000:00:01.0: AER: Correctable error message received from 0000:01:00.0", "pci-0000:01:00.0", "pcie_error", "info", "watch"),
    ("aer_root_fatal", "pcieport 0000:00:01.0: AER: Uncorrectable (Fatal) error message received from 0000:01:00.0", "pci-0000:01:00.0", "pcie_error", "critical", "inspect"),
    ("aer_root_uncorrected", "pcieport 0000:00:01.0: AER: Uncorrected (Non-Fatal) error received: 0000:01:00.0", "pci-0000:01:00.0", "pcie_error", "warning", "inspect"),
    ("aer_not_recovered", "pcieport 0000:00:01.0: AER: device recovery failed", "pci-0000:00:01.0", "pcie_error", "critical", "inspect"),
    ("aer_not_recovered", "pcieport 0000:00:01.0: AER: Device recovery failed", "pci-0000:00:01.0", "pcie_error", "critical", "inspect"),
    ("dpc", "dpc 0000:00:03.2:pcie008: DPC containment event, status:0x1f01 source:0x0000", "pci-0000:00:03.2", "pcie_error", "critical", "inspect"),
    ("dpc", "pcieport 0000:00:01.0: DPC: containment event, status:0x1f01 source:0x0000", "pci-0000:00:01.0", "pcie_error", "critical", "inspect"),
    ("hotplug_down", "pcieport 0000:00:01.0: pciehp: Slot(3): Link Down", "pci-0000:00:01.0", "pcie_error", "critical", "inspect"),
    ("hotplug_down", "pcieport 0000:00:01.0: pciehp: Slot(12-1): Card not present", "pci-0000:00:01.0", "pcie_error", "critical", "inspect"),
    ("hotplug_down", "pciehp 0000:5e:00.0:pcie004: Slot(3): Link Down", "pci-0000:5e:00.0", "pcie_error", "critical", "inspect"),
    ("pcie_narrow", "pci 0000:5e:00.0: 63.012 Gb/s available PCIe bandwidth, limited by 16.0 GT/s PCIe x4 link at 0000:5d:01.0 (capable of 252.048 Gb/s with 16.0 GT/s PCIe x16 link)", "pci-0000:5e:00.0", "pcie_error", "info", "watch"),
]
NETWORK = [
    ("mlx5_fatal", "mlx5_core 0000:5e:00.0: poll_health:825:(pid 0): device's health compromised - reached miss count", "pci-0000:5e:00.0", "link_errors", "critical", "inspect"),
    ("mlx5_fatal", "mlx5_core 0000:5e:00.0: poll_health:801:(pid 0): Fatal error 3 detected", "pci-0000:5e:00.0", "link_errors", "critical", "inspect"),
    ("mlx5_fatal", "mlx5_core 0000:5e:00.0: print_health_info:440:(pid 0): synd 0x8: unrecoverable hardware error", "pci-0000:5e:00.0", "link_errors", "critical", "inspect"),
    ("mlx5_command", "mlx5_core 0000:03:00.0: wait_func:964:(pid 112): ENABLE_HCA(0x104) timeout. Will cause a leak of a command resource", "pci-0000:03:00.0", "link_errors", "critical", "inspect"),
    ("mlx5_health", "mlx5_core 0000:08:00.0: print_health_info:425:(pid 912): Health issue observed, firmware internal error, severity(3) ERROR:", "pci-0000:08:00.0", "link_errors", "critical", "inspect"),
    ("mlx5_health", "mlx5_core 0000:08:00.0: print_health_info:425:(pid 912): Health issue observed, High temperature, severity(4) WARNING:", "pci-0000:08:00.0", "link_errors", "warning", "inspect"),
    ("mlx5_health", "mlx5_core 0000:08:00.0: print_health_info:425:(pid 912): Health issue observed, ICM fetch PCI error, severity(6) INFO:", "pci-0000:08:00.0", "link_errors", "info", "watch"),
    ("mlx5_assert", "mlx5_core 0000:08:00.0: print_health_info:429:(pid 912): assert_var[0] 0x08040700", "pci-0000:08:00.0", "link_errors", "critical", "inspect"),
    ("mlx5_hot", "mlx5_core 0000:08:00.0: temp_warn:197:(pid 0): High temperature on sensors with bit set 0x0 0x1", "pci-0000:08:00.0", "link_errors", "warning", "inspect"),
    ("mlx5_module", "mlx5_core 0000:5c:00.0: port_module:252:(pid 0): Port module event[error]: module 0, Cable error, High Temperature", "pci-0000:5c:00.0", "link_errors", "warning", "inspect"),
    ("mlx5_unplugged", "mlx5_core 0000:12:00.0: Port module event: module 0, Cable unplugged", "pci-0000:12:00.0", "link_down", "warning", "inspect"),
    ("mlx5_power", "mlx5_core 0000:12:00.0: mlx5_pcie_event:299:(pid 7): Detected insufficient power on the PCIe slot (27W).", "pci-0000:12:00.0", "link_errors", "warning", "inspect"),
    ("mlx5_link_down", "mlx5_core 0000:5e:00.0 ens3f0np0: Link down", "pci-0000:5e:00.0", "link_down", "info", "watch"),
    ("mlx5_link_down", "mlx5_core 0000:5e:00.0: eth2: Link down", "pci-0000:5e:00.0", "link_down", "info", "watch"),
    ("mlx5_link_up", "mlx5_core 0000:5e:00.0 ens3f0np0: Link up", "pci-0000:5e:00.0", "link_up", "info", "none"),
    ("link_down", "bnxt_en 0000:19:00.0 ens1f0np0: NIC Link is Down", "pci-0000:19:00.0", "link_down", "info", "watch"),
    ("link_down", "igb 0000:01:00.0 eth0: igb: eth0 NIC Link is Down", "pci-0000:01:00.0", "link_down", "info", "watch"),
    ("link_up", "ice 0000:31:00.0 ens1f0: NIC Link is up 100 Gbps Full Duplex, Requested FEC: RS-FEC", "pci-0000:31:00.0", "link_up", "info", "none"),
    ("link_up", "tg3 0000:04:00.0 eno1: Link is up at 1000 Mbps, full duplex", "pci-0000:04:00.0", "link_up", "info", "none"),
    ("ipoib_up", "IPv6: ADDRCONF(NETDEV_CHANGE): ib0: link becomes ready", "ib0", "link_up", "info", "none"),
    ("bond_down", "bond0: (slave ens3f0np0): link status definitely down, disabling slave", "ens3f0np0", "link_down", "info", "watch"),
    ("bond_down", "bonding: bond0: link status definitely down for interface eth1, disabling it", "eth1", "link_down", "info", "watch"),
    ("bond_lost", "bond0: now running without any active interface!", "bond0", "link_down", "critical", "inspect"),
    ("transmit_hung_old", "NETDEV WATCHDOG: ens3 (mlx5_core): transmit queue 0 timed out", "ens3", "link_errors", "warning", "inspect"),
    ("transmit_hung", "mlx5_core 0000:5e:00.0 ens3: NETDEV WATCHDOG: CPU: 12: transmit queue 5 timed out 5123 ms", "pci-0000:5e:00.0", "link_errors", "warning", "inspect"),
]
STORAGE = [
    ("nvme", "nvme nvme0: I/O 12 QID 3 timeout, aborting", "nvme0", "storage_error", "warning", "inspect"),
    ("nvme", "nvme nvme3: I/O tag 12 (0f0c) opcode 0x2 (I/O Cmd) QID 3 timeout, aborting req_op:READ(0) size:4096", "nvme3", "storage_error", "warning", "inspect"),
    ("nvme", "nvme nvme3: controller is down; will reset: CSTS=0xffffffff, PCI_STATUS=0xffff", "nvme3", "storage_error", "warning", "inspect"),
    ("nvme", "nvme nvme3: Device not ready; aborting reset, CSTS=0x1", "nvme3", "storage_error", "warning", "inspect"),
    ("nvme_lost", "nvme nvme0: Identify Controller failed (-4)", "nvme0", "storage_error", "critical", "inspect"),
    ("nvme_lost", "nvme nvme3: Removing after probe failure status: -19", "nvme3", "storage_error", "critical", "inspect"),
    ("nvme_media", "nvme0n1: Read(0x2) @ LBA 123456, 8 blocks, Unrecovered Read Error (sct 0x2 / sc 0x81) DNR", "nvme0", "storage_error", "critical", "inspect"),
    ("nvme_status", "nvme0c0n1: Write(0x1) @ LBA 0, 8 blocks, Data Transfer Error (sct 0x0 / sc 0x4) MORE", "nvme0", "storage_error", "warning", "inspect"),
    ("medium_error", "blk_update_request: critical medium error, dev nvme0n1, sector 1234 op 0x0:(READ)", "nvme0", "storage_error", "critical", "inspect"),
    ("io_error", "I/O error, dev sda, sector 2048 op 0x0:(READ) flags 0x80700 phys_seg 1 prio class 2", "sda", "storage_error", "warning", "inspect"),
    ("buffer_error", "Buffer I/O error on dev dm-3, logical block 0, async page read", "dm-3", "storage_error", "warning", "inspect"),
    ("scsi_sense", "sd 0:0:0:0: [sda] tag#3 Sense Key : Medium Error [current]", "sda", "storage_error", "critical", "inspect"),
    ("ata", "ata1.00: exception Emask 0x0 SAct 0x0 SErr 0x0 action 0x6 frozen", "ata1", "storage_error", "warning", "inspect"),
    ("ata_lost", "ata1.00: disable device", "ata1", "storage_error", "critical", "inspect"),
    ("raid", "md/raid1:md0: Disk failure on sda1, disabling device.", "sda", "storage_error", "critical", "inspect"),
    ("read_only", "EXT4-fs (nvme0n1p2): Remounting filesystem read-only", "", "storage_error", "critical", "inspect"),
    ("ext4", "EXT4-fs error (device sda1): ext4_find_entry:1455: inode #2: comm ls: reading directory lblock 0", "", "storage_error", "warning", "inspect"),
    ("journal_aborted", "Aborting journal on device sda1-8.", "", "storage_error", "critical", "inspect"),
    ("xfs", "XFS (nvme0n1p1): Corruption of in-memory data (0x8) detected at xfs_defer_finish.  Shutting down filesystem.", "", "storage_error", "critical", "inspect"),
    ("btrfs", "BTRFS error (device nvme1n1p1): bdev /dev/nvme1n1p1 errs: wr 0, rd 21, flush 0, corrupt 0, gen 0", "", "storage_error", "warning", "inspect"),
    ("btrfs_read_only", "BTRFS info (device nvme1n1p1: state EA): forced readonly", "", "storage_error", "critical", "inspect"),
]
KERNEL = [
    ("oom", "Out of memory: Killed process 4711 (python3) total-vm:1kB, anon-rss:1kB", "", "host_memory_exhausted", "warning", "check_job"),
    ("oom", "Out of memory: Kill process 4711 (python3) score 900 or sacrifice child", "", "host_memory_exhausted", "warning", "check_job"),
    ("oom_cgroup", "Memory cgroup out of memory: Killed process 4711 (python3) total-vm:1kB", "", "job_memory_exhausted", "info", "check_job"),
    ("panic", "Kernel panic - not syncing: Fatal exception in interrupt", "", "kernel_fault", "critical", "inspect"),
    ("bug", "watchdog: BUG: soft lockup - CPU#12 stuck for 23s! [python3:123]", "", "kernel_fault", "critical", "inspect"),
    ("bug", "BUG: unable to handle page fault for address: 0000000000001030", "", "kernel_fault", "critical", "inspect"),
    ("bug", "kernel BUG at mm/slub.c:448!", "", "kernel_fault", "critical", "inspect"),
    ("oops", "general protection fault, probably for non-canonical address 0xdead000000000122: 0000 [#1] PREEMPT SMP NOPTI", "", "kernel_fault", "critical", "inspect"),
    ("oops", "Internal error: Oops: 0000000096000004 [#1] SMP", "", "kernel_fault", "critical", "inspect"),
    ("hard_lockup", "NMI watchdog: Watchdog detected hard LOCKUP on cpu 3", "", "kernel_fault", "critical", "inspect"),
    ("rcu_stall", "rcu: INFO: rcu_sched self-detected stall on CPU", "", "kernel_fault", "warning", "inspect"),
    ("rcu_stall", "rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-...D } 6 jiffies", "", "kernel_fault", "warning", "inspect"),
    ("hung_task", "INFO: task kworker/u8:1:99 blocked for more than 122 seconds.", "", "kernel_fault", "warning", "inspect"),
]
# fmt: on
FAMILIES = [*NVIDIA, *AMD, *PROCESSOR, *PCIE, *NETWORK, *STORAGE, *KERNEL]


def decode(text: str) -> list[KernelFinding]:
    escaped = text.replace("\n", "\\x0a")
    return list(decode_kernel_log([f"4,1,1,-;{escaped}"], host="n1", now=NOW))


@pytest.mark.parametrize(("name", "text", "device", "kind", "severity", "action"), FAMILIES)
def test_every_family(
    name: str, text: str, device: str, kind: str, severity: str, action: str
) -> None:
    match = load_patterns().match(text.replace("\n", " "))
    assert match is not None
    assert match.pattern.name == name
    (finding,) = decode(text)
    assert finding.device == (f"n1/{device}" if device else "n1")
    assert finding.source == match.pattern.source
    assert finding.kind == kind
    assert (finding.severity.value, finding.recommended_action.value) == (severity, action)


def test_no_pattern_is_without_a_line() -> None:
    assert {pattern.name for pattern in load_patterns().patterns} == {row[0] for row in FAMILIES}


@pytest.mark.parametrize(
    "text",
    [
        "Linux version 6.8.0",
        "nvidia-nvlink: Nvlink Core is being initialized, major device number 234",
        "NVRM: loading NVIDIA UNIX x86_64 Kernel Module  580.95.05",
        "NVRM: GPU at PCI:0000:9b:00: GPU-509665ad-b600-ac93-3616-d754b23d636d",
        "NVRM: GPU4 GSP RPC buffer contains function 103 (GSP_RM_ALLOC) and data 0x2081 0x4.",
        "NVRM: Rate limiting GSP RPC error prints for GPU at PCI:0000:9b:00 (printing 1 of every 30).",
        "NVRM: Xid (PCI:0000:66:00): abc, pid=1",
        "NVRM: Xid : 32, pid=2280636",
        "nvidia-nvswitch0: SXid (PCI:0000:c1:00.0): 28006, Severity 0 Engine instance 46",
        "nvidia-nvswitch0: SXid (PCI:0000:c1:00.0): 28006, Data {0x00140004, 0x00100000}",
        "amdgpu 0000:c3:00.0: amdgpu: no uncorrectable hardware errors detected in umc block",
        "amdgpu 0000:c3:00.0: amdgpu: 0 uncorrectable hardware errors detected in umc block",
        "amdgpu 0000:c3:00.0: amdgpu: {9}socket: 0, die: 1, 7 uncorrectable hardware errors detected in total in umc block",
        "amdgpu 0000:c3:00.0: amdgpu: GPU reset(2) succeeded!",
        "EDAC MC: Ver: 3.0.0",
        "EDAC MC0: Giving out device to module skx_edac",
        "mce: CPU0: Thermal monitoring enabled (TM1)",
        "mce: CPU12: Core temperature/speed normal",
        "pcieport 0000:00:01.0: AER: enabled with IRQ 24",
        "pcieport 0000:00:01.0: AER: device recovery successful",
        "pcieport 0000:00:01.0: DPC: enabled with IRQ 24",
        "pcieport 0000:00:01.0: pciehp: Slot(3): Link Up",
        "mlx5_core 0000:5e:00.0: 252.048 Gb/s available PCIe bandwidth (16.0 GT/s PCIe x16 link)",
        "mlx5_core 0000:18:00.0: Port module event: module 0, Cable plugged",
        "mlx5_core 0000:18:00.0: mlx5_cmd_out_err:838:(pid 9): ACCESS_REG(0x805) op_mod(0x1) failed, status bad operation(0x2)",
        "mlx5_core 0000:08:00.0: print_health_info:429:(pid 912): assert_var[1] 0x00000000",
        "IPv6: ADDRCONF(NETDEV_CHANGE): cali0: link becomes ready",
        "IPv6: ADDRCONF(NETDEV_UP): eth0: link is not ready",
        "ata5: SATA link down (SStatus 0 SControl 300)",
        "nvme nvme0: 8/0/0 default/read/poll queues",
        "Buffer I/O error on dev sr0, logical block 0",
        "I/O error, dev loop3, sector 0 op 0x0:(READ)",
        "EXT4-fs (sda1): mounted filesystem with ordered data mode",
        "BTRFS info (device nvme0n1p3): bdev /dev/nvme0n1p3 errs: wr 0, rd 21, flush 0, corrupt 350, gen 0",
        "oom_reaper: reaped process 4711 (python3), now anon-rss:0kB",
        "traps: python3[812] general protection fault ip:7f sp:7f error:0",
        "python3[812]: segfault at 0 ip 00007f sp 00007f error 4 in libcuda.so.1[7f00+1000]",
        "rcu: Hierarchical RCU implementation.",
        "perf: interrupt took too long (2503 > 2500), lowering kernel.perf_event_max_sample_rate",
        "audit: backlog limit exceeded",
    ],
)  # fmt: skip
def test_lines_that_mean_nothing(text: str) -> None:
    assert decode(text) == []


@pytest.mark.parametrize("row", FAMILIES, ids=lambda row: row[0])
@pytest.mark.parametrize(
    "quoting", ["ERROR saw '{}'", "trainer: {}", "2026-03-01 12:00:00 INFO found {}", "> {}"]
)
def test_a_text_that_quotes_the_kernel_means_nothing(quoting: str, row: tuple[str, ...]) -> None:
    assert list(decode_kernel_log([quoting.format(row[1])], host="n1", now=NOW)) == []
