"""sysfs trees as the kernel writes them, built in a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

PORT = {"state": "4: ACTIVE", "phys_state": "5: LinkUp", "rate": "400 Gb/sec (4X NDR)"}
ABOUT = {
    "board_id": "MT_0000000838",
    "fw_ver": "28.41.1000",
    "hca_type": "MT4129",
    "node_desc": "node001 mlx5_0",
    "node_guid": "b83f:d203:00da:1138",
}
COUNTERS = {
    "port_rcv_data": 1000,
    "port_xmit_data": 2000,
    "port_rcv_packets": 30,
    "symbol_error": 0,
    "link_downed": 1,
    "VL15_dropped": 0,
    "multicast_rcv_packets": 3,
}


def write(path: Path, text: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


def add_port(  # noqa: PLR0913 (what a port is made of)
    sysfs: Path,
    adapter: str = "mlx5_0",
    number: int = 1,
    *,
    link_layer: str = "InfiniBand",
    about: Mapping[str, str] | None = None,
    counters: Mapping[str, object] | None = None,
    hw_counters: Mapping[str, object] | None = None,
    **state: str,
) -> Path:
    """A port of an adapter below ``sysfs``; its folder."""
    folder = sysfs / "class" / "infiniband" / adapter
    for name, text in {**ABOUT, **(about or {})}.items():
        write(folder / name, text)
    port = folder / "ports" / str(number)
    for name, text in {**PORT, "link_layer": link_layer, **state}.items():
        write(port / name, text)
    for name, value in (COUNTERS if counters is None else counters).items():
        write(port / "counters" / name, value)
    for name, value in {"lifespan": 10, **(hw_counters or {})}.items():
        write(port / "hw_counters" / name, value)
    return port


def add_pci_device(sysfs: Path, address: str, *links: Path) -> Path:
    """A PCI device, with ``device`` links to it from the folders given."""
    device = sysfs / "devices" / "pci0000:00" / address
    device.mkdir(parents=True, exist_ok=True)
    for folder in links:
        (folder / "device").symlink_to(device)
    return device


def add_module_sensor(device: Path, millidegrees: object) -> None:
    """The sensors that mlx5 has since Linux 6.7: the chip's, and the module's."""
    for at, (label, value) in enumerate((("asic", 71000), ("Module0", millidegrees)), 1):
        write(device / "hwmon" / "hwmon3" / f"temp{at}_label", label)
        write(device / "hwmon" / "hwmon3" / f"temp{at}_input", value)


def add_interface(sysfs: Path, name: str = "eth0", **values: object) -> Path:
    """A network interface; its folder. Keys with two underscores are folders."""
    folder = sysfs / "class" / "net" / name
    said = {
        **{"type": 1, "flags": "0x1003", "carrier": 1, "operstate": "up", "speed": 400000},
        **{"address": "b8:3f:d2:00:00:01", "carrier_down_count": 2},
        **{"statistics__rx_bytes": 1000, "statistics__tx_bytes": 2000},
        **{"statistics__rx_errors": 0, "statistics__tx_errors": 0, "statistics__rx_dropped": 7},
    }
    for key, value in {**said, **values}.items():
        write(folder / key.replace("__", "/"), value)
    return folder
