"""The slice store: small images of many slices on disk, with their labels."""

import os
import shlex
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hemo import digests
from hemo.errors import HemoError
from hemo.imaging.raw import SYNTHETIC
from hemo.imaging.reduction import Reduction
from hemo.labels import LABELS, STUDY_LABELS, UNLABELLED
from hemo.slices import integrity
from hemo.slices.context import neighbour_rows
from hemo.slices.groups import of_patients
from hemo.slices.near import near
from hemo.slices.reads import agreement_table
from hemo.slices.shards import npy_header, shard_path
from hemo.slices.study_labels import studies_of
from hemo.whole import read_json

SCHEMA: Final = 2
"""Version of the store's layout. 1 knew no stacks: its slices may be interleaved, so it is refused."""

KEYED: Final = "keyed"
"""How `store.json` says that slices are called by keyed ids, as they were not always."""


class SliceStore:
    """A finished slice store, opened for reading.

    Attributes
    ----------
    folder
        Where it lies.
    facts
        What `store.json` says: counts, digest, exclusions by reason, and so on.
    reduction
        How its images were made.
    digest
        Digest of its content: images, labels, grouping by patient and study, and reduction. Equal input and
        options give an equal digest, under any key and in whatever steps the store was built.
    patients_known
        Whether every slice names its patient. Where not, slices without one count as patients of their own,
        and a split by patient cannot vouch for itself.
    """

    def __init__(self, folder: Path, facts: dict[str, Any]) -> None:
        self._descriptors: dict[int, int] = {}
        self.folder = folder
        self.facts = facts
        self.reduction = Reduction.from_json(facts["reduction"])
        self.digest: str = facts["digest"]
        self.patients_known: bool = facts["patients_known"]
        self._slices = int(facts["slices"])
        if self._slices < 0:
            raise ValueError(f"{self._slices} slices")

    def __repr__(self) -> str:
        """Return where it lies and what it holds."""
        patients = self.facts.get("patients", "an unknown number of")
        return f"<slice store {self.folder}: {self._slices:,} slices of {patients} patients>"

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Open a store.

        Raises
        ------
        HemoError
            If there is none in the folder, it is unfinished, or of another version.
        """
        folder = Path(folder)
        facts = read_facts(folder)
        if facts is None:
            raise HemoError(
                f"{folder}: no slice store: make one with "
                f"`hemo preprocess --images DIR --labels FILE --store {shlex.quote(str(folder))}`"
            )
        if "digest" not in facts:
            raise HemoError(
                f"{folder}: an unfinished slice store: run the same `hemo preprocess` command again"
            )
        if facts.get("slice_ids") != KEYED:
            raise HemoError(
                f"{folder}: its slices are called by names of files or of the label table, which may be "
                "patients': run the same `hemo preprocess` command again, which reads no scan anew"
            )
        try:
            return cls(folder, facts)
        except (KeyError, TypeError, ValueError, OverflowError, HemoError) as error:
            reason = " ".join(str(error).split())
            raise HemoError(f"{folder}/store.json: damaged ({reason}): build the store anew") from None

    @classmethod
    def open_checked(cls, folder: str | Path) -> Self:
        """Open a store whose files are what was written: the way in to training and judging.

        Raises
        ------
        HemoError
            As `open`, or DiffersError if a file was changed since.
        """
        store = cls.open(folder)
        integrity.check(store)
        return store

    def __len__(self) -> int:
        return self._slices

    @property
    def files_digest(self) -> str:
        """Digest of what is recorded of all its files; empty for stores of before that was kept."""
        path = self.folder / digests.FILE
        return digests.of_file(path).sha256 if self.facts.get(integrity.RECORDED) and path.is_file() else ""

    def __del__(self) -> None:
        for descriptor in self._descriptors.values():
            os.close(descriptor)

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder.absolute(), "facts": self.facts}  # workers may be in another folder

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image, neighbours included."""
        return (self.reduction.size, self.reduction.size, self.reduction.channels)

    @property
    def synthetic(self) -> bool:
        """Whether any of its slices says that a program drew it, as the phantom's do."""
        return SYNTHETIC in self.facts.get("notes", {})

    @cached_property
    def index(self) -> pd.DataFrame:
        """A row a slice, grouped by patient, study and stack in the order of positions.

        Columns: `slice_id` (its place, and a keyed hash), `patient` and `study` (pseudonyms), `stack` (a
        number, rising), `position` (mm along the normal or slice number), `digest` (of the source's bytes),
        the labels (int8: 0, 1, or -1 unlabelled), `shard` and `row`. A label that is younger than the store
        is unlabelled throughout.
        Where a table of studies was given, `study_any` and so on before `shard`: what it says of the slice's
        study (see `studies`). Behind `row`, where headers say something of them, categories: those of
        `hemo.slices.groups.GROUPS`. What the file has beside these, `name`, is what files and the label
        table call a slice: it may name a patient, and stays in the store (`column("name")` has it).
        """
        path = self.folder / "index.parquet"
        index = pd.read_parquet(path, columns=[name for name in pq.read_schema(path).names if name != "name"])
        for label in LABELS:
            if label not in index:
                index.insert(list(index.columns).index("shard"), label, np.int8(UNLABELLED))
        return index

    def column(self, name: str) -> NDArray[Any]:
        """Return one column of the index, without reading the others."""
        if (
            name in (*LABELS, *STUDY_LABELS)
            and name not in pq.read_schema(self.folder / "index.parquet").names
        ):
            return np.full(len(self), UNLABELLED, np.int8)
        return pq.read_table(self.folder / "index.parquet", columns=[name])[name].to_numpy()

    @cached_property
    def studies(self) -> pd.DataFrame:
        """A row a study in the order of the index: `study`, `patient`, and each label, int8.

        A label is what a table of studies says; where none says anything, 1 if a slice has it, 0 if all
        slices are known to lack it, else -1 (unknown). Stores made before such tables could be read answer
        by their slices.
        """
        return studies_of(self.index)

    @cached_property
    def groups(self) -> pd.DataFrame | None:
        """Groups of the patients by scanner, settings and age: see `hemo.slices.groups.of_patients`."""
        return of_patients(self.index)

    @cached_property
    def agreement(self) -> pd.DataFrame | None:
        """How far the readers of the store's studies agree, None where no table had several readers.

        See `hemo.evaluation.agreement.agreement`; `facts["readers"]` has the rule by which they came to one
        truth.
        """
        return agreement_table(self.facts)

    @cached_property
    def exclusions(self) -> pd.DataFrame:
        """Every excluded file (or slice of one) with its `reason`; `file` is below the images' folder."""
        return pd.read_csv(self.folder / "exclusions.csv", dtype=str, keep_default_na=False)

    def exclusion_counts(self) -> pd.DataFrame:
        """Return `reason` and number of `files` of the exclusions, for eyes that may not see file names.

        The name of a file can hold a patient's: `exclusions` stays with the store.
        """
        excluded = self.facts["excluded"]
        return pd.DataFrame({"reason": list(excluded), "files": list(excluded.values())})

    def counts(self) -> pd.DataFrame:
        """Return a row a label: positive, negative and unlabelled slices, and positive patients."""
        return pd.DataFrame(self.label_facts).T.rename_axis("label").reset_index()

    @property
    def label_facts(self) -> dict[str, dict[str, int]]:
        """The same by label; one that is younger than the store is unlabelled."""
        none = {"positive": 0, "negative": 0, "unlabelled": len(self), "patients": 0}
        return {label: self.facts["labels"].get(label, none) for label in LABELS}

    @property
    def thickness(self) -> float | None:
        """Median slice thickness in millimetres, None where unknown."""
        return self.facts.get("thickness")

    def images(self, rows: Sequence[int] | NDArray[np.integer] | None = None) -> NDArray[np.uint8]:
        """Return images of rows of the index (all, where None), uint8 (n, height, width, channels).

        Read anew from the files each time: memory grows with what is asked for, never with the store.
        """
        where = np.arange(len(self)) if rows is None else np.asarray(rows, np.intp)
        if self.reduction.neighbours == 0:
            return self.stored(where)
        around = neighbour_rows(self.stack, where, self.reduction.neighbours)
        stacked = self.stored(around.ravel())
        size, windows = self.reduction.size, len(self.reduction.windows)
        stacked = stacked.reshape(len(where), around.shape[1], size, size, windows)
        return np.ascontiguousarray(np.moveaxis(stacked, 1, 3)).reshape(len(where), *self.image_shape)

    @cached_property
    def stack(self) -> NDArray[np.intp]:
        """The stack of every slice as a number, intp (n,); a stack's slices follow each other.

        Families take it for the slice's study: what is around a slice is of its own stack.
        """
        return self.column("stack").astype(np.intp)

    @cached_property
    def _locations(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        return self.column("shard"), self.column("row")

    @cached_property
    def _header(self) -> int:
        return len(npy_header(0, self._stored_shape))

    @property
    def _stored_shape(self) -> tuple[int, int, int]:
        return (self.reduction.size, self.reduction.size, len(self.reduction.windows))

    def _descriptor(self, shard: int) -> int:
        if shard not in self._descriptors:
            try:
                self._descriptors[shard] = os.open(near(self.folder, shard, self.files_digest), os.O_RDONLY)
            except OSError as error:
                path = shard_path(self.folder / "shards", shard)
                raise HemoError(
                    f"{path}: a shard is gone ({error.strerror}): build the store anew"
                ) from error
        return self._descriptors[shard]

    def stored(self, where: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Return images of rows as they are stored, without neighbours, read straight from the files.

        Not memory-mapped: a map's pages count as the process's own and would grow with the store.
        """
        shards, rows = self._locations
        result = np.empty((len(where), *self._stored_shape), np.uint8)
        size = int(np.prod(self._stored_shape))
        flat = memoryview(result.reshape(-1))  # type: ignore[arg-type]
        offsets = (self._header + rows[where].astype(np.int64) * size).tolist()
        for number, (shard, offset) in enumerate(zip(shards[where].tolist(), offsets, strict=True)):
            target = flat[number * size : (number + 1) * size]
            if os.preadv(self._descriptor(shard), [target], offset) != size:
                path = shard_path(self.folder / "shards", shard)
                raise HemoError(f"{path}: a shard ends too early: build the store anew")
        return result


def read_named(folder: Path) -> pd.DataFrame:
    """Return a store's index with the slices' names in the place of their ids."""
    index = pd.read_parquet(folder / "index.parquet")
    if "name" not in index:  # ids were names once
        return index
    return index.drop(columns="slice_id").rename(columns={"name": "slice_id"})


def read_facts(folder: Path) -> dict[str, Any] | None:
    """Return what `store.json` says, or None where there is none.

    Raises
    ------
    HemoError
        If it is of another version or no JSON.
    """
    try:
        facts = read_json(folder / "store.json", "build the store anew")
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not isinstance(facts, dict) or facts.get("schema") != SCHEMA:
        found = facts.get("schema") if isinstance(facts, dict) else None
        raise HemoError(
            f"{folder}: a store of another version (schema {found}, not {SCHEMA}): build it anew elsewhere "
            "with this hemo, from the same scans and labels"
        )
    return facts
