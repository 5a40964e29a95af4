"""The REST API and its client."""
