"""How patients were dealt, as a table for people."""

from typing import Any

import pandas as pd

from hemo.comparison.contents import Contents
from hemo.evaluation import predictions
from hemo.labels import LABELS


def table(contents: Contents) -> pd.DataFrame:
    """Return a row a part or fold of each deal: patients, slices, and positives of each label."""
    if contents.dealt is None:
        return pd.DataFrame()
    where = contents.dealt.columns[1]
    dealt = contents.dealt.astype({"patient": str}).set_index("patient")
    slices = _predicted(contents) if contents.source.index is None else contents.source.index
    rows = []
    for number, (_, part_of) in enumerate(dealt.items(), 1):
        for part in sorted(part_of.unique(), key=_order):
            members = slices[slices["patient"].map(part_of) == part]
            row: dict[str, Any] = {"deal": str(number)} if len(dealt.columns) > 1 else {}
            row |= {
                where: str(part),
                "patients": int((part_of == part).sum()),
                "slices": len(members),
            }
            for label in [label for label in LABELS if label in members]:
                positive = members[members[label] == 1]
                row[label] = f"{len(positive)} ({positive['patient'].nunique()})"
                study = f"study_{label}"
                if study in members:
                    having = members[members[study] == 1]
                    row[f"{label}, studies"] = f"{having['study'].nunique()} ({having['patient'].nunique()})"
            rows.append(row)
    return pd.DataFrame(rows)


def _predicted(contents: Contents) -> pd.DataFrame:
    """Return patient and truths of every predicted slice."""
    joined = pd.DataFrame()
    for row in contents.found.leaderboard.drop_duplicates("label").to_dict("records"):
        table = predictions.once(contents.predicted[row["run_id"]]).set_index("slice_id")
        joined = joined.combine_first(
            pd.DataFrame({"patient": table["patient"], str(row["label"]): table["truth"]})
        )
    return joined.reset_index(drop=True)


def _order(part: Any) -> tuple[int, str]:
    names = ("train", "validation", "test")
    return (names.index(part), "") if part in names else (int(part), "")
