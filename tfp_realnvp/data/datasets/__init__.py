"""Data sets that are prepared elsewhere."""
