"""Draw a slice store of the seed paper's size from the phantom, without DICOM files in between."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash
from numpy.typing import NDArray

from hemo import console
from hemo.imaging.raw import RawSlice
from hemo.imaging.reduction import Reduction, reduce
from hemo.labels import LABELS, SUBTYPES, LabelTable
from hemo.phantom import PhantomStudy, make_study, patient_seed, profile, studies_of
from hemo.slices.assemble import assemble
from hemo.slices.facts import label_counts
from hemo.slices.pseudonyms import fingerprint, key_path, load_or_make_key
from hemo.slices.records import Identity, Row, records
from hemo.slices.shards import npy_header, shard_path
from hemo.slices.sources import Source
from hemo.slices.store import KEYED, SCHEMA, SliceStore
from hemo.slices.writing import write_assembled

ROUND = 48
"""Patients drawn before it is counted again what is still wanted."""

REDUCTION = Reduction(crop=False)
"""The whole head in the brain window: the seed paper did not crop."""


def build(folder: Path, positives: int, *, size: int, slices: int, workers: int, seed: int = 0) -> SliceStore:
    """Return a store with at least so many positive slices of each type; drawn where it does not exist.

    Patients come from the phantom's own deal; those who have nothing that is still wanted are passed over,
    so that the store is dense with hemorrhages, as the paper's images were.

    Parameters
    ----------
    folder
        Of the store.
    positives
        Wanted of each type.
    size, slices
        Pixels a side that are drawn, and slices a study.
    workers
        Processes.
    seed
        Of the phantom; the key of the pseudonyms is not drawn from it.
    """
    if (folder / "store.json").is_file():
        return SliceStore.open(folder)
    (folder / "shards").mkdir(parents=True, exist_ok=True)
    key = load_or_make_key(key_path(folder), make=True)
    ids: list[str] = []
    values: list[NDArray[np.int8]] = []
    rounds = _rounds(positives, size, slices, workers, seed)
    for number, studies in enumerate(rounds):
        images = np.concatenate([images for _, images in studies])
        _write_shard(folder / "shards", number, [study for study, _ in studies], images, key)
        ids += [name for study, _ in studies for name in study[2]]
        values += [study[3] for study, _ in studies]
        found = np.concatenate(values).sum(axis=0)
        counts = ", ".join(f"{label} {count}" for label, count in zip(LABELS, found, strict=True))
        console.err.print(f"{len(ids)} slices: {counts}")
    table = LabelTable(np.array(ids, object), np.concatenate(values), "rsna")
    result = assemble(sorted((folder / "shards").glob("*.parquet")), table, None, REDUCTION, key)
    facts = {
        "schema": SCHEMA,
        "slice_ids": KEYED,
        "reduction": REDUCTION.to_json(),
        "key": fingerprint(key),
        "slices": len(result.index),
        "patients": int(result.index["patient"].nunique()),
        "studies": int(result.index["study"].nunique()),
        "patients_known": True,
        "labels": label_counts(result.index),
        "excluded": {},
        "unmatched": 0,
        "digest": result.digest,
    }
    write_assembled(folder, result, facts)
    return SliceStore.open(folder)


Drawn = tuple[tuple[str, str, tuple[str, ...], NDArray[np.int8], NDArray[np.float64]], NDArray[np.uint8]]
"""Patient, study, slice ids, labels (slices, 6) and positions of a study, and its images."""


def _rounds(positives: int, size: int, slices: int, workers: int, seed: int) -> Iterator[list[Drawn]]:
    """Draw patients, some at a time, until every type has its positive slices."""
    found = np.zeros(len(LABELS), int)
    first = 0
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        while (found[1:] < positives).any():
            wanted = {kind for kind, count in zip(SUBTYPES, found[1:], strict=True) if count < positives}
            chosen: list[int] = []
            while len(chosen) < ROUND:
                if wanted & set(profile(seed, first)):
                    chosen.append(first)
                first += 1
            tasks = [(seed, index, size, slices) for index in chosen]
            drawn = [study for studies in pool.map(_draw, tasks) for study in studies]
            found += sum(study[3].sum(axis=0) for study, _ in drawn)
            yield drawn


def _draw(task: tuple[int, int, int, int]) -> list[Drawn]:
    seed, index, size, slices = task
    patient = patient_seed(seed, index)
    drawn = []
    for number in range(studies_of(patient)):
        study = make_study(patient, types=profile(seed, index), study=number, size=size, slices=slices)
        drawn.append((_facts(study), np.stack([reduce(raw, REDUCTION) for raw in _raw(study)])))
    return drawn


def _facts(study: PhantomStudy) -> tuple[str, str, tuple[str, ...], NDArray[np.int8], NDArray[np.float64]]:
    return study.patient, study.study, study.slice_ids, study.labels, study.positions[:, 2]


def _raw(study: PhantomStudy) -> Iterator[RawSlice]:
    for name, pixels in zip(study.slice_ids, study.volume, strict=True):
        yield RawSlice(pixels, hu=True, slice_id=name)


def _one_thread() -> None:
    import cv2

    cv2.setNumThreads(1)


def _write_shard(
    folder: Path, number: int, studies: list[tuple], images: NDArray[np.uint8], key: bytes
) -> None:
    rows: list[Row] = []
    for patient, study, names, _, positions in studies:
        for place, (name, position) in enumerate(zip(names, positions, strict=True)):
            digest = xxhash.xxh3_128_hexdigest(images[len(rows)].tobytes())
            source = Source("/phantom", study, ("",), f"{name}.dcm", "")
            identity = Identity(name, patient, study, float(position), name, place + 1, series=study)
            rows.append(Row(source, name.encode(), identity, digest, digest, len(rows)))
    path = shard_path(folder, number)
    pq.write_table(pa.Table.from_batches([records(rows, key)]), path.with_suffix(".parquet"))
    path.write_bytes(npy_header(len(images), images.shape[1:]) + images.tobytes())
