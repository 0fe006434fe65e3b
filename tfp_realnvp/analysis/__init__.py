"""What a trained model tells of its data."""
