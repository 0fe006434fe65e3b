"""Distributions in files."""
