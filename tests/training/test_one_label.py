"""Training learns nothing from the patients it is judged on."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hemo import families
from hemo.errors import HemoError
from hemo.evaluation import operating_point
from hemo.evaluation.operating_point import OperatingPointRule
from hemo.evaluation.protocols import Protocol
from hemo.families import _judging
from hemo.labels import LABELS
from hemo.slices.split import make_split, repeat_seed, rounds
from hemo.training import Plan, Training, train
from tests.helpers.present import present
from tests.helpers.stores import bright_blood, write_store

FOLDS = 3
RULE = OperatingPointRule("sensitivity_at_least", 0.85)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    images, patients, labels = bright_blood(patients=30, slices=8)
    return write_store(tmp_path_factory.mktemp("store") / "store", images, patients, labels)


def plan(store, protocol="cv", sampling="balanced", calibration="none", seed=3, repeats=1):
    split = None
    if protocol != "paper":
        split = make_split(store.index, Protocol(protocol), seed, folds=FOLDS, repeats=repeats)
    return Plan(split, sampling, RULE, positives=3145, seed=seed, calibration=calibration, draws=100)


class Spy:
    """A classifier that remembers what it was shown and gives the mean brightness as probability."""

    def __init__(self, shown):
        self.shown = shown
        self.convergence_ = {"converged": 1.0, "iterations": 1.0}

    def fit(self, images, y, validation=None, on_epoch=None):
        self.shown.append((images, y, validation))
        if on_epoch:
            on_epoch(0, {"loss": 0.5})
        return self

    def predict_proba(self, images):
        share = images.reshape(len(images), -1).mean(axis=1) / 255
        return np.stack([1 - share, share], axis=1)


@pytest.fixture
def shown(monkeypatch):
    """What every classifier trained in the test was shown, in order."""
    seen: list[Any] = []
    monkeypatch.setattr(families, "build", lambda *_: Spy(seen))
    return seen


def patients_of(store, images):
    """The patients whose slices these images are (no two slices of the store are equal)."""
    every = {
        image.tobytes(): patient
        for image, patient in zip(store.images(), store.index["patient"], strict=True)
    }
    return {every[image.tobytes()] for image in images}


@pytest.mark.parametrize("family", ["logreg", "cnn"])
@pytest.mark.parametrize("protocol", ["cv", "holdout"])
def test_no_classifier_is_shown_a_patient_on_whom_it_is_tested(store, shown, family, protocol):
    chosen = plan(store, protocol)
    train(Training(store, chosen, family, "any", {}))
    every = rounds(chosen.split, store.index)
    assert len(shown) >= len(every)
    for (images, _, validation), one in zip(shown, every, strict=False):  # the last may be of all patients
        tested = set(store.index["patient"].iloc[one.test])
        learned = patients_of(store, images)
        watched = patients_of(store, validation[0]) if validation else set()
        assert not learned & tested
        assert not watched & tested
        assert not learned & watched


def test_families_learn_from_the_same_slices(store, shown):
    for family in ("logreg", "sgd"):
        train(Training(store, plan(store), family, "any", {}))
    half = len(shown) // 2
    assert half == FOLDS + 1
    for (one, *_), (other, *_) in zip(shown[:half], shown[half:], strict=True):
        np.testing.assert_array_equal(one, other)


def test_half_of_what_is_learned_from_is_positive(store, shown):
    train(Training(store, plan(store), "logreg", "any", {}))
    assert [y.mean() for _, y, _ in shown] == [0.5] * (FOLDS + 1)


def test_under_natural_sampling_every_labelled_slice_is_learned_from(store, shown):
    train(Training(store, plan(store, sampling="natural"), "logreg", "any", {}))
    assert len(shown[-1][1]) == len(store)


def test_out_of_fold_predictions_cover_every_slice_once(store, shown):
    table = train(Training(store, plan(store), "logreg", "any", {})).predictions
    assert sorted(table["slice_id"]) == sorted(store.index["slice_id"])
    assert set(table["part"]) == {"test"}
    assert table.groupby("patient")["fold"].nunique().max() == 1


@pytest.mark.parametrize("calibration", ["none", "sigmoid"])
def test_out_of_fold_rows_are_judged_by_their_fold_s_own_threshold(store, shown, calibration):
    table = train(Training(store, plan(store, calibration=calibration), "logreg", "any", {})).predictions
    assert table.groupby("fold")["threshold"].nunique().eq(1).all()
    assert table["threshold"].nunique() == FOLDS


@pytest.mark.parametrize("protocol", ["cv", "holdout"])
def test_the_kept_classifier_s_probabilities_are_calibrated_as_its_threshold_is_fitted(
    store, shown, protocol
):
    raw = train(Training(store, plan(store, protocol), "logreg", "any", {}))
    trained = train(Training(store, plan(store, protocol, calibration="sigmoid"), "logreg", "any", {}))
    images = store.images(range(20))
    assert not np.allclose(trained.probability(images), raw.probability(images))
    called = trained.probability(images) >= trained.threshold
    np.testing.assert_array_equal(called, raw.probability(images) >= raw.threshold)
    assert trained.fitted_on["truth"].mean() == pytest.approx(
        trained.fitted_on["probability"].mean(), abs=0.05
    )


def test_the_papers_protocol_splits_by_slice_at_half_prevalence_with_threshold_one_half(store, shown):
    table = train(Training(store, plan(store, "paper"), "logreg", "any", {})).predictions
    assert table["truth"].mean() == 0.5
    assert set(table["threshold"]) == {0.5}


def test_linear_families_learn_from_the_early_stopping_slices_too_under_cv(store, shown):
    train(Training(store, plan(store), "logreg", "any", {}))
    linear = [len(y) for _, y, _ in shown]
    assert len(linear) == FOLDS + 1
    shown.clear()
    train(Training(store, plan(store), "cnn", "any", {}))
    assert all(len(y) < more for (_, y, _), more in zip(shown, linear, strict=True))


def test_the_same_seed_gives_the_same_predictions(store):
    one, other = (train(Training(store, plan(store), "logreg", "any", {})).predictions for _ in range(2))
    pd.testing.assert_frame_equal(one, other)


def test_several_deals_are_the_runs_of_their_seeds_and_metrics_their_means(store, capsys):
    both = train(Training(store, plan(store, calibration="sigmoid", repeats=2), "logreg", "any", {}))
    said = capsys.readouterr().err.splitlines()
    assert said[3:5] == [
        "logreg/any: repeat 2 of 2, fold 1 of 3",
        "logreg/any: repeat 2 of 2, fold 2 of 3",
    ]
    seeds = [repeat_seed(3, repeat) for repeat in range(2)]
    plans = [plan(store, calibration="sigmoid", seed=seed) for seed in seeds]
    alone = [train(Training(store, one, "logreg", "any", {})) for one in plans]
    for table, tables in (
        (both.predictions, [one.predictions for one in alone]),
        (present(both.studies).table, [present(one.studies).table for one in alone]),
    ):
        for repeat, one in enumerate(tables):
            own = table[table["repeat"] == repeat].assign(repeat=np.int16(0))
            pd.testing.assert_frame_equal(own.reset_index(drop=True), one)
    found = both.summary(plans[0])
    each = [one.summary(plans[0]) for one in alone]
    assert found.counts == dataclasses.replace(each[0].counts, repeats=2)
    for name in ("auc", "recall", "specificity", "brier"):
        assert found[name].value == pytest.approx(np.mean([one[name].value for one in each]))
        assert found.studies[name].value == pytest.approx(np.mean([one.studies[name].value for one in each]))
    # What is kept is fitted on what each deal predicted, as it is.
    assert len(both.fitted_on) == 2 * len(store)
    assert both.threshold == operating_point.fit(both.fitted_on["truth"], both.fitted_on["probability"], RULE)


def test_a_label_that_one_patient_has_cannot_be_trained(tmp_path):
    images, patients, labels = bright_blood(patients=8, slices=4)
    labels[:, 5] = 0
    labels[0, [0, 5]] = 1
    store = write_store(tmp_path / "store", images, patients, labels)
    with pytest.raises(HemoError, match="subdural: 1 patients of the store have it"):
        train(Training(store, plan(store), "logreg", "subdural", {}))


class StudySpy(Spy):
    """A classifier that also remembers what it is told of studies and other labels."""

    def fit(self, images, y, validation=None, on_epoch=None, study=None, labels=None):
        self.shown.append((images, y, study, labels))
        return self

    def predict_proba(self, images, study=None):
        self.shown.append((images, None, study, None))
        return super().predict_proba(images)


@pytest.fixture
def whole(monkeypatch):
    """What a classifier that learns from whole studies was shown."""
    seen: list[Any] = []
    asking = dataclasses.replace(families.get("logreg"), study=True, labels=True)
    for place in (families, _judging):
        monkeypatch.setattr(place, "get", lambda _: asking)
    monkeypatch.setattr(families, "build", lambda *_: StudySpy(seen))
    return seen


def test_a_family_that_learns_from_whole_studies_is_shown_whole_studies_in_order(store, whole):
    train(Training(store, plan(store, sampling="balanced"), "logreg", "epidural", {}))
    place = {image.tobytes(): row for row, image in enumerate(store.images())}
    assert sum(y is not None for _, y, _, _ in whole) == FOLDS + 1
    for images, y, study, labels in whole:
        rows = np.array([place[image.tobytes()] for image in images])
        codes = store.index["study"].iloc[rows]
        assert len(rows) == store.index["study"].isin(codes).sum()
        np.testing.assert_array_equal(pd.factorize(codes)[0], pd.factorize(study)[0])
        assert (np.diff(rows) > 0).all()
        if y is not None:
            np.testing.assert_array_equal(labels, store.index[list(LABELS)].to_numpy()[rows])


def test_under_the_papers_split_by_slice_every_slice_stands_alone(store, whole):
    train(Training(store, plan(store, "paper"), "logreg", "any", {}))
    assert whole
    assert all(study is None for _, _, study, _ in whole)
