"""Images as data of a flow."""
