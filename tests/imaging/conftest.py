"""Make `scans` (scans made for tests) importable; time limits of single examples are for idle machines."""

import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parents[1]))
settings.register_profile("hemo", deadline=None)
settings.load_profile("hemo")
