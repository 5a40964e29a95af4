"""From the bus into the store."""
