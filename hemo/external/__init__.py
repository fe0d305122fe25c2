"""External validation: a registered version, or the panel, on data that it was not made of."""
