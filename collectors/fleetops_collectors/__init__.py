"""Collectors: one module a protocol."""
