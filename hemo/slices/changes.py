"""What changed on disk since a store's records were written: replaced, renamed, moved and deleted files."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hemo.slices.arrays import matrix
from hemo.slices.records import UNOPENED


@dataclass(frozen=True)
class Present:
    """The files that there are now, as keyed hashes.

    Attributes
    ----------
    states
        Of each source's files with their state, sorted.
    paths
        Of where each source's files lie, sorted.
    folder
        Of the folder that was looked through; 0 where it was a single file.
    new
        The first shard that was written after they were looked at: what is there and later is as it is now.
    """

    states: NDArray[np.int64]
    paths: NDArray[np.int64]
    folder: int
    new: int


@dataclass
class Changes:
    """What became of files that were read before.

    Attributes
    ----------
    replaced, gone, moved
        Files whose content is another now; that are there no more; that are there under another name.
    """

    replaced: int = 0
    gone: int = 0
    moved: int = 0
    outdated: list[pd.DataFrame] = field(default_factory=list)

    def sentences(self) -> dict[str, int]:
        """Return what to say, with how many files it is of."""
        said = {
            "files changed since they were read: read anew": self.replaced,
            "files are gone: their slices were taken out": self.gone,
            "files were renamed or moved: they keep their labels": self.moved,
        }
        return {sentence: count for sentence, count in said.items() if count}


def outdated(
    paths: Sequence[Path], present: Present | None, previous: pd.DataFrame | None
) -> tuple[NDArray[np.bool_], Changes]:
    """Return which of all records, one behind another, are of files that are not as they were.

    Only files below the folder that was looked through now are asked for: what was added from another place
    stays. Counted is what is news: read anew now, or in the index before.
    """
    masks = [np.empty(0, bool)]
    changes = Changes()
    replaced: set[int] = set()
    gone: set[int] = set()
    anew: set[int] = set()
    for path in paths:
        if present is None or int(path.stem) >= present.new:
            if present is not None:
                anew.update(pq.read_table(path, columns=["path"])["path"].to_pylist())
            masks.append(np.zeros(pq.read_metadata(path).num_rows, bool))
            continue
        table = pq.read_table(path, columns=["source", "path", "folders", "reason"], use_threads=False)
        state, where = table["source"].to_numpy(), table["path"].to_numpy()
        here = np.isin(where, present.paths)
        below = (matrix(table["folders"]) == present.folder).any(axis=1) & (present.folder != 0)
        old = (here | below) & ~np.isin(state, present.states)
        opened = ~pc.starts_with(table["reason"].fill_null(""), UNOPENED).to_numpy()
        replaced.update(where[old & here & opened].tolist())
        masks.append(old)
        if old.any():
            columns = ["path", "slice_id", "digest", "number", "row", "patient"]
            lost = pq.read_table(path, columns=columns, use_threads=False).filter(pa.array(old)).to_pandas()
            lost = lost[lost["row"] >= 0].assign(shard=np.int32(path.stem))
            changes.outdated.append(lost)
            if previous is not None:
                known = previous.loc[previous["shard"] == int(path.stem), "row"]
                news = lost[lost["row"].isin(known)]
                gone.update(news.loc[~news["path"].isin(present.paths), "path"].tolist())
    changes.replaced, changes.gone = len(replaced & anew), len(gone)
    return np.concatenate(masks), changes


def inherited(
    frame: pd.DataFrame,
    previous: pd.DataFrame,
    changes: Changes,
    fresh: NDArray[np.bool_],
    labels: Sequence[str],
) -> pd.DataFrame:
    """Return, for slices read anew, what the index before said of the slice in their place.

    Parameters
    ----------
    frame
        The slices: `path`, `digest`, `number`.
    previous
        The index before.
    changes
        Counts of renamed files are set right.
    fresh
        Which slices were read now.
    labels
        The columns of labels.

    Returns
    -------
    DataFrame
        Rows of `frame`'s index, with the labels, `slice_id` and `patient` of before; `own_patient`, what
        the outdated record itself said; and `renamed`, whether the file has another name now.
    """
    columns = [*labels, "slice_id", "patient"]
    if not changes.outdated or not fresh.any():
        return pd.DataFrame(columns=[*columns, "own_patient", "renamed"])
    lost = pd.concat(changes.outdated).rename(columns={"patient": "own_patient"}).drop(columns="slice_id")
    before = lost.merge(previous[["shard", "row", *columns]], on=["shard", "row"])
    new = frame.loc[fresh, ["path", "digest", "number"]].rename_axis("slice").reset_index()
    same_path = new.merge(before.drop_duplicates(["path", "number"]), on=["path", "number"])
    same_path["renamed"] = False
    rest = new[~new["slice"].isin(same_path["slice"])]
    unclaimed = before[~before["path"].isin(new["path"])].drop_duplicates(["digest", "number"], keep=False)
    moved = rest.merge(unclaimed, on=["digest", "number"], suffixes=("", "_old"))
    moved["renamed"] = True
    changes.moved = moved["path_old"].nunique() if len(moved) else 0
    changes.gone -= changes.moved
    both = pd.concat([same_path, moved]).drop_duplicates("slice").set_index("slice")
    return both[[*columns, "own_patient", "renamed"]]
