"""Data: rendering, the raw forms of the real sets, download and preparation (one schema for all)."""
