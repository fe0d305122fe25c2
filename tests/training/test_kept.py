"""What a training that is killed had finished is taken by the same training, and changes nothing."""

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hemo import families
from hemo.evaluation.operating_point import OperatingPointRule
from hemo.evaluation.protocols import Protocol
from hemo.families._epochs import Checkpoint
from hemo.sealed import Sealed
from hemo.slices.pseudonyms import key_path
from hemo.slices.split import Round, make_split
from hemo.training import Plan, Trained, Training, train_fold, train_label
from hemo.training.kept import FORGOTTEN, NOTHING, Finished, Kept
from tests.helpers.stores import bright_blood, write_store

FOLDS = 3
ROUND = Round(1, np.arange(2), np.arange(2), np.arange(2))


class Killed(BaseException):
    """What ends a training at any place."""


class Spy:
    """A classifier of one label or of all, by mean brightness; its fits are counted, and one is killed."""

    checkpoint: Sealed | None = None

    def __init__(self, fits: list[Sealed | None], killed_at: int) -> None:
        self.fits, self.killed_at = fits, killed_at
        self.convergence_ = {"converged": 1.0}

    def fit(self, images: Any, y: Any, validation: Any = None, on_epoch: Any = None, **_: Any) -> "Spy":
        self.fits.append(self.checkpoint)
        for epoch in range(2):
            on_epoch(epoch, {"loss": 1 / (3 + epoch)})
            if len(self.fits) == self.killed_at:
                assert self.checkpoint
                Checkpoint([{"loss": 1 / 3}], 5.0).write(self.checkpoint)
                raise Killed
        return self

    def for_label(self, _: int) -> "Spy":
        return self

    def predict_proba(self, images: Any) -> Any:
        share = images.reshape(len(images), -1).mean(axis=1) / 255
        return np.stack([1 - share, share], axis=1)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    images, patients, labels = bright_blood(patients=24, slices=4)
    return write_store(tmp_path_factory.mktemp("kept") / "store", images, patients, labels)


Starts = Callable[..., tuple[Trained, int]]


@pytest.fixture
def start(store, monkeypatch) -> Starts:
    """Train up to a fit that is killed; give what was trained and how many fits it took."""

    def started(
        kept: Kept, word: str = "cnn", protocol: str = "cv", repeats: int = 1, killed_at: int = 0,
        ahead: Sequence[int] = (),
    ):  # fmt: skip
        fits: list[Sealed | None] = []
        monkeypatch.setattr(families, "build", lambda *_: Spy(fits, killed_at))
        split = make_split(store.index, Protocol(protocol), 3, folds=FOLDS, repeats=repeats)
        plan = Plan(split, "natural", OperatingPointRule("sensitivity_at_least", 0.85), 3145, 3)
        training = Training(store, plan, word, "any", {})
        for number in ahead:
            train_fold(training, number, kept)
        try:
            trained = train_label(training, kept=kept)
        except Killed:
            assert len(fits) == killed_at
            raise
        return trained, len(fits)

    return started


@pytest.mark.parametrize(
    ("word", "repeats", "killed_at", "left"),
    [("cnn", 1, 3, 2), ("cnn", 2, 6, 2), ("cnn", 1, 4, 1), ("multilabel", 1, 3, 2)],
)
def test_finished_folds_are_taken_and_give_what_an_undisturbed_training_gives(
    start, tmp_path, capsys, word, repeats, killed_at, left
):
    whole, fits = start(NOTHING, word, repeats=repeats)
    assert fits == repeats * FOLDS + 1
    kept = Kept(tmp_path / "kept")
    with pytest.raises(Killed):
        start(kept, word, repeats=repeats, killed_at=killed_at)
    again, fits = start(kept, word, repeats=repeats)
    assert fits == left
    pd.testing.assert_frame_equal(again.predictions, whole.predictions)
    pd.testing.assert_frame_equal(again.epochs, whole.epochs)
    assert again.threshold == whole.threshold
    assert again.facts["time/fit_s"] > 5
    said = " ".join(capsys.readouterr().err.split())
    assert f"goes on behind its finished folds, {killed_at - 1} of {repeats * FOLDS}" in said
    assert "goes on behind its epoch 1" in said


@pytest.mark.parametrize("word", ["cnn", "multilabel"])
def test_folds_that_were_made_ahead_are_taken_and_give_what_the_training_gives_alone(start, tmp_path, word):
    alone, fits = start(NOTHING, word, repeats=2)
    kept = Kept(tmp_path / "kept")
    parted, also = start(kept, word, repeats=2, ahead=(4, 0, 1, 0))
    assert also == fits, "none is fitted twice"
    pd.testing.assert_frame_equal(parted.predictions, alone.predictions)
    pd.testing.assert_frame_equal(parted.epochs, alone.epochs)
    assert start(kept, word, repeats=2)[1] == 1


def test_the_classifier_to_keep_is_fitted_though_its_predictions_were_finished(start, tmp_path):
    for _ in range(2):
        assert start(Kept(tmp_path / "kept"), protocol="holdout")[1] == 1
    assert not (tmp_path / "kept").exists()


def test_what_cannot_be_read_is_made_again(tmp_path):
    table = pd.DataFrame({"probability": [0.1]})
    fitted = []

    def through() -> Finished:
        def made(one: Round) -> tuple[dict[str, pd.DataFrame], float]:
            fitted.append(one)
            return {"any": table}, 1.5

        (done,) = Kept(tmp_path).through([ROUND], "cnn/any", [], made, last=False)
        return done

    for _ in range(2):
        done = through()
        pd.testing.assert_frame_equal(done.tables["any"], table)
        assert (done.seconds, done.epochs) == (1.5, [])
    assert len(fitted) == 1
    for number, content in enumerate((b"PAR1", Sealed(tmp_path / "0_1.parquet").read()), 2):
        assert content
        (tmp_path / "0_1.parquet").write_bytes(content)  # without a seal
        through()
        assert len(fitted) == number
    Sealed(tmp_path / "0_1.parquet").write(lambda partial: partial.write_bytes(b"PAR1"))
    through()
    assert len(fitted) == 4


def test_where_nothing_can_be_written_the_training_goes_on_and_says_so(start, tmp_path, capsys):
    (tmp_path / "file").write_text("no folder")
    assert start(Kept(tmp_path / "file"))[1] == FOLDS + 1
    assert "the fold cannot be kept (" in " ".join(capsys.readouterr().err.split())


def test_a_finished_training_leaves_nothing_and_others_their_own_for_a_month(store):
    kept, other, old = (Kept.beside(store, key) for key in ("a", "b", "c"))
    for one in (kept, other, old):
        assert one.folder
        one.folder.mkdir(parents=True)
    long_ago = time.time() - FORGOTTEN - 60
    os.utime(str(old.folder), (long_ago, long_ago))
    kept.drop()
    parent = store.folder.parent / "store.unfinished"
    assert [path.name for path in parent.iterdir()] == ["b"]
    other.drop()
    assert not parent.exists()
    other.drop()
    NOTHING.drop()


def test_what_was_not_sealed_with_the_key_of_the_store_is_not_taken(start, store, tmp_path, capsys):
    kept = Kept.beside(store, "a")
    assert kept.key == key_path(store.folder).read_bytes().strip()
    with pytest.raises(Killed):
        start(kept, killed_at=3)
    with pytest.raises(Killed):
        start(Kept(kept.folder, b"of somebody else"), killed_at=1)  # puts its own epoch there
    assert kept.folder
    (kept.folder / "0_0.parquet").rename(kept.folder / "0_1.parquet")
    capsys.readouterr()
    assert start(kept)[1] == FOLDS + 1
    assert capsys.readouterr().err.count("not what was written there") == 2
    kept.drop()


def test_a_store_without_its_key_has_nothing_kept(store, monkeypatch, capsys):
    monkeypatch.setattr("hemo.training.kept.key_path", lambda _: store.folder / "no key")
    assert [Kept.beside(store, key) for key in "ab"] == [NOTHING, NOTHING]
    assert capsys.readouterr().err.count("no key to seal with") == 1


def test_without_a_folder_nothing_is_kept(start, store):
    before = set(store.folder.parent.rglob("*"))
    start(NOTHING)
    assert set(store.folder.parent.rglob("*")) == before
