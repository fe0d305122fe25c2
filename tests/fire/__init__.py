"""Hostile input, made by rule: what was tried, what came of it, and what it took.

`python -m tests.fire` is the long form (`make fire`), `tests/fire/test_fire.py` the short one.
"""
