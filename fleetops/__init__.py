"""FleetOps: fleet telemetry and operations for AI training clusters."""
