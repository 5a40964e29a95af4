"""What Slurm's commands say, and what it means. The programs are scripts that say it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fleetops.core.clock import SystemClock
from fleetops.core.errors import (
    AmbiguousWriteError,
    ConfigError,
    FleetOpsError,
    NotFoundError,
    RefusedError,
    SchedulerUnavailableError,
)
from fleetops.operate.schedulers.base import SchedulerConfig
from fleetops.operate.schedulers.slurm import SlurmConfig, SlurmScheduler
from tests.support import fixtures

NODES = '{"nodes": [{"name": "n1", "state": ["IDLE", "DRAIN"], "reason": "x"}]}'


def a_slurm(folder: Path, **scripts: str) -> SlurmScheduler:
    """An adapter whose ``scontrol`` answers ping and show; ``update`` runs the script."""
    update = scripts.pop("update", "exit 0")
    show = scripts.pop("show", f"echo '{NODES}'")
    programs = {
        "scontrol": f"""case $1 in
            ping) echo "Slurmctld(primary) at head is UP" ;;
            show) {show} ;;
            update) {update} ;;
        esac""",
        "squeue": """echo '{"jobs": []}'""",
        **scripts,
    }
    for name, body in programs.items():
        program = folder / name
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)
    return SlurmScheduler(SlurmConfig(bin_dir=folder, deadline_seconds=2.0), SystemClock())


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("slurm_update error: Invalid node name specified", NotFoundError),
        ("slurm_update error: Invalid user id", RefusedError),
        ("slurm_update error: Access/permission denied", RefusedError),
        ("slurm_update error: Invalid node state specified", RefusedError),
        ("scontrol: error: Protocol authentication error", RefusedError),
        (
            "slurm_update error: Unable to contact slurm controller (connect failure)",
            SchedulerUnavailableError,
        ),
        ("slurm_update error: Socket timed out on send/recv operation", AmbiguousWriteError),
        ("slurm_update error: Zero Bytes were transmitted or received", AmbiguousWriteError),
        ("slurm_update error: something new", AmbiguousWriteError),
        ("", AmbiguousWriteError),
    ],
)
def test_errors_of_an_update(tmp_path: Path, said: str, expected: type[FleetOpsError]) -> None:
    slurm = a_slurm(tmp_path, update=f"echo '{said}' >&2; exit 1")
    with pytest.raises(FleetOpsError) as raised:
        slurm.drain("n1", "fleetops:inc-1 x")
    assert type(raised.value) is expected
    assert "n1" in str(raised.value)


def test_no_answer_to_an_update_is_ambiguous(tmp_path: Path) -> None:
    with pytest.raises(AmbiguousWriteError, match="no answer in time"):
        a_slurm(tmp_path, update="sleep 30").drain("n1", "fleetops:inc-1 x")


def test_what_an_update_is_given(tmp_path: Path) -> None:
    slurm = a_slurm(tmp_path, update=f'printf "%s\\n" "$@" > {tmp_path}/given')
    slurm.drain("n1", "fleetops:inc-1 it's $(hot); x")
    given = (tmp_path / "given").read_text().splitlines()
    assert given == ["update", "NodeName=n1", "State=DRAIN", "Reason=fleetops:inc-1 it's $(hot); x"]
    slurm.undrain("n1")
    given = (tmp_path / "given").read_text().splitlines()
    assert given == ["update", "NodeName=n1", "State=UNDRAIN"]


def test_a_name_that_means_other_nodes_is_not_written(tmp_path: Path) -> None:
    slurm = a_slurm(tmp_path, update=f"touch {tmp_path}/written")
    with pytest.raises(NotFoundError, match="no node head"):
        slurm.drain("head", "fleetops:inc-1 x")
    assert not (tmp_path / "written").exists()


@pytest.mark.parametrize("answer", ["echo '<html>'", "echo '{}'", "exit 1", "sleep 30"])
def test_a_bad_answer_is_no_answer(tmp_path: Path, answer: str) -> None:
    with pytest.raises(SchedulerUnavailableError):
        a_slurm(tmp_path, show=answer).nodes()


@pytest.mark.fixtures
def test_slurm_21_08_is_read_through_sinfo(tmp_path: Path) -> None:
    folder = fixtures() / "schedulers/rivosinc"
    for name in ("sinfo_out.json", "squeue_out.json"):
        shutil.copy(folder / name, tmp_path)
    slurm = a_slurm(
        tmp_path,
        show="echo \"scontrol: unrecognized option '--json'\" >&2; exit 1",
        sinfo=f"cat {tmp_path}/sinfo_out.json",
        squeue=f"cat {tmp_path}/squeue_out.json",
    )
    nodes = slurm.nodes()
    assert len(nodes) == 4
    assert set(slurm.nodes({"cs3.example.company.com"})) == {"cs3.example.company.com"}
    jobs = {job.id: job.nodes for job in slurm.jobs()}
    assert jobs["26515966"] == ("cs75",)


def test_another_adapters_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="SlurmConfig"):
        SlurmScheduler.create(SchedulerConfig(), SystemClock())
