"""Shards on a node's own disk: copied from a shared file system once, where that is asked for."""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

from hemo import digests
from hemo.digests import DiffersError
from hemo.errors import HemoError
from hemo.slices.shards import shard_path

SCRATCH: Final = "HEMO_SCRATCH"
"""Environment variable that names a folder of this machine's own disk; without it none is copied."""


def near(store: Path, shard: int, known: str) -> Path:
    """Return where a store's shard is to be read: a copy on this machine's own disk, made if need be.

    Parameters
    ----------
    store
        Folder of the store.
    shard
        Its number.
    known
        Digest of what is recorded of the store's files; copies of stores of equal digest are one. Empty for
        stores without: they are read where they lie.

    Raises
    ------
    DiffersError
        If what was copied is not what was written.
    HemoError
        If the folder cannot take it.
    OSError
        If it is gone.
    """
    far = shard_path(store / "shards", shard)
    scratch = os.environ.get(SCRATCH)
    if not (scratch and known):
        return far
    folder = Path(scratch) / f"hemo-{os.getuid()}" / known[:32]
    copy = folder / far.name
    if copy.exists():
        return copy
    draft = folder / f"{far.name}.{os.getpid()}"  # each process its own: the last to end puts the same there
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copyfile(far, draft)
        recorded = digests.from_text((store / digests.FILE).read_text())[f"shards/{far.name}"]
        if digests.of_file(draft) != recorded:
            raise DiffersError(
                f"{far}: not what was written, as it was copied to {folder}: build the store anew"
            )
        os.replace(draft, copy)
    except OSError as fault:
        if not far.exists():
            raise
        raise HemoError(
            f"{folder}: cannot take a copy of {far} ({fault.strerror}): free it, or set {SCRATCH} to another"
        ) from None
    finally:
        with suppress(OSError):
            draft.unlink()
    return copy
