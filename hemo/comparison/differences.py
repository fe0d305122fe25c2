"""What a comparison computes from prediction tables: paired differences, and the loss over all labels."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from hemo.comparison.leaderboard import CHOOSE_BY
from hemo.evaluation import intervals, metrics, paired, predictions
from hemo.labels import LABELS

Tables = Mapping[str, pd.DataFrame]
"""Id of a run to its prediction table."""


def differences(board: pd.DataFrame, tables: Tables, draws: int, seed: int) -> pd.DataFrame:
    """Return how the families of each label differ on the same tested patients, by slice or else by study.

    Returns
    -------
    DataFrame
        A row a label, metric of `CHOOSE_BY` and pair of families (see `hemo.evaluation.paired.compare`):
        `label`, `metric`, `first`, `second`, `difference`, `low`, `high`, `p` and `p_holm`, which is
        corrected for the number of pairs of the label.

    Raises
    ------
    HemoError
        If two runs of a label were tested on different slices, patients or truths.
    """
    parts = []
    for (label, _), rows in board.groupby(["label", "level"], observed=True):
        tested = {
            str(family): _tested(tables[run_id])
            for family, run_id in zip(rows["family"], rows["run_id"], strict=True)
        }
        found = paired.compare(tested, draws, seed, CHOOSE_BY)
        found.insert(0, "label", str(label))
        parts.append(found)
    return pd.concat(parts, ignore_index=True)


def against_best(found: pd.DataFrame, best: Mapping[str, str]) -> pd.DataFrame:
    """Return the differences of each label's best family from the others, as the best less the other.

    Parameters
    ----------
    found
        What `differences` gave.
    best
        Label to its best family.
    """
    rows: list[dict[Hashable, Any]] = []
    for row in found.to_dict("records"):
        chosen = best.get(row["label"])
        if row["first"] == chosen:
            rows.append(row)
        elif row["second"] == chosen:
            reversed_row: dict[Hashable, Any] = {
                "first": row["second"],
                "second": row["first"],
                "difference": -row["difference"],
            }
            rows.append({**row, **reversed_row, "low": -row["high"], "high": -row["low"]})
    return pd.DataFrame(rows, columns=found.columns)


def rsna_loss(board: pd.DataFrame, tables: Tables, draws: int, seed: int) -> pd.DataFrame:
    """Return the weighted log loss of the RSNA 2019 competition of each family that has all six labels.

    Returns
    -------
    DataFrame
        `family`, `rsna_log_loss`, `rsna_log_loss_low`, `rsna_log_loss_high` and `slices`: those tested for
        all six labels.
    """
    rows = []
    for family, runs in board.groupby("family", sort=False):
        run_of = dict(zip(runs["label"].astype(str), runs["run_id"], strict=True))
        if not set(LABELS) <= set(run_of):
            continue
        of_labels = [predictions.deals(_tested(tables[run_of[label]])) for label in LABELS]
        each = [[table.set_index("slice_id") for table in deal] for deal in zip(*of_labels, strict=True)]
        shared = sorted(set.intersection(*(set(table.index) for table in each[0])))
        if not shared:
            continue
        losses = []
        for deal in each:
            truth, probability = (
                np.column_stack([table.loc[shared, name] for table in deal])
                for name in ("truth", "probability")
            )
            losses.append(metrics.rsna_slice_losses(truth, probability))
        by = each[0][0].loc[shared].reset_index()
        found = intervals.bootstrap_mean(np.stack(losses), by, draws, seed)
        rows.append((family, *found, len(shared)))
    names = ["family", "rsna_log_loss", "rsna_log_loss_low", "rsna_log_loss_high", "slices"]
    return pd.DataFrame(rows, columns=names)


def _tested(table: pd.DataFrame) -> pd.DataFrame:
    return predictions.sort(table[table["part"] == "test"])
