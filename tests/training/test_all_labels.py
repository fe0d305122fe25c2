"""Labels learnt together: one fit a round for all, and for each what a training of its own would give."""

from typing import Any

import numpy as np
import pytest

from hemo import families
from hemo.errors import HemoError
from hemo.evaluation.operating_point import OperatingPointRule
from hemo.evaluation.protocols import Protocol
from hemo.labels import LABELS
from hemo.slices.split import make_split
from hemo.training import Plan, Trained, Training, train_together
from tests.helpers.stores import bright_blood, write_store

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

    def fit(self, images, y, validation=None, on_epoch=None, study=None, validation_study=None):
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
