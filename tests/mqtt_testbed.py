"""A real MQTT broker (Mosquitto) for tests, and a building management that publishes to it.

The program is the machine's own, or Debian's package unpacked into a cache folder: nothing is
installed and no rights are needed.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion

from tests.support import unavailable

PACKAGES = ("mosquitto", "libmosquitto1", "libcjson1", "libdlt2", "libwrap0", "libwebsockets17")
OPTIONAL = {"libwebsockets17"}
"""Named otherwise in other releases; the broker is not built with it everywhere."""
START_SECONDS = 10.0


def _cache() -> Path:
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return Path(os.environ.get("FLEETOPS_TESTBED_CACHE", home / "fleetops-testbed")) / "mosquitto"


def _unpack(folder: Path) -> None:
    """Debian's packages, unpacked. Two tests at once: the second waits and finds it done."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / ".ready").exists():
            return
        for package in PACKAGES:
            done = subprocess.run(
                ["apt-get", "download", package], cwd=folder, capture_output=True, check=False
            )
            if done.returncode and package not in OPTIONAL:
                raise OSError(f"apt-get download {package}: {done.stderr.decode()[-200:]}")
        for deb in folder.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", deb, folder / "root"], check=True)
            deb.unlink()
        (folder / ".ready").touch()


def _program() -> tuple[str, dict[str, str]]:
    """The broker and the environment it needs."""
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found:
        return found, dict(os.environ)
    folder = _cache()
    _unpack(folder)
    libraries = ":".join(map(str, (folder / "root").glob("usr/lib/*-linux-*")))
    libraries += ":" + ":".join(map(str, (folder / "root").glob("lib/*-linux-*")))
    return str(folder / "root/usr/sbin/mosquitto"), {**os.environ, "LD_LIBRARY_PATH": libraries}


class Broker:
    """One Mosquitto on loopback. It keeps nothing on disk: retained messages end with it."""

    def __init__(self, folder: Path, settings: str = "allow_anonymous true") -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it and waits until it listens.

        Raises:
            OSError: it cannot be had, or does not start.
        """
        config = self._folder / "mosquitto.conf"
        config.write_text(f"listener {self.port} 127.0.0.1\n{self._settings}\n")
        program, environ = _program()
        with (self._folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, "-c", str(config)], env=environ, stdout=log, stderr=log
            )
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.02)
        self.stop()
        raise OSError((self._folder / "mosquitto.log").read_text()[-300:])

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None


@contextmanager
def running_broker(folder: Path, settings: str = "allow_anonymous true") -> Iterator[Broker]:
    """A broker, or the test is skipped (or failed where ``mqtt`` is required)."""
    broker = Broker(folder, settings)
    try:
        broker.start()
    except (OSError, subprocess.SubprocessError) as error:
        unavailable("mqtt", f"no Mosquitto: {error}; apt-get install mosquitto")
    try:
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def mqtt_broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker that lets everybody in; import it where it is used."""
    with running_broker(tmp_path) as broker:
        yield broker


class Publisher:
    """Publishes as a building management does, and waits until the broker has it."""

    def __init__(self, port: int) -> None:
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._waiting: list[MQTTMessageInfo] = []
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def send(self, topic: str, payload: bytes | str, *, retain: bool = False) -> None:
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(10)

    def post(self, topic: str, payload: str, *, retain: bool = False) -> None:
        """Like ``send``, but does not wait; :meth:`drain` does."""
        self._waiting.append(self._client.publish(topic, payload, qos=1, retain=retain))

    def drain(self) -> None:
        for one in self._waiting:
            one.wait_for_publish(60)
        self._waiting.clear()

    def metadata(self, point: str, **fields: object) -> None:
        """``point`` is ``objectType/pointType/tagPath``."""
        object_type, point_type, _ = point.split("/", 2)
        body = {"objectType": object_type, "pointType": point_type, **fields}
        self.send(f"BMS/v1/PUB/Metadata/{point}", json.dumps(body), retain=True)

    def value(
        self, point: str, value: object, at: datetime, *, quality: int = 1, publisher: str = "PUB"
    ) -> None:
        self.send(f"BMS/v1/{publisher}/Value/{point}", value_body(value, at, quality))

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def value_body(value: object, at: datetime, quality: int = 1) -> str:
    """The payload of a value."""
    stamp = int(at.timestamp() * 1000)
    return json.dumps({"value": value, "timestamp": stamp, "quality": quality})


@contextmanager
def publishing(port: int) -> Iterator[Publisher]:
    publisher = Publisher(port)
    try:
        yield publisher
    finally:
        publisher.close()


RACK = {"rackLocationName": "Pod1-A-01", "rackLocationId": "P1-A-01"}
CDU = {"objectName": "CDU 1", "objectId": "cdu1"}


def publish_hall(publisher: Publisher, at: datetime, rack: Mapping[str, str] = RACK) -> None:
    """Metadata and values of one rack and one coolant unit."""
    publisher.metadata("Rack/RackLiquidFlow/p1/a1/flow", engUnit="LPM", **rack)
    publisher.metadata("Rack/RackLeakDetect/p1/a1/leak", stateText=[], **rack)
    supply = ["Secondary", "Supply"]
    publisher.metadata("CDU/LiquidTemperature/c1/st", engUnit="C", processArea=supply, **CDU)
    publisher.value("Rack/RackLiquidFlow/p1/a1/flow", 61.5, at)
    publisher.value("Rack/RackLeakDetect/p1/a1/leak", 0, at)
    publisher.value("CDU/LiquidTemperature/c1/st", 32.5, at)


@contextmanager
def repeating(publisher: Publisher, at: datetime) -> Iterator[None]:
    """The hall's values, sent again and again: a broker does not keep them for who comes later."""
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(0.05):
            publish_hall(publisher, at)

    publish_hall(publisher, at)
    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
