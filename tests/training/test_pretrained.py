"""A network that is begun with must not have learned from patients who are tested; it says so if it may."""

from typing import Any

import numpy as np
import pytest

from hemo import families
from hemo.errors import HemoError
from hemo.evaluation.operating_point import OperatingPointRule
from hemo.evaluation.protocols import Protocol
from hemo.slices.split import make_split, rounds
from hemo.training import Plan, Training, pretrained, train, train_label
from hemo.tuning.folds import make_folds
from tests.helpers.stores import bright_blood, write_store

BEGUN: dict[str, Any] = {"backbone": "conv4", "size": 32, "C": 1.0}


@pytest.fixture(scope="module")
def data():
    return bright_blood(patients=24, slices=4)


@pytest.fixture(scope="module")
def store(tmp_path_factory, data):
    return write_store(tmp_path_factory.mktemp("store") / "store", *data)


@pytest.fixture(scope="module")
def smaller(tmp_path_factory, data):
    """Return the store of the same files, read at half the size."""
    images, patients, labels = data
    return write_store(tmp_path_factory.mktemp("smaller") / "store", images[:, ::2, ::2], patients, labels)


def training(store, protocol="cv", word="transfer", seed=3, **params):
    split = make_split(store.index, Protocol(protocol), seed=seed, folds=3)
    plan = Plan(split, "natural", OperatingPointRule("sensitivity_at_least", 0.85), 0, seed)
    return Training(store, plan, word, "any", params)


@pytest.fixture(scope="module")
def network(tmp_path_factory, store):
    """Return what saves a network that learned from all patients but those tested."""
    classifier = families.build("end_to_end", {**families.get("end_to_end").tiny, "epochs": 1})
    images = store.images()
    classifier.fit(images, (np.arange(len(images)) % 2))

    def saved(name, made, tested):
        folder = tmp_path_factory.mktemp(name) / "model"
        families.save(classifier, "end_to_end", folder)
        if tested is not None:
            pretrained.record(made, tested, folder)
        return str(folder)

    return saved


def held_out(made):
    tested = np.zeros(len(made.store), bool)
    tested[rounds(made.plan.split, made.store.index)[0].test] = True
    return tested


def test_a_network_that_learned_from_tested_patients_is_refused(store, smaller, network):
    folder = network("all", training(store), np.zeros(len(store), bool))
    for own in (store, smaller):  # files are known whatever store they were read into
        with pytest.raises(
            HemoError, match="learned from 24 of the 24 patients that are tested here.*holdout"
        ):
            train(training(own, weights=folder, **BEGUN))
    with pytest.raises(HemoError, match="learned from 24 of the 24"):
        train_label(training(store, word="mil", weights=folder))
    with pytest.raises(HemoError, match="learned from 24 of the 24"):
        train(training(store, word="ensemble", members={"transfer": {"weights": f"{folder}/backbone.npz"}}))
    with pytest.raises(HemoError, match="learned from"):
        make_folds(training(store, "holdout", weights=folder, **BEGUN))


def test_one_that_saw_only_a_slice_of_a_tested_patient_is_refused_too(store, network):
    others = np.ones(len(store), bool)
    others[:1] = False
    folder = network("one", training(store), others)
    with pytest.raises(HemoError, match="learned from 1 of the 24 patients"):
        train(training(store, weights=folder, **BEGUN))


def test_the_same_split_keeps_its_tested_patients_apart(store, network, capsys):
    made = training(store, "holdout")
    folder = network("held", made, held_out(made))
    trained = train(training(store, "holdout", weights=folder, **BEGUN))
    assert len(trained.predictions)
    assert "nothing says" not in capsys.readouterr().err
    with pytest.raises(HemoError, match=r"learned from \d of the \d patients"):
        train(training(store, "holdout", seed=4, weights=folder, **BEGUN))


def test_what_a_network_was_begun_with_counts_as_learned_from(store, network, tmp_path_factory, data):
    images, patients, labels = data
    other = write_store(tmp_path_factory.mktemp("other") / "store", 255 - images, patients, labels)
    other.index["digest"] = "other " + other.index["digest"]
    first = network("first", training(store), np.zeros(len(store), bool))
    train(training(other, weights=first, **BEGUN))  # another hospital's patients
    second = network("second", training(other, weights=first), np.zeros(len(other), bool))
    with pytest.raises(HemoError, match="learned from 24 of the 24"):
        train(training(store, weights=second, **BEGUN))


def test_a_network_without_a_record_is_used_and_that_is_said(store, network, capsys):
    folder = network("silent", training(store), None)
    train(training(store, weights=folder, **BEGUN))
    assert "nothing says what the network" in " ".join(capsys.readouterr().err.split())
