"""Optimizers and wrappers of optimizers."""
