"""Optimizers, and what is wrapped around them."""
