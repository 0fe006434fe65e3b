"""Small tools that know nothing of flows."""
