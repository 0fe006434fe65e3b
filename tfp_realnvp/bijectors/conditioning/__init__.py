"""What calls the network of a coupling."""
