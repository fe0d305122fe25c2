"""A fit that was killed goes on behind its last finished epoch, and becomes what it would have been."""

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hemo import families
from hemo.families._epochs import Checkpoint, begun
from hemo.sealed import Sealed

# `cnn`, `finetune` and `multilabel` are trained by the same code as `ann`, and take longer.
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "compiled before": (
        "ann",
        {"layers": (8,), "dropout": 0.3, "batch_norm": True, "optimizer": "adam", "epochs": 5},
    ),
    "augmented": ("ann", {"layers": (8,), "augmentation": 0.5, "momentum": 0.9, "epochs": 3}),
    "by studies": ("mil", {"epochs": 5, "learning_rate": 0.005}),
}


class Killed(BaseException):
    """What ends a fit at any place."""


@pytest.fixture(scope="module")
def slices():
    rng = np.random.default_rng(0)
    truth = (np.arange(48) % 2).astype(np.int8)
    images = rng.integers(0, 200, (48, 16, 16, 1)) + 40 * truth[:, None, None, None]
    return images.astype(np.uint8), truth


def fitted(case, slices, checkpoint, stop=99):
    """Return a classifier and its epochs' metrics, fitted until it is killed in the epoch `stop`."""
    (family, params), (images, truth) = CASES[case], slices
    if families.get(family).together:
        truth = np.stack((truth, 1 - truth), axis=1)
    context: dict[str, Any] = {}
    if family == "mil":
        context = {"study": np.arange(40) // 4, "validation_study": np.arange(8) // 4}
    said = {}

    def on_epoch(epoch, metrics):
        if epoch == stop:
            raise Killed
        said[epoch] = dict(metrics)

    one: Any = families.build(family, {**params, "patience": 3}, 3)
    one.checkpoint = checkpoint
    held = 1 - truth[40:] if case == "compiled before" else truth[40:]  # the first epoch is the best
    with suppress(Killed):
        one.fit(images[:40], truth[:40], (images[40:], held), on_epoch, **context)
    return one, said


@pytest.mark.parametrize("case", CASES)
def test_a_fit_killed_in_its_last_epoch_becomes_what_it_would_have_been(case, slices, tmp_path):
    whole, said = fitted(case, slices, None)
    checkpoint = Sealed(tmp_path / "epochs.npz", b"key")
    fitted(case, slices, checkpoint, stop=len(said) - 1)
    assert len(Checkpoint.read(checkpoint).logs) == len(said) - 1
    for _ in range(2 if case == "compiled before" else 1):  # the second time with no epoch left
        again, same = fitted(case, slices, checkpoint)
        assert same == said
        assert again.convergence_ == whole.convergence_
        for one, other in zip(whole.network_.get_weights(), again.network_.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_file_that_cannot_be_read_is_the_beginning(tmp_path):
    file = Sealed(tmp_path / "epochs.npz")
    assert begun(file) == begun(None) == (0, 0.0)
    Checkpoint([{"loss": 0.5}], 2.0, variables=[np.arange(3)]).write(file)
    assert begun(file) == (1, 2.0)
    whole = file.read()
    assert whole
    for part in (whole[: len(whole) // 2], b"", whole[:-9], b"no archive"):
        file.write(partial(Path.write_bytes, data=part))
        assert begun(file) == (0, 0.0)


def test_an_epoch_that_cannot_be_written_is_said_and_loses_nothing_else(tmp_path, capsys):
    (tmp_path / "file").write_text("no folder")
    Checkpoint().write(Sealed(tmp_path / "file" / "epochs.npz"))
    assert "the epoch cannot be kept (" in " ".join(capsys.readouterr().err.split())
