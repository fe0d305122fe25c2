"""From prediction tables to metrics, intervals, operating points and plots; knows nothing of models."""
