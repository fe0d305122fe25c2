"""From prediction tables to figures, intervals, operating points and plots; knows nothing of models."""
