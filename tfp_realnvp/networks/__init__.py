"""Conditioners: networks that do not depend on flows."""
