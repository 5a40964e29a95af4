"""A real Kubernetes control plane on loopback for tests, with fake nodes and no containers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import ROOT, unavailable

SCRIPTS = ROOT / "deploy" / "testbed" / "kubernetes"
START_SECONDS = 120


class KubernetesCluster:
    """A control plane in a folder of its own, by the scripts of ``deploy/testbed/kubernetes``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._bin = ""

    def start(self, nodes: int) -> None:
        """Starts what ``build.sh`` built. A test does not build: that takes longer than any may.

        Raises:
            RuntimeError: it was not built, or did not start; the message says why.
        """
        if not (_cache() / "bin" / "fleetk8s").exists():
            raise RuntimeError("not built; run deploy/testbed/kubernetes/build.sh (Go 1.26, once)")
        self._bin = _run([SCRIPTS / "build.sh"], START_SECONDS).strip()
        _run([SCRIPTS / "start.sh", self.folder, str(nodes)], START_SECONDS)

    def stop(self) -> None:
        subprocess.run(
            [SCRIPTS / "stop.sh", self.folder], capture_output=True, timeout=60, check=False
        )
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def url(self) -> str:
        return str(self._kubeconfig("admin")["clusters"][0]["cluster"]["server"])

    def write_access(self, account: str, folder: Path) -> tuple[Path, Path]:
        """Files with the token of an account and with the CA, as a pod has them."""
        config = self._kubeconfig(account)
        token, authority = folder / f"{account}.token", folder / "ca.crt"
        token.write_text(config["users"][0]["user"]["token"])
        data = config["clusters"][0]["cluster"]["certificate-authority-data"]
        authority.write_bytes(b64decode(data))
        return token, authority

    def kubectl(self, *arguments: str, stdin: object = None) -> str:
        """Runs kubectl as admin; objects to apply are its standard input."""
        environ = {**os.environ, "KUBECACHEDIR": str(self.folder / "cache"), "KUBERC": "off"}
        done = subprocess.run(
            [f"{self._bin}/kubectl", f"--kubeconfig={self.folder}/admin.kubeconfig", *arguments],
            input=json.dumps(stdin) if stdin is not None else None,
            capture_output=True,
            text=True,
            timeout=60,
            env=environ,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _kubeconfig(self, account: str) -> Any:  # noqa: ANN401 - YAML
        return yaml.safe_load((self.folder / f"{account}.kubeconfig").read_text())


def _cache() -> Path:
    """Where ``build.sh`` puts what it builds."""
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return Path(os.environ.get("FLEETK8S_CACHE", home / "fleetops-testbed" / "kubernetes"))


def _run(command: list[Path | str], seconds: float) -> str:
    # Output goes to files: servers that inherit a pipe would keep it open.
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        done = subprocess.run(
            [str(part) for part in command],
            stdout=out,
            stderr=err,
            stdin=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
        )
        out.seek(0)
        err.seek(0)
        if done.returncode != 0:
            raise RuntimeError(err.read().strip()[-500:])
        return out.read()


@pytest.fixture(scope="module")
def kubernetes_cluster() -> Iterator[KubernetesCluster]:
    """Twenty nodes of eight accelerators for a module; import it where it is used."""
    cluster = KubernetesCluster(Path(tempfile.mkdtemp(prefix="k8s-")))
    try:
        cluster.start(20)
    except (OSError, RuntimeError, subprocess.TimeoutExpired) as error:
        cluster.stop()
        unavailable("kubernetes", str(error))
    yield cluster
    cluster.stop()
