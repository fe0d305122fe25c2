"""Truth, probability and patient to metrics, intervals, operating points and plots. Knows nothing of models."""
