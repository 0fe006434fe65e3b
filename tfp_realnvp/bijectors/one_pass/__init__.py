"""How a value and its log-determinant come from one evaluation."""
