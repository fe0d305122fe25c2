"""The seed paper's printed tables beside ours."""
