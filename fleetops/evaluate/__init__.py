"""Runs scenarios, replays and benchmarks, and holds them against the truth."""
