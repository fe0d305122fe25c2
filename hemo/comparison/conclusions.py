"""What a comparison says of a label, in words: who is best, by how much, and what the gate made of it."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from hemo import families
from hemo.comparison.leaderboard import CHOOSE_BY
from hemo.display.numbers import p_value, ranged

CERTAIN: Final = 0.05
"""Below it a corrected p says that two families differ."""


def words(
    row: Mapping[Any, Any], board: pd.DataFrame, pairs: pd.DataFrame, decisions: Mapping[str, str]
) -> str:
    """Return what is known of a label's best family.

    Parameters
    ----------
    row
        Its row of the leaderboard (see `hemo.comparison.tables.best`).
    board
        The leaderboard.
    pairs
        How families differ (see `hemo.comparison.differences.differences`).
    decisions
        Id of a run to what the gate answered to it.
    """
    of_slices = row["level"] == "slice"
    recall = _of(row, CHOOSE_BY[0])
    found = f"{recall} of the positive {'slices' if of_slices else 'studies'}"
    if of_slices and not np.isnan(row[f"study_{CHOOSE_BY[0]}"]):
        found += f", and by study {_of(row, f'study_{CHOOSE_BY[0]}')}"
    answered = decisions.get(row["run_id"], "the gate was not asked yet (`hemo promote`)")
    parts = [
        f"At a specificity of 0.80 it finds {found}; AUC {_of(row, 'auc')}.",
        lead(row, board, pairs),
        f"Mind that at its operating point it {row['degenerate']}." if row["degenerate"] else "",
        f"{answered[:1].upper()}{answered[1:]}.",
    ]
    return " ".join(part for part in parts if part)


def lead(row: Mapping[Any, Any], board: pd.DataFrame, pairs: pd.DataFrame) -> str:
    """Return by how much a label's best family leads the next in recall at a specificity of 0.80."""
    others = board[(board["label"] == row["label"]) & (board["level"] == row["level"]) & ~board["best"]]
    if others.empty:
        return "No other family was compared."
    chosen = [f"choose_{name}" for name in CHOOSE_BY]
    following = others.sort_values(chosen, ascending=False, kind="stable")["family"].iloc[0]
    at_equal = pairs[(pairs["label"] == row["label"]) & (pairs["metric"] == CHOOSE_BY[0])]
    named = {(pair["first"], pair["second"]): pair for pair in at_equal.to_dict("records")}
    both = (row["family"], following)
    pair = named.get(both) or named[both[::-1]]
    sign = 1 if pair["first"] == both[0] else -1
    low, high = sorted((sign * pair["low"], sign * pair["high"]))
    by = ranged(sign * pair["difference"], low, high, "+z.2f")
    sure = "the data cannot tell the two apart"
    if pair["p_holm"] < CERTAIN:
        sure = f"more than chance makes (p {p_value(pair['p_holm'])}, corrected for all pairs)"
    return f"Next is {families.title(following)}; the difference is {by}: {sure}."


def _of(row: Mapping[Any, Any], name: str) -> str:
    return ranged(row[name], row[f"{name}_low"], row[f"{name}_high"])
