"""Labels learnt together: one fit a round for all, and for each what a training of its own would give."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from hemo import families
from hemo.errors import HemoError
from hemo.evaluation.operating_point import OperatingPointRule
from hemo.evaluation.protocols import Protocol
from hemo.labels import LABELS
from hemo.slices.split import make_split
from hemo.training import Plan, Trained, Training, train_together
from tests.helpers.stores import bright_blood, only_of_studies, write_store

FOLDS = 3


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    images, patients, labels = bright_blood(patients=30, slices=8)
    labels = np.array(labels)
    # One label is in one patient only, and of some slices it is not known.
    labels[:, LABELS.index("subarachnoid")] = np.where(np.array(patients) == patients[0], 1, 0)
    labels[-8:, LABELS.index("subdural")] = -1
    return write_store(tmp_path_factory.mktemp("store") / "store", images, patients, labels)


class Spy:
    """A network that remembers what it was shown, and is one label's classifier as well."""

    def __init__(self, shown):
        self.shown, self.convergence_ = shown, {"converged": 1.0, "iterations": 1.0}

    def fit(self, images, y, validation=None, on_epoch=None):
        self.shown.append((images, y, validation))
        on_epoch(0, {"loss": 0.5})
        return self

    def for_label(self, number):
        return self

    def predict_proba(self, images):
        share = images.reshape(len(images), -1).mean(axis=1) / 255
        return np.stack([1 - share, share], axis=1)


class StudySpy(Spy):
    """A network that learns from whole studies."""

    def fit(self, images, y, validation=None, on_epoch=None, study=None, validation_study=None, **truths):
        assert set(truths) == {"study_truth", "validation_study_truth"}
        super().fit(images, (y, study), validation and (*validation, validation_study), on_epoch)
        return self

    def predict_proba(self, images, study=None):
        assert len(study) == len(images)
        return super().predict_proba(images)


def trained(store, monkeypatch, sampling="natural", protocol="cv", word="multilabel", spy=Spy):
    shown: list[Any] = []
    monkeypatch.setattr(families, "build", lambda *_: spy(shown))
    split = make_split(store.index, Protocol(protocol), seed=3, folds=FOLDS)
    plan = Plan(split, sampling, OperatingPointRule("sensitivity_at_least", 0.85), positives=3145, seed=3)
    return train_together(Training(store, plan, word, "any", {})), shown


def test_one_fit_a_round_gives_every_label_predictions_of_all_its_known_slices(store, monkeypatch):
    results, shown = trained(store, monkeypatch)
    assert len(shown) == FOLDS + 1
    assert list(results) == list(LABELS)
    assert isinstance(results["subarachnoid"], HemoError)
    for label in LABELS:
        if label != "subarachnoid":
            one = results[label]
            assert isinstance(one, Trained)
            known = store.index[store.index[label] >= 0]
            table = one.predictions.set_index("slice_id")["truth"]
            assert table.to_dict() == known.set_index("slice_id")[label].to_dict()
    images, y, validation = shown[0]
    assert y.shape == (len(images), 5)
    assert set(np.unique(y)) == {-1, 0, 1}
    assert validation[1].shape[1] == 5


def test_a_family_of_studies_is_shown_whole_studies_and_told_which_slices_are_one(store, monkeypatch):
    results, shown = trained(store, monkeypatch, sampling="balanced", word="mil", spy=StudySpy)
    assert isinstance(results["any"], Trained)
    for images, (y, study), (held, _, held_study) in shown:
        assert len(images) == len(y) == len(study)
        assert len(held) == len(held_study)
        assert set(np.unique(study, return_counts=True)[1]) == {8}
        assert not set(study) & set(held_study)


def test_under_holdout_the_tested_network_is_kept(tmp_path, monkeypatch):
    images, patients, labels = bright_blood(patients=100, slices=8)
    plenty = write_store(tmp_path / "plenty", images, patients, labels)
    results, shown = trained(plenty, monkeypatch, protocol="holdout")
    assert len(shown) == 1
    assert set(results["any"].predictions["part"]) == {"validation", "test"}


def test_balanced_slices_are_those_of_any_labels_sample(store, monkeypatch):
    _, natural = trained(store, monkeypatch)
    _, balanced = trained(store, monkeypatch, sampling="balanced")
    images, y, _ = balanced[0]
    assert len(images) < len(natural[0][0])
    assert (y == 1).sum(axis=0).tolist() == (natural[0][1] == 1).sum(axis=0).tolist()


def test_the_papers_protocol_is_refused(store):
    plan = Plan(None, "balanced", OperatingPointRule("fixed", 0.5), positives=10, seed=0)
    with pytest.raises(HemoError, match="a split for each label"):
        train_together(Training(store, plan, "multilabel", "any", {}))


class Attentive(StudySpy):
    """A network that judges studies by their brightest slice."""

    def judge(self, images, study):
        share = images.reshape(len(images), -1).max(axis=1) / 255
        brightest = pd.Series(share).groupby(study).transform("max").to_numpy()
        top = (share == brightest).astype(float)
        return share, top / pd.Series(top).groupby(study).transform("sum").to_numpy()

    def study_probability(self, images, study):
        raise AssertionError("not asked")

    attention = study_probability


def untaught(folder, known=0):
    """Return a store whose studies are labelled, and the slices of so many of the first patients too."""
    images, patients, labels = bright_blood(patients=30, slices=8)
    left, said = only_of_studies(labels, patients)
    left[: 8 * known] = labels[: 8 * known]
    return write_store(folder / "store", images, patients, left, study_labels=said)


def test_labels_of_studies_alone_give_studies_and_nothing_of_slices(tmp_path, monkeypatch):
    store = untaught(tmp_path)
    results, _ = trained(store, monkeypatch, word="mil", spy=Attentive)
    one = results["any"]
    assert isinstance(one, Trained)
    assert one.predictions.empty
    assert one.studies is not None
    assert one.threshold == one.studies.threshold
    table = one.studies.table.set_index("study")["truth"]
    assert table.to_dict() == store.studies.set_index("study")["any"].to_dict()
    assert one.attention is not None
    assert sorted(one.attention["slice_id"]) == sorted(store.index["slice_id"])
    assert "threshold" not in one.facts
    # Each subtype is in three patients: what of it is known is said of studies too.
    assert all(isinstance(results[label], Trained) for label in LABELS)


def test_slices_are_judged_where_they_are_known_and_studies_everywhere(tmp_path, monkeypatch):
    store = untaught(tmp_path, known=12)
    results, _ = trained(store, monkeypatch, word="mil", spy=Attentive)
    one = results["any"]
    assert isinstance(one, Trained)
    known = store.index[store.index["any"] >= 0]
    assert sorted(one.predictions["slice_id"]) == sorted(known["slice_id"])
    assert one.predictions["truth"].sum() == (store.index["any"] == 1).sum() > 0
    assert one.studies is not None
    assert len(one.studies.table) == 30
    assert "threshold" in one.facts


def test_what_is_said_of_studies_is_told_to_the_family_in_the_order_of_their_numbers(tmp_path, monkeypatch):
    store = untaught(tmp_path)
    told = []

    class Listening(Attentive):
        def fit(self, images, y, validation=None, on_epoch=None, study=None, validation_study=None, **truths):
            told.append((study, truths["study_truth"], validation_study, truths["validation_study_truth"]))
            return super().fit(images, y, validation, on_epoch, study, validation_study, **truths)

    trained(store, monkeypatch, word="mil", spy=Listening)
    said = store.index.groupby("stack")[[f"study_{label}" for label in LABELS]].first()
    for study, truth, held, held_truth in told:
        np.testing.assert_array_equal(truth, said.loc[np.unique(study)])
        np.testing.assert_array_equal(held_truth, said.loc[np.unique(held)])
