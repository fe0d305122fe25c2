"""What all tests share."""

import os
import signal

from hypothesis import settings

# A runner started in the background of a shell ignores Ctrl-C, and so would every program that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same code gives the same answer, on a busy machine too; new examples are sought on demand:
# HYPOTHESIS_PROFILE=explore make test
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

pytest_plugins = ["tests.helpers.registry_fixtures", "tests.helpers.simulation"]
