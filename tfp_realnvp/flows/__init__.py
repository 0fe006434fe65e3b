"""Flows, assembled from bijectors and networks."""
