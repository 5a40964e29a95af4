"""Emulated OCP hardware that answers over the real protocols."""
