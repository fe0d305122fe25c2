"""Folders of scans with a label table, drawn at random, and which label each slice truly has."""

import random
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import xxhash

from tests.helpers.scans import make_dicom

FOLDERS = ("049", "007", "patient_7", "Jürgen Müller", "CQ500-CT-03", "scan 1", "Zoë", "12", "volA", "0100")
FILES = ("{n}", "{n:03d}", "scan ({n})", "slice_{n}_of_{all}", "{n}_axial", "CT{n:06d}", "1.2.840.9.{n}")
FORMS: tuple[Literal["NFC", "NFD", "NFKC"], ...] = ("NFC", "NFD", "NFKC")
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "cp1252")
PREFIXES = ("", "C:\\data\\images\\", "/mnt/old disk/images/", "./")
ANY = ("any", "Any", "hemorrhage", " ICH ", "any_hemorrhage")


@dataclass
class Slice:
    """One slice of a world: where it lies, what its header says, and what is true of it."""

    volume: int
    place: int  # in the order of positions
    instance: int | None
    file_number: int
    path: str
    uid: str
    truth: int
    content: bytes
    usable: bool = True

    @property
    def digest(self) -> str:
        """What a store's index calls it."""
        return xxhash.xxh3_128_hexdigest(self.content)

    def numbers(self, dicom: bool) -> dict[str, int | None]:
        """Return its number under each numbering."""
        counted = {"from 0": self.place, "from 1": self.place + 1}
        return {"instance": self.instance if dicom else None, "file": self.file_number, **counted}


@dataclass
class World:
    """A folder of scans with a label table.

    Attributes
    ----------
    slices
        All of them.
    labelled
        The slices that the table has a row for, each with the label it gives.
    certain
        Whether the table can be read in one way only: then every row must find its slice.
    doubtful
        Whether it can be read in two: then none may.
    words
        How it was drawn, for people.
    """

    slices: list[Slice]
    labelled: dict[int, int] = field(default_factory=dict)
    certain: bool = False
    doubtful: bool = False
    words: dict[str, object] = field(default_factory=dict)


def _picture(draw: random.Random) -> np.ndarray:
    pixels = np.full((16, 16), 40, np.uint8)
    pixels[2:14, 3:13] = draw.randrange(100, 250)
    pixels[4:8, 4:8] = [[draw.randrange(256) for _ in range(4)] for _ in range(4)]
    return pixels


def _dicom(draw: random.Random, one: dict[str, Any]) -> bytes:
    hu = np.full((64, 64), -1000, np.int16)
    hu[8:56, 10:54] = draw.randrange(10, 60)
    hu[20:24, 20:24] = [[draw.randrange(100) for _ in range(4)] for _ in range(4)]
    return make_dicom(hu, **one)


def make_world(folder: Path, seed: int) -> World:
    """Write scans into `folder`/images and their table as `folder`/labels.csv."""
    draw = random.Random(seed)
    dicom = draw.random() < 0.5
    style, start = draw.choice(FILES), draw.choice((0, 1))
    names = draw.sample(FOLDERS, draw.randint(1, 3))
    count = {name: draw.randint(2, 6) for name in names}
    numbering = draw.choice(("1", "0", "down", "none", "scrambled"))
    files_follow = draw.random() < 0.8  # file numbers run as positions do, or not
    broken = draw.random() < 0.15
    slices: list[Slice] = []
    for volume, name in enumerate(names):
        n = count[name]
        order = list(range(n))
        if dicom and not files_follow:
            draw.shuffle(order)
        scrambled = draw.sample(range(1, n + 1), n)
        for place in range(n):
            instance = {"1": place + 1, "0": place, "down": n - place, "none": None}.get(
                numbering, scrambled[place]
            )
            number = order[place] + start
            suffix = ".dcm" if dicom and not style.startswith("1.2") else "" if dicom else ".png"
            file = style.format(n=number, all=n + start - 1) + suffix
            uid = f"1.2.3.{volume + 1}.9.{draw.randrange(10**6)}"
            facts: dict[str, Any] = {
                "SOPInstanceUID": uid, "PatientID": f"P{volume + 10:04d}", "InstanceNumber": instance,
                "StudyInstanceUID": f"1.2.3.{volume + 1}", "SeriesInstanceUID": f"1.2.3.{volume + 1}.5",
                "ImagePositionPatient": ["0", "0", str(5 * place)],
                "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"],
            }  # fmt: skip
            content = _dicom(draw, facts) if dicom else cv2.imencode(".png", _picture(draw))[1].tobytes()
            slices.append(
                Slice(volume, place, instance, number, f"{name}/{file}", uid, draw.randint(0, 1), content)
            )
    if broken:
        bad = draw.choice(slices)
        bad.usable, bad.content = False, bad.content[:40]
    form = draw.choice(FORMS)
    for one in slices:
        path = folder / "images" / unicodedata.normalize(form, one.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(one.content)
    world = World(slices)
    world.words |= {"seed": seed, "dicom": dicom, "style": style, "start": start, "numbering": numbering}
    world.words |= {"follow": files_follow, "broken": broken}
    by_number = draw.random() < 0.55
    rows = _numbered(draw, world, names, dicom) if by_number else _named(draw, world, dicom)
    _write(draw, folder / "labels.csv", rows, world)
    return world


def _partial(draw: random.Random, world: World) -> list[int]:
    """Draw which slices the table has a row for."""
    every = list(range(len(world.slices)))
    keep = (
        every
        if draw.random() < 0.7 or world.words["broken"]
        else sorted(draw.sample(every, draw.randint(1, len(every))))
    )
    world.labelled = {row: world.slices[row].truth for row in keep}
    return keep


def _named(draw: random.Random, world: World, dicom: bool) -> list[list[str]]:
    """Return a table that names images, header first."""
    way = draw.choice(("path", "stem of path", "uid") if dicom else ("path", "stem of path", "file"))
    files = [one.path.rpartition("/")[2] for one in world.slices]
    if way == "file" and len(set(files)) < len(files):
        way = "path"
    prefix, form = draw.choice(PREFIXES), draw.choice(FORMS)
    backslash, zeros = draw.random() < 0.4 or prefix.startswith("C"), draw.random() < 0.6
    names = []
    for row in _partial(draw, world):
        one = world.slices[row]
        name = one.path.rpartition("/")[2] if way == "file" else one.path
        if way == "stem of path":
            name = name.removesuffix(".dcm").removesuffix(".png")
        if not zeros:
            name = _without_zeros(name)
        name = unicodedata.normalize(form, name)
        if way == "uid":
            name = one.uid
        elif way != "file":
            name = (prefix + name).replace("/", "\\" if backslash else "/")
        names.append((name, one.truth))
    every = [one.path for one in world.slices]
    alone = len(set(map(_without_zeros, every))) == len(every)
    if way == "file":
        every = [path.rpartition("/")[2] for path in every]
        alone = len({_without_zeros(name) for name in every}) == len(every)
    world.certain = alone or way == "uid"
    world.words |= {"way": way, "prefix": prefix, "backslash": backslash, "zeros": zeros, "form": form}
    column = draw.choice(("image", "file name", "ID", "SOPInstanceUID"))
    return [[column, draw.choice(ANY)], *([name, str(value)] for name, value in names)]


def _without_zeros(name: str) -> str:
    import re

    return re.sub(r"(?<![0-9])0+(?=[0-9])", "", name)


def _numbered(draw: random.Random, world: World, names: list[str], dicom: bool) -> list[list[str]]:
    """Return a table that names volumes and numbers, header first."""
    truth = draw.choice(("instance", "file", "from 0", "from 1"))
    if world.slices[0].numbers(dicom)[truth] is None:
        truth = "file"
    word = draw.choice(("folder", "PatientID", "study", "series") if dicom else ("folder",))
    zeros, form = draw.random() < 0.5, draw.choice(FORMS)
    rows = []
    for row in _partial(draw, world):
        one = world.slices[row]
        volume = one.volume + 1
        name = {
            "folder": names[one.volume], "PatientID": f"P{volume + 9:04d}", "study": f"1.2.3.{volume}",
            "series": f"1.2.3.{volume}.5",
        }[word]  # fmt: skip
        name = unicodedata.normalize(form, name if zeros else _without_zeros(name))
        rows.append([name, str(one.numbers(dicom)[truth]), str(one.truth)])
    world.words |= {"truth": truth, "volume": word, "zeros": zeros, "form": form}
    alone = len({_without_zeros(name) for name in names}) == len(names)
    _judge(world, truth, dicom, alone)
    header = draw.choice((["volume", "slice_number"], ["PatientNumber", "SliceNumber"], ["scan", "slice"]))
    return [[*header, draw.choice(ANY)], *rows]


def _judge(world: World, truth: str, dicom: bool, alone: bool) -> None:
    """Note whether each complete volume can be read in one way, and whether all can be in two."""
    certain, doubtful = [], []
    for volume in {one.volume for one in world.slices}:
        own = [one for one in world.slices if one.volume == volume]
        rows = [row for row, one in enumerate(world.slices) if one.volume == volume]
        complete = all(row in world.labelled for row in rows) and all(one.usable for one in own)
        meanings = set()
        wanted = {one.numbers(dicom)[truth] for one in own}
        for name in ("instance", "file", "from 0", "from 1"):
            numbers = [one.numbers(dicom)[name] for one in own]
            if set(numbers) == wanted:
                meanings.add(tuple(numbers))
        certain.append(complete and len(meanings) == 1)
        doubtful.append(complete and len(meanings) > 1)
    world.certain, world.doubtful = alone and all(certain), all(doubtful)


def _write(draw: random.Random, path: Path, rows: list[list[str]], world: World) -> None:
    """Write a table in one of the ways in which programs write them."""
    separator, end, encoding = draw.choice(",;\t"), draw.choice(("\n", "\r\n", "\r")), draw.choice(ENCODINGS)
    quoted, first = draw.random() < 0.3, draw.random() < 0.1
    if draw.random() < 0.2:  # as spreadsheets leave it behind
        rows = [[*row, ""] for row in rows] + [[""] * (len(rows[0]) + 1)]
    lines = [separator.join(f'"{cell}"' if quoted else cell for cell in row) for row in rows]
    text = end.join([f"sep={separator}"] * first + lines) + end * draw.randint(0, 2)
    try:
        data = text.encode(encoding)
    except UnicodeEncodeError:
        encoding, data = "utf-8", text.encode()
    path.write_bytes(data)
    world.words |= {"separator": separator, "end": end, "encoding": encoding, "sep=": first}
