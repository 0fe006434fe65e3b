"""Training runs: configuration, folder, checkpoints."""
