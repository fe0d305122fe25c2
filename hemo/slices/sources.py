"""Which files of a folder are scans, and what their places in it say of patient and slice.

Paths are texts here: a folder may hold a million files, and path objects would take minutes.
"""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Final, Self

from hemo.errors import HemoError
from hemo.imaging.formats import format_names
from hemo.imaging.windows import WINDOWS
from hemo.labels import LABELS
from hemo.slices.files import files_below, slice_name
from hemo.slices.names import numbers, pattern, readable

WINDOW_FOLDERS: Final = frozenset(WINDOWS)
NOT_A_PATIENT: Final = (
    WINDOW_FOLDERS
    | frozenset(LABELS)
    | {"train", "training", "test", "val", "valid", "validation", "images", "slices", "dicom", "png", "jpg"}
    | {"normal", "none", "other", "positive", "negative"}
    | {"ct", "ct_scans", "scans", "volumes", "nifti", "nii", "imagestr", "imagests", "labelstr"}
    | {"mask", "masks", "seg", "segmentation", "segmentations"}
)
"""Names of folders that sort images by something else than by patient."""

VOLUME: Final = (".nii", ".nii.gz")
"""Files that hold a whole volume, by their suffix."""

PATTERNS: Final = 64
"""Patterns of names in one folder beyond which its names are taken for hashes, whose digits count nothing."""

LARGEST_NUMBER: Final = 999_999
"""A larger number in a name counts no slices: it is a part of a UID, or a time."""

_MASK: Final = re.compile(r"[_.-](hge_)?(seg|mask|segmentation|label)s?$", re.IGNORECASE)

Counted = tuple[tuple[str, int], ...]
"""Which number of a name counts the slices of its folder, by the name's pattern (see `names.pattern`)."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file, or the files that show one slice in several windows.

    Attributes
    ----------
    root
        Where the images lie.
    below
        The folder below it, without the window's.
    windows
        Names of the folders that hold the slice's windows, one for each file; a single "" for none.
    file
        The file's name.
    patient
        What the folders say of the patient, "" where nothing.
    counted
        Which number in the names of its folder counts slices: the one that differs between them.
    """

    root: str
    below: str
    windows: tuple[str, ...]
    file: str
    patient: str
    counted: Counted = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """The files, one for each of `channels` (one where there are none)."""
        if self.windows == ("",):
            return (f"{self.folder}{os.sep}{self.file}",)
        return tuple(os.path.join(self.folder, window, self.file) for window in self.windows)

    @property
    def folder(self) -> str:
        """The folder of the files, or of their windows' folders."""
        return f"{self.root}{os.sep}{self.below}" if self.below else self.root

    @property
    def channels(self) -> tuple[str, ...]:
        """Windows by the folders' names; empty for a single file."""
        return tuple(window for window in self.windows if window)

    @property
    def name(self) -> str:
        """The path below the images' folder, without suffix and without the window's folder."""
        return f"{self.below}/{self.slice_name}" if self.below else self.slice_name

    @property
    def slice_name(self) -> str:
        """The file's stem."""
        return slice_name(self.file)

    def state(self) -> bytes:
        """Return a digest of every file's place, size and time of change: another state is another source."""
        facts: list[os.stat_result | None] = []
        paths = self.paths
        for path in paths:
            try:
                facts.append(os.stat(path))
            except OSError:  # a dangling link: reading it gives the reason
                facts.append(None)
        return state_of(paths, facts)

    @property
    def number(self) -> int | None:
        """The number in its name that counts the slices of its folder, None where there is none."""
        if not self.counted:
            return None
        where = next((place for key, place in self.counted if key == pattern(self.slice_name)), None)
        found = None if where is None else numbers(self.slice_name)[where]
        return found if found is not None and found <= LARGEST_NUMBER else None

    @property
    def volume(self) -> bool:
        """Whether the file holds a whole volume, by its suffix."""
        return self.file.lower().endswith(VOLUME)

    def is_mask(self) -> bool:
        """Tell whether its name is that of a segmentation mask beside the picture it belongs to."""
        own = self.slice_name
        if own[-1:].isdecimal():  # as most names end
            return False
        base = _MASK.sub("", own)
        if base == own:
            return False
        suffix = self.file[len(own) :]
        return any(
            os.path.exists(os.path.join(self.folder, window, base + end))
            for window in self.windows
            for end in dict.fromkeys((suffix, ".png", ".jpg", ".jpeg", ".dcm", *VOLUME))
        )


def state_of(paths: Sequence[str], facts: Sequence[os.stat_result | None]) -> bytes:
    """Return `Source.state` for files of which the system said so much (None: nothing)."""
    states = [
        path if fact is None else f"{path}:{fact.st_size}:{fact.st_mtime_ns}"
        for path, fact in zip(paths, facts, strict=True)
    ]
    return hashlib.blake2b(os.fsencode("\n".join(states)), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Packed:
    """Many sources in the room of their files' names: a tenth of what they take apart.

    Attributes
    ----------
    groups
        For sources that follow each other and differ in nothing but the file: what else they say, and all
        their files' names, parted by a character that no name can hold.
    """

    groups: tuple[tuple[tuple[str, str, tuple[str, ...], str, Counted], str], ...]

    @classmethod
    def of(cls, sources: Sequence[Source]) -> Self:
        """Pack sources; iterating gives equal ones again."""
        groups = groupby(
            sources, key=lambda one: (one.root, one.below, one.windows, one.patient, one.counted)
        )
        packed = ((facts, "\0".join(source.file for source in some)) for facts, some in groups)
        return cls(tuple(packed))

    def __iter__(self) -> Iterator[Source]:
        for (root, below, windows, patient, counted), files in self.groups:
            for file in files.split("\0"):
                yield Source(root, below, windows, file, patient, counted)

    def __len__(self) -> int:
        return sum(files.count("\0") + 1 for _, files in self.groups)


def find_sources(images: Path, windows: Sequence[str]) -> list[Source]:
    """Find the scans of a folder, in the order of their paths.

    Pictures of one slice in folders named by windows (`050/brain/1.jpg`, `050/bone/1.jpg`) make one source
    with those of the windows that are asked for; where none is asked for by name, the brain's.

    Raises
    ------
    HemoError
        If the folder is absent or holds no scans.
    """
    if not images.exists():
        raise HemoError(f"{images}: no such folder of images: give one with --images")
    images = images.resolve()
    root = str(images.parent if images.is_file() else images)
    groups: dict[str, dict[str, tuple[str, ...]]] = {}
    kinds: dict[tuple[str, ...], tuple[str, ...]] = {}  # one object for all files of a kind
    for folder, name in files_below([images]):
        window = os.path.basename(folder) if folder != root else ""
        below = folder[len(root) + 1 :]
        if window in WINDOW_FOLDERS:
            below = os.path.dirname(below)
        else:
            window = ""
        group = groups.setdefault(below, {})
        shown = (*group.get(name, ()), window)
        group[name] = kinds.setdefault(shown, shown)
    if not groups:
        raise HemoError(f"{images}: no {format_names()} files in it: give another folder")
    shared = os.path.commonpath(groups) if "" not in groups else ""
    several = sum(map(len, groups.values())) > 1
    depth = len(shared.split(os.sep)) if shared and several else 0
    sources = []
    for below in sorted(groups):
        group = groups.pop(below)
        patient = _patient(below.split(os.sep)[depth:])
        counted = count_by(group)
        for name in sorted(group):
            shown = group[name]
            if "" in shown:
                sources.append(Source(root, below, ("",), name, patient, counted))
            if named := [window for window in shown if window]:
                asked = tuple(window for window in windows if window in named)
                asked = asked or (("brain",) if "brain" in named else (min(named),))
                sources.append(Source(root, below, kinds.setdefault(asked, asked), name, patient, counted))
    return _volumes_of_patients(sources)


def count_by(names: Iterable[str]) -> Counted:
    """Return which number of each pattern of names counts the slices of a folder.

    It is the one number that differs between the names of a pattern. Where several differ, or the names look
    like hashes, none does.

    Examples
    --------
    >>> count_by(["slice_1_of_11.png", "slice_2_of_11.png"])
    (('slice_0_of_0', 0),)
    """
    seen: dict[str, list[set[int]]] = {}
    for name in names:
        own = slice_name(name)
        found = numbers(own)
        if not found:
            continue
        key = pattern(own)
        if key not in seen:
            if len(seen) == PATTERNS:
                return ()
            seen[key] = [set() for _ in found]
        for values, number in zip(seen[key], found, strict=True):
            if len(values) < 2:
                values.add(number)
    result = []
    for key, runs in seen.items():
        differing = [place for place, values in enumerate(runs) if len(values) > 1]
        if len(runs) == 1 or len(differing) == 1:
            result.append((key, differing[0] if differing else 0))
    return tuple(result)


def _volumes_of_patients(sources: list[Source]) -> list[Source]:
    """Let a volume's folder name its patient only where volumes of that name lie in several folders.

    `sub-01/ct.nii.gz` and `sub-02/ct.nii.gz` are of two patients, named by their folders; where all names
    differ (`scans/049.nii.gz`), they name the patients.
    """
    folders = Counter(one.slice_name for one in sources if one.volume)
    return [
        replace(one, patient="") if one.volume and folders[one.slice_name] == 1 else one for one in sources
    ]


def _patient(folders: Sequence[str]) -> str:
    return next((readable(folder) for folder in folders if folder.lower() not in NOT_A_PATIENT), "")
