"""Which files of a folder are scans, and what their places in it say of patient and slice.

Paths are texts here: a folder may hold a million files, and path objects would take minutes.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Final, Self

from hemo.errors import HemoError
from hemo.imaging.formats import format_names, stem, suffixes
from hemo.imaging.windows import WINDOWS
from hemo.labels import LABELS, plain

WINDOW_FOLDERS: Final = frozenset(WINDOWS)
NOT_A_PATIENT: Final = (
    WINDOW_FOLDERS
    | frozenset(LABELS)
    | {"train", "training", "test", "val", "valid", "validation", "images", "slices", "dicom", "png", "jpg"}
    | {"normal", "none", "other", "positive", "negative"}
)
"""Names of folders that sort images by something else than by patient."""

DIGITS: Final = re.compile(r"[0-9]{1,9}$")

FOLDERS_THAT_NAME: Final = 4
"""How many of the folders above a file may be what a table of volumes calls it."""


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
    """

    root: str
    below: str
    windows: tuple[str, ...]
    file: str
    patient: str

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
        return stem(self.file)

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

    def names(self, slice_id: str, uid: str, number: int) -> list[str]:
        """Return what a label table may call a slice of this source, the likeliest first."""
        own = self.slice_name
        result = [slice_id, uid]
        if slice_id == own:
            name = self.name
            suffix = self.file[len(own) :]
            result += [self.file, name, name + suffix]
            for window in self.channels:  # the path of one of its pictures
                path = f"{self.below}/{window}/{own}" if self.below else f"{window}/{own}"
                result += [path, path + suffix]
            digits = DIGITS.search(slice_id)
            numbers = sorted({number, int(digits[0]) if digits else 0} - {0})
            folder = os.path.join(self.folder, self.windows[0])
            result += [f"{part}/{place}" for part in _above(folder) for place in numbers]
        else:
            result.append(f"{plain(own)}/{number}")
        return list(dict.fromkeys(name for name in result if name))


def state_of(paths: Sequence[str], facts: Sequence[os.stat_result | None]) -> bytes:
    """Return `Source.state` for files of which the system said so much (None: nothing)."""
    states = [
        path if fact is None else f"{path}:{fact.st_size}:{fact.st_mtime_ns}"
        for path, fact in zip(paths, facts, strict=True)
    ]
    return hashlib.blake2b("\n".join(states).encode(), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Packed:
    """Many sources in the room of their files' names: a tenth of what they take apart.

    Attributes
    ----------
    groups
        For sources that follow each other and differ in nothing but the file: what else they say, and all
        their files' names, parted by a character that no name can hold.
    """

    groups: tuple[tuple[tuple[str, str, tuple[str, ...], str], str], ...]

    @classmethod
    def of(cls, sources: Sequence[Source]) -> Self:
        """Pack sources; iterating gives equal ones again."""
        groups = groupby(sources, key=lambda one: (one.root, one.below, one.windows, one.patient))
        packed = ((facts, "\0".join(source.file for source in some)) for facts, some in groups)
        return cls(tuple(packed))

    def __iter__(self) -> Iterator[Source]:
        for (root, below, windows, patient), files in self.groups:
            for file in files.split("\0"):
                yield Source(root, below, windows, file, patient)

    def __len__(self) -> int:
        return sum(files.count("\0") + 1 for _, files in self.groups)


@lru_cache(maxsize=16)  # a folder's files come one after another
def _above(folder: str) -> list[str]:
    """Return what a table of volumes may call the volume of a folder's slices, the nearest first."""
    parts = folder.rstrip(os.sep).split(os.sep)[-FOLDERS_THAT_NAME:]
    return [plain(part) for part in reversed(parts) if part not in WINDOW_FOLDERS]


def _files(images: Path) -> Iterator[tuple[str, str]]:
    """Yield folder and name of every file whose name does not speak against its being a scan."""
    if images.is_file():
        yield os.path.split(images)
        return
    known = suffixes()
    for folder, folders, names in os.walk(images, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            suffix = os.path.splitext(name)[1].lower()
            if not name.startswith(".") and (suffix in known or not suffix or suffix[1:].isdecimal()):
                yield folder, name


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
    for folder, name in _files(images):
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
        for name in sorted(group):
            shown = group[name]
            if "" in shown:
                sources.append(Source(root, below, ("",), name, patient))
            if named := [window for window in shown if window]:
                asked = tuple(window for window in windows if window in named)
                asked = asked or (("brain",) if "brain" in named else (min(named),))
                sources.append(Source(root, below, kinds.setdefault(asked, asked), name, patient))
    return sources


def _patient(folders: Sequence[str]) -> str:
    return next((folder for folder in folders if folder.lower() not in NOT_A_PATIENT), "")
