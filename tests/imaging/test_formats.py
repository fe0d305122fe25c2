"""One object in `FORMATS` is enough for a format to be found, read and named."""

import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from hemo.cli import main
from hemo.imaging import formats, read_one
from hemo.imaging.formats import recognize, stem
from tests.helpers.scans import head, make_dicom

ADDED = """
import sys
from pathlib import Path
from hemo.imaging import formats
from hemo.imaging.formats import Format

def read(data, name, options):
    from hemo.imaging import RawSlice
    from tests.helpers.scans import head
    return [RawSlice(head(), hu=True, slice_id=name)]

made_up = Format("MadeUp", (".made.up",), lambda data: data.startswith(b"MADE"), read)
formats.FORMATS = (*formats.FORMATS, made_up)  # as if it stood in the tuple

from hemo.errors import HemoError
from hemo.imaging import Excluded, read_one
from hemo.slices.sources import find_sources

folder = Path(sys.argv[1])
for source in find_sources(folder, ("brain",)):
    print(source.slice_name, read_one(source.paths[0]).slice_id)
    Path(source.paths[0]).unlink()
for attempt in (lambda: read_one(b"something else"), lambda: find_sources(folder, ("brain",))):
    try:
        attempt()
    except (Excluded, HemoError) as fault:
        print(fault)
"""


def test_a_format_is_found_read_and_named_by_its_one_object(tmp_path):
    (tmp_path / "a.made.up").write_bytes(b"MADE of nothing")
    (tmp_path / "notes.txt").write_text("no scan")
    words = [sys.executable, "-c", ADDED, str(tmp_path)]
    found, unread, empty = subprocess.check_output(words, text=True).splitlines()
    assert found.split()[1] == "a"
    assert unread == "neither DICOM, NIfTI, JPEG, PNG, TIFF nor MadeUp"
    assert "no DICOM, NIfTI, JPEG, PNG, TIFF or MadeUp files" in empty


def test_help_names_every_format():
    text = " ".join(CliRunner().invoke(main, ["preprocess", "--help"]).output.split())
    assert formats.format_names() in text


def test_asking_for_the_formats_names_imports_nothing_heavy():
    code = "import sys, hemo.imaging.formats; print({'numpy', 'cv2', 'pydicom', 'PIL'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


def test_only_the_suffix_is_left_out_of_a_name():
    assert [stem(name) for name in ("a.NII.GZ", "a.b.dcm", ".hidden", "1.2.3", "a")] == [
        "a", "a.b", ".hidden", "1.2", "a",
    ]  # fmt: skip


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("group", [0x0002, 0x0008, 0x0010, 0x0018, 0x0020, 0x0028])
def test_dicom_without_preamble_is_known_by_any_early_element(group, order):
    def element(tag, kind, value):
        return (
            (tag >> 16).to_bytes(2, order) + (tag & 0xFFFF).to_bytes(2, order)
            + kind + len(value).to_bytes(2, order) + value
        )  # fmt: skip

    data = element(group << 16 | 0x10, b"LO", b"ab") + element(group << 16 | 0x40, b"LO", b"")
    found = recognize(data)
    assert found is not None
    assert found.name == "DICOM"


@pytest.mark.parametrize(
    "start", [b"BM", b"GIF89a", b"\x08\x00 spaces", b"%PDF-1.7", b"PK\x03\x04", b"\x10\0\0\0"]
)
def test_what_begins_otherwise_is_no_dicom(start):
    assert recognize(start + bytes(range(200))) is None


def test_a_bare_dataset_begins_wherever_its_first_element_is():
    data = make_dicom(head())
    place = data.index(b"\x08\x00\x08\x00CS")
    for begin in (b"\x08\x00\x08\x00", b"\x08\x00\x16\x00", b"\x08\x00\x18\x00", b"\x08\x00\x60\x00"):
        raw = read_one(data[data.index(begin, place) :])
        np.testing.assert_array_equal(raw.pixels, head())
