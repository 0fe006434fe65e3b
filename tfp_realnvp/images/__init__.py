"""Images as data for a flow."""
