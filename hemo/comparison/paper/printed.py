"""The seed paper's printed results, and what can be worked out from them.

S. De, J. Duce, M. Goott, P. Olety and R. Valenzuela, "Identifying Hemorrhages with Machine Learning", 2021.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd

from hemo.comparison.leaderboard import degenerate
from hemo.labels import LABELS

METRICS: Final = ("accuracy", "precision", "recall")
"""The columns of Tables 1 to 5; the paper calls the first one score."""

TABLES: Final = {"logreg": 1, "linear_svc": 2, "sgd": 3, "ann": 4, "cnn": 5}
"""The number of each family's table."""

PRINTED: Final[Mapping[str, tuple[tuple[float, float, float], ...]]] = {
    "logreg": (
        (0.655, 0.647, 0.684), (0.729, 0.705, 0.787), (0.569, 0.568, 0.576), (0.634, 0.630, 0.647),
        (0.557, 0.555, 0.582), (0.599, 0.596, 0.615),
    ),
    "linear_svc": (
        (0.631, 0.639, 0.625), (0.627, 0.627, 0.653), (0.552, 0.563, 0.512), (0.594, 0.611, 0.545),
        (0.533, 0.538, 0.540), (0.570, 0.574, 0.582),
    ),
    "sgd": (
        (0.642, 0.670, 0.561), (0.665, 0.605, 0.954), (0.591, 0.595, 0.571), (0.610, 0.686, 0.404),
        (0.534, 0.519, 0.952), (0.603, 0.621, 0.528),
    ),
    "ann": (
        (0.683, 0.620, 0.948), (0.616, 0.571, 0.925), (0.596, 0.578, 0.698), (0.647, 0.613, 0.795),
        (0.540, 0.610, 0.230), (0.619, 0.691, 0.431),
    ),
    "cnn": (
        (0.680, 0.617, 0.944), (0.688, 0.677, 0.722), (0.572, 0.588, 0.483), (0.616, 0.569, 0.959),
        (0.564, 0.539, 0.901), (0.599, 0.570, 0.806),
    ),
}  # fmt: skip
"""Accuracy, precision and recall of each family, a row a label in the order of `LABELS`: Tables 1 to 5."""

AVERAGES: Final = {
    "logreg": (0.624, 0.617, 0.649),
    "linear_svc": (0.585, 0.592, 0.528),
    "sgd": (0.608, 0.616, 0.612),
    "ann": (0.617, 0.615, 0.671),
    "cnn": (0.620, 0.593, 0.803),
}
"""The last row of Tables 1 to 5, as printed."""

BEST: Final = {
    "any": ("ann", 0.948),
    "epidural": ("sgd", 0.954),
    "intraparenchymal": ("ann", 0.698),
    "intraventricular": ("cnn", 0.959),
    "subarachnoid": ("sgd", 0.952),
    "subdural": ("cnn", 0.806),
}
"""Table 6: family with the highest recall of each label; its SVM is the SGDClassifier of Table 3."""

CONVERGENCE: Final = {
    "logreg": "less than 2 minutes by Newton's method, up to 5 by gradient descent",
    "linear_svc": "5 to 6 minutes for 742 slices; more could not be run",
    "sgd": "about 30 seconds",
    "ann": "25 to 40 seconds an epoch, 7 to 10 minutes in all",
    "cnn": "up to 12 minutes",
}
"""Time to convergence of one classifier as the paper has it, on a MacBook of 2021."""

ROUNDING: Final = 0.001
"""Half a digit for the metrics and half for their mean: more between the two is no rounding."""


def printed(family: str) -> pd.DataFrame:
    """Return a family's table: `label`, `accuracy`, `precision`, `recall`, without its row of averages."""
    table = pd.DataFrame(PRINTED[family], columns=list(METRICS))
    table.insert(0, "label", LABELS)
    return table


def averages() -> pd.DataFrame:
    """Return the averages of Tables 1 to 5: a row a family and metric.

    Returns
    -------
    DataFrame
        `table`, `family`, `figure`, `printed`, `recomputed` (the mean of the table's own rows) and `wrong`
        (whether the two differ by more than rounding).
    """
    rows = []
    for family, number in TABLES.items():
        means = printed(family)[list(METRICS)].mean()
        for metric, value in zip(METRICS, AVERAGES[family], strict=True):
            wrong = abs(value - means[metric]) > ROUNDING + 1e-9
            rows.append((number, family, metric, value, float(means[metric]), bool(wrong)))
    return pd.DataFrame(rows, columns=["table", "family", "figure", "printed", "recomputed", "wrong"])


def implied_specificity(precision: float, recall: float) -> float:
    """Return the specificity that goes with a precision and a recall where half of the slices are positive.

    With as many negatives as positives, precision is recall / (recall + 1 - specificity).
    """
    return 1 - recall * (1 - precision) / precision


def implied() -> pd.DataFrame:
    """Return what the paper's metrics imply of its classifiers: a row a family and label.

    Returns
    -------
    DataFrame
        `table`, `family`, `label`, the printed metrics, `specificity`, `called_positive` (share of all
        slices) and `degenerate` (what the classifier does, where its recall is no merit; else empty).

    Notes
    -----
    The paper tests on 629 positive and 629 negative slices and prints no specificity; it follows from
    precision and recall.
    """
    rows = []
    for family, number in TABLES.items():
        for label, (accuracy, precision, recall) in zip(LABELS, PRINTED[family], strict=True):
            specificity = implied_specificity(precision, recall)
            called = (recall + 1 - specificity) / 2
            what = degenerate({"recall": recall, "specificity": specificity, "auc_low": np.nan})
            rows.append((number, family, label, accuracy, precision, recall, specificity, called, what))
    names = ["table", "family", "label", *METRICS, "specificity", "called_positive", "degenerate"]
    return pd.DataFrame(rows, columns=names)


def side_by_side(board: pd.DataFrame, family: str) -> pd.DataFrame:
    """Return a family's table with the paper's metrics, ours and the difference.

    Parameters
    ----------
    board
        A leaderboard (see `hemo.comparison`): `label`, `family` and the metrics.
    family
        One of `TABLES`.

    Returns
    -------
    DataFrame
        A row a label and a last one of averages: `label`, and for each metric `paper`, `here` and
        `difference` behind its name. NaN where there is no run. The averages are means of the rows above
        that both have, not the paper's printed ones.
    """
    ours = board[board["family"] == family].copy()
    ours = ours.assign(label=ours["label"].astype(str)).set_index("label").reindex(LABELS)
    theirs = printed(family).set_index("label")
    table = pd.DataFrame({"label": LABELS})
    for metric in METRICS:
        table[f"{metric}_paper"] = theirs[metric].to_numpy()
        table[f"{metric}_here"] = ours[metric].to_numpy(float)
        table[f"{metric}_difference"] = table[f"{metric}_here"] - table[f"{metric}_paper"]
    both = table[table["recall_here"].notna()]
    last = (both if len(both) else table).drop(columns="label").mean()
    return pd.concat([table, pd.DataFrame([{"label": "averages", **last}])], ignore_index=True)


def table_6(board: pd.DataFrame) -> pd.DataFrame:
    """Return Table 6: the best family of each label by recall, the paper's and ours, with its specificity.

    Returns
    -------
    DataFrame
        `label`; `paper`, `paper_recall`, `paper_specificity`; `here`, `recall`, `specificity`, `degenerate`:
        the run with the highest recall, and what it is; `fair`, `fair_recall`: the one with the highest
        recall at a specificity of 0.80.
    """
    theirs = {(row["family"], row["label"]): row["specificity"] for row in implied().to_dict("records")}
    rows = []
    for label in LABELS:
        family, recall = BEST[label]
        row: dict[str, object] = {"label": label, "paper": family, "paper_recall": recall}
        row["paper_specificity"] = theirs[family, label]
        runs = board[board["label"].astype(str) == label]
        runs = runs[runs["recall"].notna()]
        if len(runs):
            best = runs.sort_values("recall", kind="stable").iloc[-1]
            fair = runs.sort_values("recall_at_specificity_80", kind="stable").iloc[-1]
            row |= {"here": best["family"], "recall": best["recall"], "specificity": best["specificity"],
                    "degenerate": best["degenerate"], "fair": fair["family"],
                    "fair_recall": fair["recall_at_specificity_80"]}  # fmt: skip
        rows.append(row)
    names = ["label", "paper", "paper_recall", "paper_specificity", "here", "recall", "specificity",
             "degenerate", "fair", "fair_recall"]  # fmt: skip
    return pd.DataFrame(rows).reindex(columns=names)
