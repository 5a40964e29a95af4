"""From telemetry and events to findings and incidents."""
