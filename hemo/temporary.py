"""Where a command's temporary files are: in one folder, which goes with it.

Each of them is removed where it was made, too; but Ctrl-C can come as that is done.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from hemo import executors, liveness

PREFIX: Final = "hemo-files-of-"
"""How the folder's name begins; the process's own name follows (see `hemo.liveness`)."""


@contextmanager
def own() -> Iterator[None]:
    """Let temporary files of this process, and of workers it starts, be in a folder that goes at the end.

    Folders of processes of this machine that were killed go first.
    """
    _remove_left()
    before, folder = tempfile.tempdir, ""
    try:
        with executors.uninterrupted():
            folder = tempfile.mkdtemp(prefix=f"{PREFIX}{liveness.this_process()}-", dir=common())
            tempfile.tempdir = folder
        yield
    finally:
        with executors.uninterrupted():
            tempfile.tempdir = before
            shutil.rmtree(folder, ignore_errors=True)


def common() -> Path:
    """Return the folder for temporary files that other commands look into as well: for locks."""
    folder = Path(tempfile.gettempdir())
    return folder.parent if folder.name.startswith(PREFIX) else folder


def _remove_left() -> None:
    with suppress(OSError):  # of a folder that may be written to, and not be listed
        for name in os.listdir(common()):
            process = name.removeprefix(PREFIX).rpartition("-")[0]
            if name.startswith(PREFIX) and liveness.is_alive(process) is False:
                shutil.rmtree(common() / name, ignore_errors=True)
