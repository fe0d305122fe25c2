"""What a split by slice would add to every figure, and what crosses a split that should not."""
