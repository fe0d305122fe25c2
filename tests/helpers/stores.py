"""Slice stores made in milliseconds for tests, without scans."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from hemo import digests
from hemo.imaging.reduction import Reduction
from hemo.labels import LABELS, STUDY_LABELS, SUBTYPES
from hemo.slices.facts import label_counts
from hemo.slices.integrity import RECORDED
from hemo.slices.pseudonyms import key_path
from hemo.slices.shards import npy_header
from hemo.slices.store import KEYED, SCHEMA, SliceStore
from hemo.slices.study_labels import studies_of, study_counts


def write_store(
    folder: Path,
    images: np.ndarray,
    patients: Sequence[str],
    labels: np.ndarray | None = None,
    known: bool = True,
    study_labels: np.ndarray | None = None,
    **facts: object,
) -> SliceStore:
    """Write slices (n, size, size) into a store of one shard, in the order given; a patient is one study.

    `study_labels` are what a table of studies says of each slice's study.
    """
    (folder / "shards").mkdir(parents=True)
    key_path(folder).write_bytes(b"a key for no patients\n")
    reduction = Reduction(size=images.shape[1], crop=False)
    stored = images.astype(np.uint8)[..., None]
    (folder / "shards" / "00000.npy").write_bytes(
        npy_header(len(images), stored.shape[1:]) + stored.tobytes()
    )
    index = pd.DataFrame(
        {
            "slice_id": [f"s{row:05d}" for row in range(len(images))],
            "patient": list(patients),
            "study": [f"study of {patient}" for patient in patients],
            "stack": pd.factorize(np.asarray(patients, object))[0].astype(np.int32),
            "position": np.arange(len(images), dtype=float),
            "digest": [f"{row:08x}" for row in range(len(images))],
        }
    )
    index[list(LABELS)] = np.zeros((len(images), 6), np.int8) if labels is None else labels.astype(np.int8)
    if study_labels is not None:
        index[list(STUDY_LABELS)] = study_labels.astype(np.int8)
        facts = {"study_labels": study_counts(studies_of(index)), **facts}
    index["shard"], index["row"] = np.int32(0), np.arange(len(images), dtype=np.int32)
    index.to_parquet(folder / "index.parquet", index=False)
    content = {
        "schema": SCHEMA,
        "slice_ids": KEYED,
        "reduction": reduction.to_json(),
        "slices": len(images),
        "patients": int(index["patient"].nunique()),
        "studies": int(index["study"].nunique()),
        "patients_known": known,
        "labels": label_counts(index),
        "excluded": {},
        "unmatched": 0,
        "digest": "d" * 32,
    }
    (folder / "store.json").write_text(json.dumps({**content, **facts, RECORDED: True}))
    (folder / digests.FILE).write_text(digests.to_text(digests.of_folder(folder)))
    return SliceStore.open(folder)


def names(store: SliceStore) -> list[str]:
    """Return what files and the label table call a store's slices."""
    return [str(name) for name in store.column("name")]


def named(store: SliceStore) -> pd.DataFrame:
    """Return a store's index with these names in the place of ids."""
    return store.index.assign(slice_id=names(store))


def only_of_studies(labels: np.ndarray, patients: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return what is left of slices' labels where a table of studies was read alone, and what that says.

    A study is a patient's; slices of a study without blood are known to have none.
    """
    of_study = pd.DataFrame(labels).groupby(np.asarray(patients, object)).transform("max").to_numpy(np.int8)
    return np.where(of_study == 0, 0, -1).astype(np.int8), of_study


def bright_blood(
    patients: int, slices: int, size: int = 16, seed: int = 0
) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Return noisy slices, the patient of each, and labels: every other patient bleeds in half of the slices.

    Each patient has a pattern of its own, which tells its slices from all others; blood of each type is a
    bright square in a place of its own, so that it can be learned.
    """
    rng = np.random.default_rng(seed)
    own = np.repeat(rng.integers(40, 90, (patients, size, size)), slices, axis=0)
    images = own + rng.integers(-8, 9, (patients * slices, size, size))
    labels = np.zeros((patients * slices, 6), np.int8)
    for patient in range(0, patients, 2):
        kind = (patient // 2) % len(SUBTYPES)
        rows = np.arange(patient * slices, patient * slices + slices // 2)
        labels[rows, [[0], [kind + 1]]] = 1
        images[rows, 3 * kind : 3 * kind + 3, 2:8] += 100
    return images, [f"p{patient:03d}" for patient in np.repeat(np.arange(patients), slices)], labels


def without_manifest(folder: Path) -> None:
    """Make of a store one of before its files were recorded."""
    (folder / digests.FILE).unlink()
    facts = json.loads((folder / "store.json").read_text())
    del facts[RECORDED]
    (folder / "store.json").write_text(json.dumps(facts))
