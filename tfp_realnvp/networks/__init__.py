"""Conditioners: networks that know nothing of flows."""
