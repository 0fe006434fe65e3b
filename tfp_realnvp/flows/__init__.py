"""Flows, assembled of bijectors and networks."""
