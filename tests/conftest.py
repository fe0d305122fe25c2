"""What all tests share."""

import gc
import os
import signal

import pytest
from hypothesis import Phase, settings

from hemo import console
from hemo.executors import THREAD_WORDS

# A runner started in the background of a shell ignores Ctrl-C, and so would every program that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# What a command prints does not depend on how busy the machine is: here nobody waits. `tests/test_console.py`
# and `tests/commands/test_silence.py` see what is said to who does.
console.SILENCE = 3600.0

# Small matrices are not worth threads, which wait for each other where other tests run beside: fitting a
# study's score took four times the processor time. NumPy, OpenCV and TensorFlow read these when imported.
os.environ.update(dict.fromkeys(THREAD_WORDS, "1"))

gc.set_threshold(10_000)  # as `hemo/__main__.py` does

# The same code gives the same answer, on a busy machine too; new examples are sought on demand:
# HYPOTHESIS_PROFILE=explore make test
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.register_profile("explore", deadline=None, max_examples=1000)
# `make mutants`: a mutant that fails an example is killed, and nobody reads the smallest one.
settings.register_profile(
    "mutants", derandomize=True, deadline=None, database=None, phases=(Phase.explicit, Phase.generate)
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

pytest_plugins = [
    "tests.helpers.mlflow_schema",
    "tests.helpers.registry_fixtures",
    "tests.helpers.simulation",
    "tests.helpers.undrawn",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Under `make mutants` run tests of single examples first: they are the quickest to kill a mutant."""
    if os.environ.get("HYPOTHESIS_PROFILE") == "mutants":
        items.sort(key=lambda item: item.get_closest_marker("hypothesis") is not None)


@pytest.fixture(autouse=True, scope="module")
def _old_objects_aside() -> None:
    """Keep Python from searching what is imported by now for garbage: each fit of a network asks for that."""
    gc.collect()
    gc.freeze()
