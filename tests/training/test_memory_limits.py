"""Trainings of more slices than memory holds: the same where they are read in pieces, said where cut down."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemo import families, memory
from hemo.evaluation.operating_point import OperatingPointRule
from hemo.evaluation.protocols import Protocol
from hemo.families import _judging
from hemo.slices import stored
from hemo.slices.split import make_split
from hemo.slices.store import SliceStore
from hemo.training import Plan, Training, train
from hemo.training.memory_limits import _patients_of, that_fit
from tests.helpers.stores import bright_blood, write_store

RULE = OperatingPointRule("sensitivity_at_least", 0.85)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> SliceStore:
    images, patients, labels = bright_blood(patients=24, slices=8)
    return write_store(tmp_path_factory.mktemp("store") / "store", images, patients, labels)


def training(store: SliceStore, family: str) -> Training:
    split = make_split(store.index, Protocol("cv"), 3, folds=3, repeats=1)
    plan = Plan(split, "natural", RULE, positives=3145, seed=3, draws=100)
    return Training(store, plan, family, "any", families.get(family).tiny)


@pytest.mark.parametrize("family", ["boosted", "cnn", "sequence"])
def test_slices_read_in_pieces_give_the_same_predictions(
    store: SliceStore, family: str, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = train(training(store, family)).predictions
    monkeypatch.setattr(stored, "SHARE", 10**12)
    monkeypatch.setattr(_judging, "AT_ONCE", 20)
    monkeypatch.setenv("HEMO_CACHE", str(tmp_path_factory.mktemp("cache")))
    found = train(training(store, family))
    assert not found.abridged
    pd.testing.assert_frame_equal(found.predictions, whole, atol=1e-5, rtol=0)


def test_what_memory_does_not_hold_is_left_out_by_patient_and_said(
    store: SliceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = training(store, "sequence")
    each = families.slice_bytes("sequence", families.get("sequence").defaults, store.image_shape)
    monkeypatch.setattr(memory, "room", lambda: each * len(store) // 2)
    rows, held, words = that_fit(one, np.arange(len(store)), np.arange(0))
    assert 0 < len(rows) <= len(store) // 2
    assert not len(held)
    assert f"learned from {len(rows)} of {len(store)} slices" in words
    counts = store.index.iloc[rows]["patient"].value_counts()
    assert (counts == 8).all()
    found = train(one)
    assert "slices, those of patients that were drawn" in found.abridged
    assert found.predictions["slice_id"].nunique() == len(store)


@given(
    counts=st.lists(st.integers(1, 9), min_size=1, max_size=30),
    most=st.integers(0, 200),
    seed=st.integers(0, 9),
)
def test_patients_are_left_out_whole_and_no_more_stay_than_is_asked(
    counts: list[int], most: int, seed: int
) -> None:
    patients = np.repeat(np.arange(len(counts)), counts)
    rows = np.arange(len(patients))
    kept = _patients_of(patients, rows, most, np.random.default_rng(seed))
    assert len(kept) <= most
    assert (np.diff(kept) > 0).all()
    names, found = np.unique(patients[kept], return_counts=True)
    assert found.tolist() == [counts[name] for name in names]
    assert len(kept) == len(rows) or len(kept) + max(counts) > most or not len(kept)
