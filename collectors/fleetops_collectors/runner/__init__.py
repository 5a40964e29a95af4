"""Runs collectors: when they read, how many at once, and that nothing they give is lost."""
