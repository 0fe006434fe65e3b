"""Calls the network of a coupling."""
