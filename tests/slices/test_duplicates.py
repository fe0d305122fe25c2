"""Copies of slices are found, whatever was done to them; look-alikes are not taken for copies."""

import cv2
import numpy as np
import pytest

from hemo.imaging.raw import RawSlice
from hemo.imaging.reduction import Reduction, reduce
from hemo.phantom import make_study, patient_seed
from hemo.slices import duplicates
from tests.helpers.present import present
from tests.helpers.stores import write_store

PATIENTS, SLICES = 6, 14


def shown(patient: int, reduction: Reduction) -> np.ndarray:
    study = make_study(patient_seed(5, patient), size=128, slices=SLICES)
    return np.stack([reduce(RawSlice(hu, hu=True, slice_id=""), reduction)[..., 0] for hu in study.volume])


@pytest.fixture(scope="module")
def heads() -> np.ndarray:
    return np.concatenate([shown(patient, Reduction(crop=False)) for patient in range(PATIENTS)])


def moved(image: np.ndarray, down: int, right: int) -> np.ndarray:
    return np.roll(image, (down, right), axis=(0, 1))


def noisy(image: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, 8, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def in_another_window(image: np.ndarray) -> np.ndarray:
    return np.clip((image.astype(float) - 30) * 1.5, 0, 255).astype(np.uint8)


def compressed(image: np.ndarray) -> np.ndarray:
    return present(cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 70])[1], 0))


CHANGES = {
    "nothing": lambda image: image,
    "moved by a pixel": lambda image: moved(image, 1, 0),
    "moved aslant": lambda image: moved(image, -1, 2),
    "in another window": in_another_window,
    "noisy": noisy,
    "compressed": compressed,
    "all at once": lambda image: compressed(noisy(moved(in_another_window(image), 0, 1))),
}


def with_copies(heads, change, tmp_path, where=(7, 20, 35, 49)):
    copies = np.stack([change(heads[row]) for row in where])
    patients = [f"p{number}" for number in np.repeat(np.arange(PATIENTS), SLICES)] + ["stranger"] * len(where)
    found = duplicates.find(write_store(tmp_path / "store", np.concatenate([heads, copies]), patients))
    planted = [(row, len(heads) + number) for number, row in enumerate(where)]
    return found, planted


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_under_another_patients_name_is_found(heads, change, tmp_path):
    found, planted = with_copies(heads, CHANGES[change], tmp_path)
    others = found[~found["same_patient"]]
    assert set(zip(others["first"], others["second"], strict=True)) == set(planted)
    assert others["exact"].all() == (change == "nothing")


def test_of_many_slices_copies_are_found_though_not_all_are_compared_with_all(heads, tmp_path, monkeypatch):
    every, planted = with_copies(heads, CHANGES["all at once"], tmp_path / "all", range(0, len(heads), 3))
    monkeypatch.setattr(duplicates, "ALL", 0)
    monkeypatch.setattr(duplicates, "IN_A_CELL", 8)
    found, _ = with_copies(heads, CHANGES["all at once"], tmp_path / "cells", range(0, len(heads), 3))
    pairs, others = (
        {pair for pair in zip(table["first"], table["second"], strict=True) if pair in planted}
        for table in (found, every)
    )
    assert len(others) >= 0.9 * len(planted)
    assert len(pairs) >= 0.95 * len(others)


def test_different_patients_and_most_neighbouring_slices_are_no_copies(heads, tmp_path):
    patients = [f"p{number}" for number in np.repeat(np.arange(PATIENTS), SLICES)]
    found = duplicates.find(write_store(tmp_path / "store", heads, patients))
    assert found["same_patient"].all()
    assert len(found) <= 0.1 * len(heads)


def test_a_slice_stored_twice_for_one_patient_is_found(heads, tmp_path):
    patients = ["p"] * (SLICES + 1)
    store = write_store(tmp_path / "store", np.concatenate([heads[:SLICES], heads[3:4]]), patients)
    best = duplicates.find(store).iloc[0]
    assert (best["first"], best["second"], best["exact"], best["same_patient"]) == (3, SLICES, True, True)


def test_slices_of_one_gray_level_are_left_out(heads, tmp_path):
    empty = np.zeros((5, 128, 128), np.uint8)
    store = write_store(tmp_path / "store", np.concatenate([empty, heads[:3]]), [f"p{n}" for n in range(8)])
    assert duplicates.find(store).empty


def test_a_store_of_slices_of_one_gray_level_has_no_pairs(tmp_path):
    store = write_store(tmp_path / "store", np.zeros((3, 32, 32), np.uint8), ["a", "b", "c"])
    assert duplicates.find(store).empty


def test_every_copy_of_a_slice_is_in_a_pair(heads, tmp_path):
    images = np.concatenate([heads[:4], heads[[2, 2, 2]]])
    found = duplicates.find(write_store(tmp_path / "store", images, [f"p{n}" for n in range(7)]))
    assert {4, 5, 6} <= set(found["second"])


def test_an_average_hash_would_take_neighbours_for_copies_and_miss_those_that_moved(heads):
    def average_hash(image: np.ndarray) -> np.ndarray:
        small = cv2.resize(image, (8, 8), interpolation=cv2.INTER_AREA)
        return small > small.mean()

    rows = np.flatnonzero(np.arange(len(heads)) % SLICES < SLICES - 1)
    copied = np.stack([CHANGES["all at once"](heads[row]) for row in rows])
    neighbours = [(average_hash(heads[row]) != average_hash(heads[row + 1])).sum() for row in rows]
    copies = [
        (average_hash(heads[row]) != average_hash(copy)).sum() for row, copy in zip(rows, copied, strict=True)
    ]
    assert max(copies) >= min(neighbours)
    detail = duplicates.similarity(heads[[7, 7]], np.stack([heads[8], CHANGES["all at once"](heads[7])]))
    assert detail[0] < duplicates.LEAST < detail[1]
