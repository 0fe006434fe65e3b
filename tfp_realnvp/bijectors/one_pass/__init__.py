"""Gets a value and its log-determinant from one evaluation."""
