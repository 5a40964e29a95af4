"""Alert sinks, one a file."""
