"""Stores from which hardly anything can be learned: a clear answer, or figures that are right."""

import numpy as np
import pytest

from hemo import api, config
from hemo.errors import HemoError
from hemo.evaluation.protocols import Protocol
from hemo.evaluation.summary import Summary
from hemo.families._linear import LinearClassifier
from hemo.slices.split import make_split
from hemo.slices.store import SliceStore
from tests.helpers.present import present
from tests.helpers.stores import write_store


def store(folder, patients, kind="noise", slices=4):
    """Return a store; every second patient has blood in half of the slices, unless it is of a kind."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (patients, slices, 16, 16)).astype(np.uint8)
    truth = np.zeros((patients, slices, 6), np.int8)
    truth[::2, : slices // 2, :2] = 1
    if kind == "constant":
        images[:] = 7
    elif kind == "repeated":
        images[:] = images[:1]
    elif kind in ("negative", "positive", "unknown"):
        truth[:] = {"negative": 0, "positive": 1, "unknown": -1}[kind]
    names = [f"{patient:016x}" for patient in range(patients) for _ in range(slices)]
    return write_store(folder / "store", images.reshape(-1, 16, 16), names, truth.reshape(-1, 6))


def judged(trained) -> Summary:
    return api._judged(trained, 100)


@pytest.mark.parametrize(
    ("patients", "kind", "words", "fault"),
    [
        (1, "noise", {"protocol": "holdout"}, "1 patient cannot be dealt to 3 parts: give more patients$"),
        (2, "noise", {"protocol": "holdout"}, "2 patients cannot be dealt to 3 parts"),
        (3, "noise", {"protocol": "holdout"}, "any: there are no slices of both classes to learn from"),
        (4, "noise", {"protocol": "cv"}, "4 patients cannot be dealt to 5 parts"),
        (10, "negative", {"protocol": "cv"}, "any: 0 patients of the store have it"),
        (10, "unknown", {"protocol": "holdout"}, "any: 0 patients of the store have it"),
        (10, "positive", {"protocol": "cv"}, "any: fold 0 has no slices of both classes to learn from"),
        (10, "positive", {"protocol": "holdout"}, "any: there are no slices of both classes to learn from"),
        (3, "noise", {"protocol": "paper"}, "too few for the paper's split"),
    ],
)
def test_what_nothing_can_be_learned_from_is_refused_with_the_remedy(tmp_path, patients, kind, words, fault):
    with pytest.raises(HemoError, match=fault):
        api.train(store(tmp_path, patients, kind), "logreg", "any", config.load(None, draws=100, **words))


@pytest.mark.parametrize("patients", [5, 8])
def test_few_patients_leave_no_part_without_one(tmp_path, patients):
    made = store(tmp_path, patients)
    for seed in range(20):
        for protocol in (Protocol.HOLDOUT, Protocol.CV):
            split = make_split(made.index, protocol, seed, folds=5)
            column = "part" if protocol == Protocol.HOLDOUT else "fold"
            assert split.patients[column].nunique() == (3 if protocol == Protocol.HOLDOUT else 5)


def test_three_patients_are_one_a_part_and_their_metrics_are_those_of_one(tmp_path):
    # Each has half of its slices positive, so that any of them can teach and test.
    rng = np.random.default_rng(0)
    truth = np.zeros((3, 4, 6), np.int8)
    truth[:, :2, :2] = 1
    images = rng.integers(0, 255, (12, 16, 16)).astype(np.uint8)
    names = [f"{patient:016x}" for patient in range(3) for _ in range(4)]
    made = write_store(tmp_path / "store", images, names, truth.reshape(-1, 6))
    trained = api.train(made, "logreg", "any", config.load(None, protocol="holdout", draws=100))
    parts = trained.predictions.groupby("part")["patient"].nunique().to_dict()
    assert parts == {"test": 1, "validation": 1}
    assert (judged(trained).counts.patients, judged(trained).counts.slices) == (1, 4)


@pytest.mark.parametrize("kind", ["constant", "repeated"])
def test_images_that_tell_nothing_are_told_apart_by_no_more_than_chance(tmp_path, kind):
    trained = api.train(store(tmp_path, 10, kind), "logreg", "any", config.load(None, folds=2, draws=100))
    auc = judged(trained)["auc"].value
    assert auc == pytest.approx(0.5, abs=1e-9) if kind == "constant" else 0 <= auc <= 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1])
def test_a_classifier_that_gives_no_probability_is_refused_with_its_family(tmp_path, monkeypatch, value):
    real = LinearClassifier.predict_proba

    def wrong(self, *words, **named):
        found = real(self, *words, **named)
        found[-1, 1] = value
        return found

    monkeypatch.setattr(LinearClassifier, "predict_proba", wrong)
    with pytest.raises(
        HemoError, match=rf"logreg: 1 of 20 probabilities are none, as {value}: .* parameters"
    ):
        api.train(store(tmp_path, 10), "logreg", "any", config.load(None, folds=2, draws=100))


def test_a_patient_of_two_studies_is_one_patient_whose_studies_are_judged_apart(tmp_path):
    made = store(tmp_path, 12)
    index = made.index
    half = index.groupby("patient").cumcount() // 2
    index = index.assign(study=index["study"] + half.map(" {}".format), stack=index["stack"] * 2 + half)
    index.astype({"stack": np.int32}).to_parquet(made.folder / "index.parquet", index=False)
    again = SliceStore.open(made.folder)
    for protocol in (Protocol.HOLDOUT, Protocol.CV):
        split = make_split(again.index, protocol, 0, folds=4)
        assert split.patients["patient"].is_unique
    trained = api.train(again, "logreg", "any", config.load(None, folds=4, draws=100))
    table = trained.predictions
    assert (table.groupby("patient")["fold"].nunique() == 1).all()
    studies = present(trained.studies).table
    assert len(studies) == 24
    assert (studies.groupby("patient")["study"].nunique() == 2).all()
    assert studies.groupby("patient")["truth"].sum().tolist() == [1, 0] * 6  # blood is in the first alone
    assert (judged(trained).counts.patients, judged(trained).counts.slices) == (12, 48)
