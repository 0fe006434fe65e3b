"""Images from your own files."""
