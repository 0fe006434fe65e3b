"""Backward passes that recompute activations instead of storing them."""
