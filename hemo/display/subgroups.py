"""Groups of patients for people: their metrics, and which are judged unlike others."""

from collections.abc import Mapping
from typing import Final

import pandas as pd

from hemo.display.numbers import ranged
from hemo.display.page import Section
from hemo.labels import LABELS

TITLE: Final = "By scanner, settings and patient"

CALM: Final = "No group is told from all others."

SURE: Final = 0.05 / len(LABELS)
"""Corrected p below which a group counts as judged unlike others: an experiment judges so many labels, and
among all of them one in twenty may claim what is not there."""

CAVEAT: Final = (
    "Groups are what headers say, in bands; of fewer than five tested patients nothing is said. Whether a "
    "group is judged unlike all others (*) is told by permuting patients, corrected for all comparisons of "
    f"the table, below {SURE:.2g} since each label has a table; where none is told there may be one."
)

WORDS: Final = {
    "manufacturer": "manufacturer",
    "model": "model",
    "kernel": "kernel",
    "slice_thickness": "slice thickness",
    "tube_voltage": "tube voltage",
    "age": "age in years",
    "sex": "sex",
}
"""Attributes for people."""


def conclusion(found: pd.DataFrame) -> str:
    """Return in a sentence which groups are judged unlike others."""
    rows = found[found["p_corrected"] < SURE].sort_values("p_corrected", kind="stable")
    told = [
        f"{row['metric']} by {row['unit']} of {WORDS[row['attribute']]} {row['group']} {row['value']:.2f}, "
        f"of all others {row['others']:.2f} (p {row['p_corrected']:.2g})"
        for row in rows.to_dict("records")
    ]
    return f"Judged unlike others: {'; '.join(told)}." if told else CALM


def section(of_labels: Mapping[str, pd.DataFrame]) -> Section | None:
    """Return a section with the groups of each label, by study where there are some; None without groups."""
    known = {label: found for label, found in of_labels.items() if len(found)}
    if not known:
        return None
    told = [f"{label}: {words}" for label, found in known.items() if (words := conclusion(found)) != CALM]
    units = {label: found["unit"].iloc[-1] for label, found in known.items()}  # studies come last
    tables = {f"{label}, by {unit}": readable(known[label], unit) for label, unit in units.items()}
    files = {f"subgroups_{label}": found for label, found in known.items()}
    return Section(TITLE, "\n\n".join([*(told or [CALM]), CAVEAT]), tables, files=files)


def readable(found: pd.DataFrame, unit: str) -> pd.DataFrame:
    """Return a row a group with its metrics and intervals in cells, marked where it is unlike others.

    Parameters
    ----------
    found
        See `hemo.evaluation.subgroups.subgroups`.
    unit
        Which rows: `slice` or `study`.
    """
    rows = found[found["unit"] == unit]
    bounds = rows[["value", "low", "high"]].to_numpy(float)
    marks = ["*" if p < SURE else "" for p in rows["p_corrected"]]
    cells = [
        f"{ranged(value, low, high, 'z.2f')}{mark}"
        for (value, low, high), mark in zip(bounds, marks, strict=True)
    ]
    by = [WORDS.get(name, name) for name in rows["attribute"]]
    wide = rows.assign(by=by, cell=cells).pivot(
        index=["by", "group", "patients"], columns="metric", values="cell"
    )
    order = pd.MultiIndex.from_frame(rows.assign(by=by)[["by", "group", "patients"]].drop_duplicates())
    wide = wide.loc[order, ["recall", "specificity", "auc"]].rename(columns={"auc": "AUC"})
    return wide.rename_axis(columns=None).reset_index()
