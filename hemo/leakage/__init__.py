"""What a split by slice would add to every metric, and what crosses a split that should not."""
