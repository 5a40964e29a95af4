"""Limits as data."""
