"""One training as one run: its steps, what it leaves in MLflow, and how it is made again."""
