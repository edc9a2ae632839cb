"""Rendered data: scenes to count and geometry figures, in the raw form of the real sets."""
