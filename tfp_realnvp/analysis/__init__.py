"""Evaluation, latents and figures of trained models."""
