"""Images in files of one's own."""
