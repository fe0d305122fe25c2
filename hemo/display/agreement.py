"""Readers' agreement for people, and classifiers beside the readers."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd

from hemo.display.numbers import ranged

MEASURES: Final = {
    "fleiss_kappa": "Fleiss' kappa",
    "cohen_kappa": "Cohen's kappa",
    "sensitivity": "sensitivity against the majority of the others",
    "specificity": "specificity against the majority of the others",
}
"""What readers' agreement is measured by, for people."""

CAVEAT: Final = (
    "A reader is judged against the majority of the other readers, a classifier against the majority of all, "
    "each on the studies where these have one: nearly the same truth, not quite."
)
"""How far readers and classifiers can be compared."""

METRICS: Final = ("recall", "specificity")


def readable_agreement(found: pd.DataFrame) -> pd.DataFrame:
    """Return readers' agreement for people: a row a label, measure and readers, intervals in one cell.

    Parameters
    ----------
    found
        See `hemo.evaluation.agreement.agreement`.
    """
    rows = found.to_dict("records")
    return pd.DataFrame(
        {
            "label": found["label"],
            "measure": found["measure"].map(MEASURES),
            "readers": found["readers"],
            "value": [ranged(row["value"], row["low"], row["high"]) for row in rows],
            "studies": found["studies"],
        }
    )


def beside(found: pd.DataFrame, classifiers: Sequence[tuple[str, str, Mapping[str, Any]]]) -> pd.DataFrame:
    """Return classifiers with each label's readers below: recall and specificity by study.

    Parameters
    ----------
    found
        See `hemo.evaluation.agreement.agreement`.
    classifiers
        Label and name of each, and `recall` and `specificity` of studies, each with its value and bounds.

    Returns
    -------
    DataFrame
        `label`, `who`, `recall`, `specificity`, with intervals in one cell; no row of a label without
        readers.
    """
    single = found[found["measure"].isin(("sensitivity", "specificity"))]
    rows = []
    for label, readers in single.groupby("label", sort=False):
        own = [(name, metrics) for one, name, metrics in classifiers if one == label]
        rows += [(label, name, *(ranged(*metrics[metric]) for metric in METRICS)) for name, metrics in own]
        for name, each in readers.groupby("readers", sort=False):
            cells = {
                row["measure"]: ranged(row["value"], row["low"], row["high"])
                for row in each.to_dict("records")
            }
            rows.append((label, f"reader {name}", cells["sensitivity"], cells["specificity"]))
    return pd.DataFrame(rows, columns=["label", "who", *METRICS])
