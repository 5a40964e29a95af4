"""Detectors, one concept a file."""
