"""Temporary files are in one folder, which goes with its command."""

import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from hemo import executors, temporary
from hemo.tuning.lock import Lock


@pytest.fixture(autouse=True)
def common(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_what_nobody_removed_goes_with_the_command(common):
    with temporary.own():
        left = Path(tempfile.mkdtemp())
        (left / "file").write_text("x")
        assert left.parent.parent == common
    assert list(common.iterdir()) == []
    assert tempfile.gettempdir() == str(common)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_comes_as_the_folder_is_removed_ends_the_command_behind_that(
    number, common, monkeypatch
):
    remove = shutil.rmtree

    def interrupted(*given, **named):
        signal.raise_signal(number)
        remove(*given, **named)

    monkeypatch.setattr(shutil, "rmtree", interrupted)
    with pytest.raises(KeyboardInterrupt), executors.terminable(), temporary.own():
        tempfile.mkdtemp()
    assert list(common.iterdir()) == []


def test_folders_of_processes_that_were_killed_go_and_others_stay(common):
    words = """if True:
        import os, sys, tempfile
        tempfile.tempdir = sys.argv[1]
        from hemo import temporary
        with temporary.own():
            tempfile.mkdtemp()
            os._exit(9)
    """
    subprocess.run([sys.executable, "-c", words, str(common)], check=False)
    (killed,) = common.iterdir()
    elsewhere = common / f"{temporary.PREFIX}elsewhere:1@1.00-abc"
    other = common / "somebody's"
    with temporary.own():
        (own,) = set(common.iterdir()) - {killed}
        elsewhere.mkdir()
        other.mkdir()
        with temporary.own():
            assert own.exists()
    assert set(common.iterdir()) == {elsewhere, other}


def made_there(name):
    return tempfile.mkdtemp(prefix=name)


def test_workers_make_theirs_in_the_same_folder(common):
    with temporary.own():
        inside = tempfile.gettempdir()
        found = list(executors.run_all(made_there, ["a", "b"], workers=2))
        assert [Path(str(made)).parent for _, made in found] == [Path(inside)] * 2
    assert list(common.iterdir()) == []


def test_commands_exclude_each_other_by_locks_outside_of_it(common):
    outside = Lock("a study")._path
    with temporary.own():
        assert Lock("a study")._path == outside
        assert temporary.common() == common
