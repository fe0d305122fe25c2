"""A slice or a patient on both sides of a split is noticed, and what it adds to the figures is measured."""

from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from hemo import families
from hemo.evaluation.operating_point import OperatingPointRule
from hemo.evaluation.protocols import Protocol
from hemo.labels import LABELS
from hemo.leakage import measure
from hemo.runs.recording import run_tags
from hemo.slices.split import Round, make_split
from hemo.training import Plan, Training, train
from tests.helpers.stores import bright_blood, write_store

YOUDEN = OperatingPointRule("youden")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Slices that show their patient and nothing else; every other patient bleeds in all of them."""
    rng = np.random.default_rng(0)
    patient = np.repeat(np.arange(24), 10)
    images = rng.integers(40, 90, (24, 16, 16))[patient] + rng.integers(-8, 9, (240, 16, 16))
    labels = np.zeros((240, 6), np.int8)
    labels[patient % 2 == 0, :2] = 1
    names = [f"p{number:02d}" for number in patient]
    return write_store(tmp_path_factory.mktemp("leakage") / "store", images, names, labels)


class Recorder:
    """A classifier that keeps which slices it was given: their row is written into the first two pixels."""

    seen: ClassVar[list[tuple[set[int], set[int], set[int]]]] = []

    def fit(self, images, y, validation=None, on_epoch=None):
        self.learned = rows_of(images)
        self.stopped = rows_of(validation[0]) if validation else set()
        self.convergence_ = {"converged": 1.0, "iterations": 1.0}
        return self

    def predict_proba(self, images):
        Recorder.seen.append((self.learned, self.stopped, rows_of(images)))
        return np.tile([0.4, 0.6], (len(images), 1))


def rows_of(images) -> set[int]:
    return set((images[:, 0, 0, 0].astype(int) * 256 + images[:, 0, 1, 0]).tolist())


@pytest.mark.parametrize("family", ["logreg", "cnn"])
@pytest.mark.parametrize("protocol", ["paper", "cv", "holdout"])
def test_no_tested_slice_or_patient_is_ever_given_to_a_fit(protocol, family, tmp_path, monkeypatch):
    images, patients, labels = bright_blood(patients=40, slices=10)
    rows = np.arange(len(images))
    images[:, 0, 0], images[:, 0, 1] = rows // 256, rows % 256
    store = write_store(tmp_path / "store", images, patients, labels)
    split = None if protocol == "paper" else make_split(store.index, Protocol(protocol), 0, folds=3)
    monkeypatch.setattr(families, "build", lambda *words: Recorder())
    monkeypatch.setattr(Recorder, "seen", [])
    plan = Plan(split, "balanced", YOUDEN, 1000, 0)
    trained = train(Training(store, plan, family, "any", {}), refit=False)
    tested = trained.predictions.query("part == 'test'")
    assert len(tested) == {"paper": 40, "cv": 400}.get(protocol, len(tested))
    patient = np.array(patients)
    assert len(Recorder.seen) == {"paper": 1, "cv": 3, "holdout": 2}[protocol]
    for learned, stopped, predicted in Recorder.seen:
        assert len(learned) >= 20
        assert bool(stopped) == (family == "cnn")
        assert not (learned & stopped)
        if protocol == "holdout" and predicted & stopped:
            continue  # the validation part, by which the operating point is fitted
        assert not (learned | stopped) & predicted
        if protocol != "paper":
            assert not set(patient[list(learned | stopped)]) & set(patient[list(predicted)])


def training(store, label, draws) -> Training:
    rule = OperatingPointRule("sensitivity_at_least", 0.85)
    return Training(store, Plan(None, "balanced", rule, 0, 0, draws=draws), "logreg", label, {})


def test_where_only_patients_can_be_told_apart_all_of_a_good_figure_is_inflation(store):
    found = measure.inflation(training(store, "any", draws=200), folds=4)
    auc = found.metrics.set_index("metric").loc["auc"]
    assert auc["by_slice"] > 0.95
    assert auc["by_patient"] < 0.75
    assert auc["inflation_low"] > 0
    assert auc["inflation"] == pytest.approx(auc["by_slice"] - auc["by_patient"])


def test_both_splits_predict_the_same_slices_of_the_same_patients_once(store):
    found = measure.inflation(training(store, "epidural", draws=100), folds=4)
    for table in (found.by_slice, found.by_patient):
        assert sorted(table["slice_id"]) == store.index["slice_id"].tolist()
        assert set(table["patient"]) == set(store.index["patient"])
    assert found.by_slice.groupby("patient")["fold"].nunique().max() > 1
    assert found.by_patient.groupby("patient")["fold"].nunique().max() == 1


def test_a_view_of_some_rows_is_a_store_of_its_own(store):
    view = measure.View(store, np.array([5, 100, 7]), strangers=True)
    assert len(view) == 3
    assert view.index["patient"].tolist() == view.index["slice_id"].tolist() == ["s00005", "s00100", "s00007"]
    assert np.array_equal(view.images([2, 0]), store.images([7, 5]))
    assert np.array_equal(view.images(), store.images([5, 100, 7]))


def test_every_patient_is_on_both_sides_of_a_split_by_slice_and_none_of_one_by_patient(store):
    splits = measure.both_splits(store, folds=4, seed=0)
    patient = store.index["patient"]
    assert measure.patients_on_both_sides(splits["by slice"], patient) == 24
    assert measure.patients_on_both_sides(splits["by patient"], patient) == 0


def test_a_pair_crosses_where_one_end_is_learned_from_and_the_other_tested():
    one = Round(0, np.array([0, 1]), np.array([2]), np.array([3, 4]))
    pairs = pd.DataFrame({"first": [0, 0, 2, 3, 3], "second": [1, 3, 4, 4, 5]})
    assert measure.across(pairs, [one]).tolist() == [False, True, True, False, False]
    assert measure.across(pairs.iloc[:0], [one]).tolist() == []


def test_labels_of_few_patients_are_not_audited(store):
    assert measure.enough_patients(store.index, "epidural")
    assert not measure.enough_patients(store.index, "subdural")


def test_runs_on_slices_without_patient_ids_are_tagged_unaudited(store, tmp_path):
    plan = Plan(None, "balanced", YOUDEN, 10, 0)
    images, patients, labels = bright_blood(4, 4)
    unknown = write_store(tmp_path / "unknown", images, patients, labels, known=False)
    assert run_tags(Training(unknown, plan, "logreg", "any", {}))["leakage"].startswith("unaudited")
    assert "leakage" not in run_tags(Training(store, plan, "logreg", "any", {}))
    assert set(store.index.columns) >= set(LABELS)
