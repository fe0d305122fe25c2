"""A sealed file is taken as it was written, where it was written, or not at all."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hemo.sealed import LARGEST, SEAL, Sealed

KEY = b"a key of some length"


def put_in(file, content):
    file.write(lambda partial: partial.write_bytes(content))


@pytest.fixture
def file(tmp_path):
    return Sealed(tmp_path / "training" / "fold.parquet", KEY)


def test_what_was_written_is_read_and_nothing_is_none(file, capsys):
    assert file.read() is None
    for content in (b"", b"predictions" * 1000):
        put_in(file, content)
        assert file.read() == content
    assert capsys.readouterr().err == ""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(place=st.integers(0, SEAL + 9), flip=st.integers(1, 255))
def test_a_changed_byte_is_noticed_wherever_it_is(file, place, flip):
    put_in(file, b"ten bytes.")
    content = bytearray(file.path.read_bytes())
    content[place] ^= flip
    file.path.write_bytes(content)
    assert file.read() is None


def test_what_another_key_sealed_or_lay_elsewhere_is_not_taken(file, tmp_path, capsys):
    put_in(file, b"mine")
    assert Sealed(file.path, b"another key").read() is None
    for other in (file.path.with_name("other.parquet"), tmp_path / "another" / "fold.parquet"):
        other.parent.mkdir(exist_ok=True)
        other.write_bytes(file.path.read_bytes())
        assert Sealed(other, KEY).read() is None
    assert capsys.readouterr().err.count("not what was written there") == 3


def endless(path):
    path.symlink_to("/dev/zero")


def sparse(path):
    with path.open("wb") as stream:
        stream.truncate(LARGEST + SEAL + 1)


@pytest.mark.parametrize(
    ("put", "said"),
    [
        (Path.mkdir, "unreadable (Is a directory)"),
        (os.mkfifo, "unreadable (no file, but a pipe, a socket or a device)"),
        (endless, "unreadable (no file, but a pipe, a socket or a device)"),
        (sparse, "not what was written there"),
    ],
)
def test_what_is_no_file_or_has_no_end_is_said_and_holds_nothing_up(file, capsys, put, said):
    file.path.parent.mkdir()
    put(file.path)
    assert file.read() is None
    assert said in " ".join(capsys.readouterr().err.split())


def test_a_key_is_shown_nowhere(file):
    assert "a key of" not in repr(file)
