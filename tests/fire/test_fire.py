"""The short forms of the hunt and of the injected faults, each in a process that holds nothing else.

They fork, and bound the memory of what they fork: neither is for a process in which TensorFlow was loaded.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("form", ["short_hunt", "short_faults"])
def test_the_short_form_finds_nothing(form):
    words = [sys.executable, "-m", "pytest", "--no-cov", "-q", str(Path(__file__).with_name(f"{form}.py"))]
    own = ("PYTEST_", "COVERAGE_", "COV_", "MLFLOW_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
