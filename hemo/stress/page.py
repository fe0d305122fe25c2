"""What `hemo stress` has found, for people: a page, a note and a table."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo.display import page
from hemo.display.numbers import number, ranged
from hemo.display.page import Section
from hemo.display.stress import drops
from hemo.registry.stressed import REPORT, TABLE, Stress
from hemo.stress.measure import METRICS
from hemo.stress.subjects import Subject
from hemo.tracking import views

NAMES = {"auc": "AUC", "recall": "recall", "specificity": "specificity"}
CELL = ["value", "difference", "low", "high"]
SIGNED = "+.3f"

HOW = (
    "Each slice is changed as a picture (Hounsfield units as they are), saved, and read and reduced as a "
    "user's file is. Differences are from the unchanged on the same slices, with 95% intervals paired by "
    "patient; recall and specificity are at the operating points that were kept. Slices that reading refuses "
    "are in neither."
)


def about(subject: Subject, unchanged: pd.DataFrame, patients: int) -> str:
    """Return who was judged on what, in a sentence or two."""
    count = unchanged["patient"].nunique()
    positive = unchanged.loc[unchanged["truth"] == 1, "patient"].nunique()
    drawn = ", drawn" if patients else ""
    if subject.store is None:
        how = "as it is served, on data that it was not made of"
    elif subject.run is not None and subject.run.protocol.refits:
        how = "out of fold: each fold's classifier was fitted again"
    else:
        how = "on the patients that it was tested on"
    return (
        f"{subject.name}, {how}: {unchanged['slice_id'].nunique():,} slices of {count} patients{drawn}, "
        f"{positive} of them with the label."
    )


def readable(found: pd.DataFrame) -> pd.DataFrame:
    """Return a row a change, metrics in cells with the difference and its interval."""
    rows = []
    for change, part in found.groupby("change", sort=False):
        each = part.set_index("metric")
        one = part.iloc[0]
        cells = {
            f"{NAMES[metric]}, difference": _cell(each.loc[metric, CELL].to_numpy(float))
            for metric in METRICS
        }
        refused = f"{one['refused']:,}" + (f": {one['reason']}" if one["refused"] else "")
        beyond = "" if one["usual"] else " (beyond practice)"
        rows.append(
            {"change": change, "what is done": f"{one['words']}{beyond}", **cells, "refused": refused}
        )
    return pd.DataFrame(rows)


def _cell(values: NDArray[np.float64]) -> str:
    value, difference, low, high = (float(one) for one in values)
    return f"{number(value, 'z.3f')}, {ranged(difference, low, high, SIGNED)}"


def verdict(found: pd.DataFrame) -> str:
    """Return which change that occurs in practice costs most, in a sentence."""
    row = Stress(found, True).worst
    if row is None:
        return "Under no change of a size that occurs in practice a slice was judged."
    bounds = ranged(row["difference"], row["low"], row["high"], SIGNED)
    return (
        f"Of the changes that occur in practice, {row['change']} ({row['words']}) costs most of the AUC: "
        f"{number(row['value'], 'z.3f')} where it is {number(row['unchanged'], 'z.3f')} unchanged, {bounds}."
    )


def write(folder: Path, name: str, found: pd.DataFrame, said: str, warnings: Sequence[str]) -> None:
    """Write the page, its picture and the table into a folder."""
    picture = drops(found, f"{name} under changes of its data")
    sections = [
        Section("In short", f"{verdict(found)}\n\n{said}\n\n{HOW}", warning="\n".join(warnings)),
        Section("Differences", figures={"By change": picture}, files={Path(TABLE).stem: found}),
        Section(
            "Every change", tables={"Metrics, and their differences with 95% intervals": readable(found)}
        ),
    ]
    page.write(folder, REPORT, f"Stress: {name}", sections)


def metrics(found: pd.DataFrame) -> dict[str, float]:
    """Return what is logged of it: for each metric the unchanged, and its largest fall in practice."""
    usual = found[found["usual"]]
    rows = {
        **{f"unchanged/{name}": part["unchanged"].max() for name, part in found.groupby("metric")},
        **{f"largest_drop/{name}": -part["difference"].min() for name, part in usual.groupby("metric")},
    }
    return {name: float(value) for name, value in rows.items() if np.isfinite(value)}


def note(found: pd.DataFrame, warnings: Sequence[str]) -> str:
    """Return the run's note in Markdown."""
    shown = readable(found).drop(columns="what is done")
    table = views.markdown_table(tuple(shown.columns), shown.itertuples(index=False))
    lines = [*(f"**{views.as_written(words)}**" for words in warnings), verdict(found), table]
    return "\n\n".join([*lines, f"The whole page: artifact `{REPORT}`. Research use only."])
