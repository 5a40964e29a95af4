"""The protocols the emulated hardware speaks."""
