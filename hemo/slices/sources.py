"""Which files of a folder are scans, and what their places in it say of patient and slice."""

import os
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hemo.errors import HemoError
from hemo.imaging.reader import SUFFIXES, stem
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


@dataclass(frozen=True)
class Source:
    """A file, or the files that show one slice in several windows.

    Attributes
    ----------
    paths
        The files, one for each of `channels` (one where there are none).
    channels
        Windows by the folders' names; empty for a single file.
    name
        The path below the images' folder, without suffix and without the window's folder.
    patient
        What the folders say of the patient, "" where nothing.
    state
        Size and time of change of every file: another state is another source.
    """

    paths: tuple[Path, ...]
    channels: tuple[str, ...]
    name: str
    patient: str
    state: str

    @property
    def slice_name(self) -> str:
        """The file's stem."""
        return stem(self.paths[0])

    def names(self, slice_id: str, uid: str, number: int) -> list[str]:
        """Return what a label table may call a slice of this source, the likeliest first."""
        path = self.paths[0]
        result = [slice_id, uid]
        if slice_id == self.slice_name:
            result += [path.name, self.name, self.name + path.suffix]
            digits = re.search(r"(\d+)$", slice_id)
            numbers = {number, int(digits[1]) if digits else 0} - {0}
            folders = [plain(part) for part in path.parent.parts[-4:] if part not in WINDOW_FOLDERS]
            result += [f"{folder}/{place}" for folder in reversed(folders) for place in sorted(numbers)]
        else:
            result.append(f"{plain(self.slice_name)}/{number}")
        return list(dict.fromkeys(name for name in result if name))


def _files(images: Path) -> list[Path]:
    if images.is_file():
        return [images]
    if not images.is_dir():
        raise HemoError(f"{images}: no such folder of images: give one with --images")
    found = []
    for folder, folders, names in os.walk(images, followlinks=True):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in sorted(names):
            suffix = os.path.splitext(name)[1].lower()
            if not name.startswith(".") and (suffix in SUFFIXES or suffix == "" or suffix[1:].isdecimal()):
                found.append(Path(folder, name))
    return found


def _patient(folders: Sequence[str]) -> str:
    return next((folder for folder in folders if folder.lower() not in NOT_A_PATIENT), "")


def find_sources(images: Path, windows: Sequence[str]) -> list[Source]:
    """Find the scans of a folder, in the order of their paths.

    Pictures of one slice in folders named by windows (`050/brain/1.jpg`, `050/bone/1.jpg`) make one source
    with those of the windows that are asked for; where none is asked for by name, the brain's.

    Raises
    ------
    HemoError
        If the folder is absent or holds no scans.
    """
    files = _files(images)
    root = images.parent if images.is_file() else images
    if not files:
        raise HemoError(f"{images}: no DICOM, NIfTI, JPEG, PNG or TIFF files in it: give another folder")
    groups: dict[tuple[str, str], dict[str, Path]] = defaultdict(dict)
    for path in files:
        relative = path.relative_to(root)
        window = path.parent.name if path.parent.name in WINDOW_FOLDERS else ""
        folder = relative.parent.parent if window and len(relative.parts) > 1 else relative.parent
        groups[folder.as_posix(), path.name][window] = path
    shared = os.path.commonpath([parent for parent, _ in groups] or [""]) if len(groups) > 1 else ""
    depth = 0 if shared in ("", ".") else len(Path(shared).parts)
    sources = []
    for (parent, name), shown in sorted(groups.items(), key=lambda group: group[0]):
        plain_file = shown.pop("", None)
        if plain_file is not None:
            sources.append(_source((plain_file,), (), parent, name, depth))
        if shown:
            asked = tuple(w for w in windows if w in shown) or (
                ("brain",) if "brain" in shown else tuple(shown)[:1]
            )
            sources.append(_source(tuple(shown[w] for w in asked), asked, parent, name, depth))
    return sources


def _source(paths: tuple[Path, ...], channels: tuple[str, ...], parent: str, name: str, depth: int) -> Source:
    folders = Path(parent).parts
    stats = [path.stat() for path in paths]
    place = Path(parent, stem(Path(name))).as_posix()
    return Source(
        paths=paths,
        channels=channels,
        name=place,
        patient=_patient(folders[depth:]),
        state=" ".join(
            f"{path.resolve()}:{s.st_size}:{s.st_mtime_ns}" for path, s in zip(paths, stats, strict=True)
        ),
    )
