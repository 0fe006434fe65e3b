"""Backward passes that rebuild activations in place of keeping them."""
