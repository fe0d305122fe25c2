"""The slice store that a training run was made of, found again by its digest."""

from pathlib import Path

from hemo.errors import HemoError
from hemo.slices import integrity
from hemo.slices.store import SliceStore
from hemo.tracking.records import Run


def find(run: Run, *folders: Path) -> SliceStore:
    """Return the store that a training run was made of.

    Parameters
    ----------
    run : Run
        It recorded the store's digest, and where the store lay.
    folders : Path
        Where to look before that.

    Raises
    ------
    HemoError
        If the run's data is in none of these places.
    """
    fault = HemoError(f"{run.run_id}: does not say where its store is: give its folder")
    for folder in (*folders, *([run.store] if run.store else [])):
        try:
            return opened(run, folder)
        except HemoError as here:
            fault = here
    raise fault


def at_hand(folder: Path) -> SliceStore | None:
    """Return the store in a folder; None where there is none that can be opened."""
    try:
        return SliceStore.open(folder)
    except HemoError:
        return None


def overlap(run: Run, store: SliceStore) -> int:
    """Return how many slices of a store are among those that a training run was made of.

    They are told by their files' digests; where its store is not at hand, by that of all its data.
    """
    if store.digest == run.tags.get("data_digest"):
        return len(store)
    try:
        own = find(run)
    except HemoError:
        return 0
    return int(store.index["digest"].isin(own.index["digest"]).sum())


def opened(run: Run, folder: Path) -> SliceStore:
    """Return the store in a folder, checked to hold what a training run was made of.

    Raises
    ------
    HemoError
        If there is none, it holds other data, or its files are not what was written.
    """
    store = SliceStore.open(folder)
    if store.digest != run.tags["data_digest"]:
        raise HemoError(f"{folder}: holds other data than {run.name} was trained on: give its store")
    integrity.check(store, run.tags.get("store_digest", ""))
    return store
