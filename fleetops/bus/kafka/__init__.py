"""The bus on Apache Kafka, by kafka-python. Nothing else of FleetOps imports that library.

It hides what the library does not: bounds in memory and time, and errors by their meaning.
"""

from fleetops.bus.kafka.bus import KafkaBus

__all__ = ["KafkaBus"]
