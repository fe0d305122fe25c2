"""Stress: what classifiers say of their own data where it is shown, saved or scanned otherwise."""
