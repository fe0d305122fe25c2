"""The key of pseudonyms is there whole or not at all, and ids say nothing without it."""

import errno
import os
import stat

import pytest

from hemo.errors import HemoError
from hemo.slices.pseudonyms import load_or_make_key, slice_ids


def test_a_disk_that_is_full_leaves_no_key_behind(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        load_or_make_key(tmp_path / "s.key", make=True)
    assert list(tmp_path.iterdir()) == []


def test_a_key_of_no_bytes_that_a_full_disk_left_is_made_anew(tmp_path):
    (tmp_path / "s.key").touch()
    key = load_or_make_key(tmp_path / "s.key", make=True)
    assert len(key) == 64
    assert load_or_make_key(tmp_path / "s.key", make=False) == key
    assert stat.S_IMODE((tmp_path / "s.key").stat().st_mode) == 0o600


def test_of_two_that_make_a_key_at_once_the_second_takes_the_first_s(tmp_path, monkeypatch):
    path, link = tmp_path / "s.key", os.link

    def late(source, target):
        monkeypatch.setattr(os, "link", link)
        load_or_make_key(path, make=True)
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    assert load_or_make_key(path, make=True) == path.read_bytes().strip()


def test_ids_of_slices_are_in_the_order_of_the_store_under_any_key():
    names = [f"DOE/{number}" for number in (9, 1, 12)]
    one, other = (slice_ids(bytes([key]) * 16, names) for key in (1, 2))
    assert one == sorted(one)
    assert other == sorted(other)
    assert set(one).isdisjoint(other)
    assert not any("DOE" in name for name in one)


@pytest.mark.parametrize(
    ("content", "fault"),
    [(b"filename,any\nscan-1.dcm,1\n", "no key, which is a line"), (b"x" * 1025, "no key, which is a line")],
    ids=["a table", "too long"],
)
def test_another_file_is_not_taken_for_a_key(tmp_path, content, fault):
    (tmp_path / "s.key").write_bytes(content)
    with pytest.raises(HemoError, match=fault):
        load_or_make_key(tmp_path / "s.key", make=True)


def test_random_bytes_are_a_key_and_a_pipe_is_none(tmp_path):
    (tmp_path / "s.key").write_bytes(bytes(range(1, 33)) + b"\xff")
    assert len(load_or_make_key(tmp_path / "s.key", make=False)) > 16
    os.mkfifo(tmp_path / "p.key")
    with pytest.raises(HemoError, match="no file, but a pipe"):
        load_or_make_key(tmp_path / "p.key", make=False)
