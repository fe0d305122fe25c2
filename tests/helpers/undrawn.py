"""Runs and pages without their pictures. Imports wait until they are used."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def undrawn() -> Iterator[None]:
    """Make a picture of one pixel of each figure, which takes a seventh of a run's time to draw.

    Figures are made all the same, and `tests/test_pipeline.py` and `tests/display` draw them.
    """
    import io

    from PIL import Image

    from hemo.display import style

    pixel = io.BytesIO()
    Image.new("RGB", (1, 1)).save(pixel, "PNG")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(style, "png", lambda _: pixel.getvalue())
        yield


@pytest.fixture(scope="module")
def no_pictures() -> Iterator[None]:
    """Draw no picture in a file whose tests look at none."""
    with undrawn():
        yield
