"""The version of hemo."""

__version__ = "0.1.0"
