"""A member of a consumer group in a process of its own, to be killed: polls, prints, commits not.

usage: python -m tests.contract.bus_member CONFIG_JSON GROUP TOPIC
"""

from __future__ import annotations

import sys

from fleetops.bus.factory import open_bus
from fleetops.core.clock import SystemClock
from fleetops.core.config import BusConfig
from fleetops.core.logging import configure_logging


def main() -> None:
    """Runs until it is killed."""
    configure_logging()
    config, group, topic = sys.argv[1:]
    with (
        open_bus(BusConfig.model_validate_json(config), SystemClock()) as bus,
        bus.consumer(group, [topic]) as consumer,
    ):
        while True:
            for message in consumer.poll(0.5):
                print(message.value.decode(), flush=True)  # noqa: T201  its one output


if __name__ == "__main__":
    main()
