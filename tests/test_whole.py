"""Files are written whole or not at all, read whole or refused, and hold no formula."""

import os
from pathlib import Path

import pandas as pd
import pytest

import hemo
from hemo.errors import HemoError
from hemo.whole import NO_FILE, beside, csv_text, opened, read_json, replacing, write_text


def test_what_fails_half_way_leaves_the_file_before_and_nothing_beside_it(tmp_path):
    write_text(tmp_path / "page.html", "whole")

    def fail():
        with replacing(tmp_path / "page.html") as partial:
            partial.write_text("ha")
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert (tmp_path / "page.html").read_text() == "whole"
    assert len(list(tmp_path.iterdir())) == 1


def test_what_a_killed_process_left_is_removed_by_the_next_and_that_of_a_running_one_is_not(tmp_path):
    child = os.fork()
    if not child:
        beside(tmp_path / "p.csv").write_text("ha")
        os._exit(0)
    os.waitpid(child, 0)
    assert len(list(tmp_path.iterdir())) == 1
    (mine := beside(tmp_path / "p.csv")).write_text("mine")
    assert list(tmp_path.iterdir()) == [mine]
    write_text(tmp_path / "p.csv", "whole")
    assert {path.name for path in tmp_path.iterdir()} == {"p.csv", mine.name}


def test_names_that_are_no_utf8_are_written_with_a_mark_in_their_place(tmp_path):
    write_text(tmp_path / "page.html", "caf\udce9")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == "caf?"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-x", "@SUM(A1)", "\tx"])
def test_no_text_of_a_table_is_a_formula_and_numbers_stay_numbers(text):
    written = csv_text(pd.DataFrame({"file": [text, "scan"], "shift": [-1.5, 2]}))
    assert f"'{text}" in written
    assert "\nscan,2.0\n" in written
    assert ",-1.5\n" in written


def test_every_table_is_written_as_csv_in_this_one_way():
    package = Path(hemo.__file__).parent
    assert [path.name for path in package.rglob("*.py") if ".to_csv(" in path.read_text()] == ["whole.py"]


@pytest.mark.parametrize("content", [b"[" * 200_000, b"{", b"\xff\xfe\x00", b""])
def test_json_that_nests_too_deeply_or_is_none_is_refused_with_the_remedy(tmp_path, content):
    (tmp_path / "facts.json").write_bytes(content)
    with pytest.raises(HemoError, match=r"facts.json: unreadable \(.*\): build it anew"):
        read_json(tmp_path / "facts.json", "build it anew")


def test_what_may_wait_or_never_end_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    for name in ("pipe", "device"):
        with pytest.raises(OSError, match=NO_FILE), opened(tmp_path / name):
            pass
        with pytest.raises(HemoError, match=NO_FILE):
            read_json(tmp_path / name, "put it back")
