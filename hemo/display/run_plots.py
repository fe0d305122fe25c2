"""Pictures of one run, from the summary of its prediction table."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hemo.display import numbers, style

if TYPE_CHECKING:
    from hemo.evaluation.summary import Cell, Summary

MOST_PATIENTS = 80
"""Patients in a strip: more cannot be told apart."""

KINDS = ((0, style.NEGATIVE, "negative"), (1, style.POSITIVE, "positive"))


def draw_all(tested: "Summary", name: str) -> dict[str, Figure]:
    """Return every picture of a prediction table, by the name of its file."""
    return {
        "roc": roc(tested, name),
        "precision_recall": precision_recall(tested, name),
        "confusion_matrix": confusion_matrix(tested, name),
        "reliability": reliability(tested, name),
        "patients": patient_strip(tested, name),
    }


@style.styled
def roc(tested: "Summary", name: str) -> Figure:
    """Draw the ROC curve with its 95% band and the operating point.

    Parameters
    ----------
    tested
        The summary of a prediction table; with one class only, the picture says so.
    name
        What the picture is of, for example "cnn / epidural".
    """
    figure = Figure(figsize=(6.4, 6.6))
    axes = figure.subplots()
    style.unit_axes(axes, "1 − specificity", "recall (sensitivity)")
    style.heading(axes, f"{name}: ROC curve", numbers.described(tested.counts))
    line, band = tested.roc.line, tested.roc.band
    if line.empty:
        style.say(axes, f"{tested.units} of one class only")
        return figure
    axes.plot([0, 1], [0, 1], color=style.GRAY, lw=1, ls=":")
    rate = band["false_positive_rate"]
    axes.fill_between(rate, band["low"], band["high"], color=style.BLUE, alpha=0.18, lw=0, label="95% band")
    label = f"AUC {numbers.ranged(*tested['auc'])}"
    axes.plot(line["false_positive_rate"], line["recall"], color=style.BLUE, label=label)
    _mark(axes, 1 - tested["specificity"].value, tested["recall"].value, "operating point")
    axes.legend(loc="lower right")
    return figure


@style.styled
def precision_recall(tested: "Summary", name: str) -> Figure:
    """Draw the precision-recall curve with its 95% band, the prevalence and the operating point.

    Parameters are those of `roc`.
    """
    figure = Figure(figsize=(6.4, 6.6))
    axes = figure.subplots()
    style.unit_axes(axes, "recall (sensitivity)", "precision (positive predictive value)")
    style.heading(axes, f"{name}: precision and recall", numbers.described(tested.counts))
    line, band = tested.precision_recall.line, tested.precision_recall.band
    if line.empty:
        style.say(axes, f"{tested.units} of one class only")
        return figure
    prevalence = f"prevalence {numbers.number(tested.prevalence)}"
    axes.axhline(tested.prevalence, color=style.GRAY, lw=1, ls=":", label=prevalence)
    area = axes.fill_between(band["recall"], band["low"], band["high"], color=style.BLUE, alpha=0.18, lw=0)
    area.set_label("95% band")
    label = f"average precision {numbers.ranged(*tested['average_precision'])}"
    axes.plot(line["recall"], line["precision"], color=style.BLUE, drawstyle="steps-post", label=label)
    if np.isfinite(tested["precision"].value):
        _mark(axes, tested["recall"].value, tested["precision"].value, "operating point")
    axes.legend(loc="best")
    return figure


@style.styled
def confusion_matrix(tested: "Summary", name: str) -> Figure:
    """Draw the decisions at the operating point: slices, patients and shares of each row, and four metrics.

    Parameters are those of `roc`.
    """
    figure = Figure(figsize=(7.6, 6.0))
    axes = figure.subplots()
    for cell in tested.confusion:
        _draw_cell(axes, cell)
    axes.set(xlim=(0, 2), ylim=(2, 0), xticks=[0.5, 1.5], yticks=[0.5, 1.5], aspect="equal")
    axes.set_xticklabels(["called positive", "called negative"])
    axes.set_yticklabels(["positive", "negative"], rotation=90, va="center")
    axes.tick_params(length=0, top=False)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    thresholds = tested.table["threshold"]
    low, high = thresholds.min(), thresholds.max()
    at = f"{low:.3f}" if low == high else f"{low:.3f} to {high:.3f} by fold"
    style.heading(axes, f"{name}: decisions at threshold {at}", numbers.described(tested.counts))
    titles = {"recall": "recall", "specificity": "specificity", "precision": "precision", "npv": "NPV"}
    if tested.triaged:
        titles["unsure_share"] = "left unsure"
    for row, (metric, title) in enumerate(titles.items()):
        top = 0.1 + 2 / len(titles) * row
        axes.text(2.12, top, title, size=10, color=style.GRAY, va="top")
        axes.text(2.12, top + 0.11, numbers.ranged(*tested[metric]), size=11, va="top")
    return figure


def _draw_cell(axes: Axes, cell: "Cell") -> None:
    """Draw one cell of the confusion matrix: right decisions lie on its diagonal."""
    column, row = int(not cell.called), int(not cell.positive)
    color = style.BLUE if cell.called == cell.positive else style.VERMILION
    x, y = [column, column + 1, column + 1, column], [row, row, row + 1, row + 1]
    axes.fill(x, y, color, alpha=0.08 + 0.8 * cell.share)
    look: dict[str, Any] = {"ha": "center", "va": "center"}
    look["color"] = "white" if cell.share > 0.8 else style.INK
    axes.text(column + 0.5, row + 0.42, f"{cell.slices:,}", size=24, weight="bold", **look)
    words = f"{cell.share:.0%} of the row\nin {cell.patients:,} patients"
    axes.text(column + 0.5, row + 0.68, words, **look)


@style.styled
def reliability(tested: "Summary", name: str) -> Figure:
    """Draw how often slices of like probability are positive, and where probabilities lie.

    Parameters are those of `roc`.
    """
    figure = Figure(figsize=(6.4, 7.6))
    axes, below = figure.subplots(2, height_ratios=[4, 1], sharex=True)
    axes.plot([0, 1], [0, 1], color=style.GRAY, lw=1, ls=":", label="ideal")
    bins = tested.reliability
    axes.plot(bins["probability"], bins["share"], "o-", color=style.BLUE, label="observed, with 95% interval")
    axes.vlines(bins["probability"], bins["low"], bins["high"], color=style.BLUE, lw=1.5)
    style.unit_axes(axes, "", f"share of positive {tested.units}")
    axes.set_aspect("auto")
    titles = {"brier": "Brier score", "calibration_slope": "slope", "calibration_intercept": "intercept"}
    for metric, title in titles.items():
        axes.plot([], [], " ", label=f"{title} {numbers.ranged(*tested[metric])}")
    axes.legend(loc="upper left")
    edges = np.linspace(0, 1, 41)
    for truth, color, word in KINDS:
        values = tested.table.loc[tested.table["truth"] == truth, "probability"]
        below.hist(values, edges, color=color, alpha=0.25, histtype="stepfilled")
        below.hist(values, edges, color=color, lw=1.5, histtype="step", label=f"{word} {tested.units}")
    below.set(xlabel="probability", ylabel=tested.units, yscale="log")
    below.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, fontsize=9)
    style.heading(axes, f"{name}: calibration", numbers.described(tested.counts))
    return figure


@style.styled
def learning_curves(epochs: pd.DataFrame, name: str) -> Figure:
    """Draw the course of training, a panel for each metric, training and validation together.

    Parameters
    ----------
    epochs
        A row an epoch: `epoch` (from 0), metrics such as `loss` and `val_loss`, and, where there are several
        trainings, `fold` and `repeat`: of the lowest fold (-1 is the classifier to keep) it is drawn boldly,
        the others faintly.
    name
        What the picture is of.
    """
    missing = {"fold": -1, "repeat": 0}
    epochs = epochs.assign(**{name: value for name, value in missing.items() if name not in epochs})
    columns = [
        str(column).removeprefix("val_")
        for column in epochs.columns
        if column not in ("epoch", "fold", "repeat")
    ]
    names = list(dict.fromkeys(columns))
    across, down = min(max(len(names), 1), 3), max(1, -(-len(names) // 3))
    figure = Figure(figsize=(0.8 + 4.6 * across, 4.4 * down))
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes, metric in zip(panels, names, strict=False):
        for (fold, _), course in epochs.groupby(["fold", "repeat"]):
            _course(axes, course, metric, bold=fold == epochs["fold"].min())
        axes.set(xlabel="epoch", ylabel=metric.replace("_", " "))
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend()
    for axes in panels[max(len(names), 1) :]:
        axes.set_visible(False)
    if not names:
        style.say(panels[0], "no epochs")
    folds = epochs.value_counts(["fold", "repeat"]).sort_index()
    detail = f"{folds.iloc[0] if len(folds) else 0} epochs"
    if len(folds) > 1:
        detail += f"; faint: {len(folds) - 1} other trainings"
    style.heading(panels[0], f"{name}: learning curves", detail)
    return figure


def _course(axes: Axes, epochs: pd.DataFrame, metric: str, bold: bool) -> None:
    """Draw one training's course of one metric; only the bold one is in the legend."""
    look = ("training", style.BLUE, metric), ("validation", style.VERMILION, f"val_{metric}")
    for word, color, column in look:
        if column in epochs:
            label = word if bold else None
            width, alpha = (2, 1.0) if bold else (1, 0.3)
            axes.plot(epochs["epoch"] + 1, epochs[column], color=color, lw=width, alpha=alpha, label=label)
    if bold and "val_loss" in epochs and epochs["val_loss"].notna().any():
        best = int(epochs["epoch"].iloc[int(np.nanargmin(epochs["val_loss"]))]) + 1
        axes.axvline(best, color=style.GRAY, lw=1, ls=":", label=f"lowest validation loss: {best}")


@style.styled
def patient_strip(tested: "Summary", name: str) -> Figure:
    """Draw the probability of every slice, a column a patient, those with positive slices first.

    Of more than `MOST_PATIENTS` patients it shows all positive ones that fit, and of the others those of
    the highest probabilities. Parameters are those of `roc`.
    """
    table = tested.table
    order = table.groupby("patient").agg(positive=("truth", "max"), highest=("probability", "max"))
    order = order.sort_values(["positive", "highest"], ascending=False)
    with_blood, without = order[order["positive"] == 1], order[order["positive"] == 0]
    kept = with_blood.head(MOST_PATIENTS - min(len(without), MOST_PATIENTS // 4))
    kept = pd.concat([kept, without.head(MOST_PATIENTS - len(kept))])
    column = pd.Series(np.arange(len(kept)), kept.index)
    rows = table[table["patient"].isin(kept.index)]
    x = rows["patient"].map(column).to_numpy() + _spread(rows)
    figure = Figure(figsize=(10.6, 4.8))
    axes = figure.subplots()
    for (truth, color, word), marker in zip(KINDS, "oD", strict=True):
        chosen = (rows["truth"] == truth).to_numpy()
        probability = rows["probability"].to_numpy()[chosen]
        label = f"{word} {tested.units}"
        axes.plot(x[chosen], probability, marker, ms=4, mew=0, color=color, alpha=0.6, label=label)
    at = rows.groupby("patient")["threshold"].mean()[kept.index]
    axes.hlines(at, column - 0.45, column + 0.45, color=style.INK, lw=1.2, label="threshold")
    positives = int(kept["positive"].sum())
    if 0 < positives < len(kept):
        axes.axvline(positives - 0.5, color=style.GRAY, lw=1, ls=":")
    detail = numbers.described(tested.counts)
    if len(kept) < len(order):
        detail += f"; {len(kept)} patients shown"
    axes.set(xlim=(-1, len(kept)), ylim=(-0.02, 1.02), ylabel="probability", xticks=[])
    axes.set_xlabel(
        f"patients: with positive {tested.units} at the left, without at the right, by highest probability"
    )
    axes.grid(False, axis="x")
    axes.legend(loc="lower right", ncols=3, bbox_to_anchor=(1, 0.99), markerscale=2, handletextpad=0.3)
    style.heading(axes, f"{name}: each patient's {tested.units}", detail)
    return figure


def _spread(rows: pd.DataFrame) -> np.ndarray:
    """Return where in its patient's column each slice stands, in the table's order: -0.3 to 0.3."""
    of_patient = rows.groupby(["repeat", "patient"])
    number, slices = of_patient.cumcount(), of_patient["patient"].transform("size")
    return ((number + 0.5) / slices * 0.6 - 0.3).to_numpy()


def _mark(axes: Axes, x: float, y: float, word: str) -> None:
    axes.plot([x], [y], "o", ms=9, mfc="white", mec=style.VERMILION, mew=2.5, label=word)
