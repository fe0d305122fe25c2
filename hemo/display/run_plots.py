"""Figures of one run, from its prediction table."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hemo.display import style
from hemo.evaluation import curves
from hemo.evaluation.intervals import bootstrap
from hemo.evaluation.metrics import compute

SHOWN = 80
"""Patients in a strip: more cannot be told apart."""

KINDS = ((0, style.NEGATIVE, "negative"), (1, style.POSITIVE, "positive"))


@style.styled
def roc(table: pd.DataFrame, name: str) -> Figure:
    """Draw the ROC curve with its 95% band and the operating point.

    Parameters
    ----------
    table
        A prediction table; with one class only, the figure says so.
    name
        What the figure is of, for example "cnn / epidural".
    """
    figure = Figure(figsize=(6.4, 6.6))
    axes = figure.subplots()
    style.unit_axes(axes, "1 − specificity", "recall (sensitivity)")
    style.heading(axes, f"{name}: ROC curve", style.describe(table))
    curve = curves.roc(table)
    if curve.empty:
        style.say(axes, "slices of one class only")
        return figure
    from sklearn.metrics import roc_curve

    axes.plot([0, 1], [0, 1], color=style.GRAY, lw=1, ls=":")
    rate = curve["false_positive_rate"]
    axes.fill_between(rate, curve["low"], curve["high"], color=style.BLUE, alpha=0.18, lw=0, label="95% band")
    wrong, recall, _ = roc_curve(table["truth"], table["probability"])
    axes.plot(wrong, recall, color=style.BLUE, label=_with_intervals(table, {"auc": "AUC"})[0])
    point = compute(table["truth"], table["probability"], table["threshold"])
    _mark(axes, 1 - point["specificity"], point["recall"], "operating point")
    axes.legend(loc="lower right")
    return figure


@style.styled
def precision_recall(table: pd.DataFrame, name: str) -> Figure:
    """Draw the precision-recall curve with its 95% band, the prevalence and the operating point.

    Parameters are those of `roc`.
    """
    figure = Figure(figsize=(6.4, 6.6))
    axes = figure.subplots()
    style.unit_axes(axes, "recall (sensitivity)", "precision (positive predictive value)")
    style.heading(axes, f"{name}: precision and recall", style.describe(table))
    curve = curves.precision_recall(table)
    if curve.empty:
        style.say(axes, "slices of one class only")
        return figure
    from sklearn.metrics import precision_recall_curve

    prevalence = table["truth"].mean()
    axes.axhline(prevalence, color=style.GRAY, lw=1, ls=":", label=f"prevalence {prevalence:.2f}")
    band = axes.fill_between(curve["recall"], curve["low"], curve["high"], color=style.BLUE, alpha=0.18, lw=0)
    band.set_label("95% band")
    precision, recall, _ = precision_recall_curve(table["truth"], table["probability"])
    label = _with_intervals(table, {"average_precision": "average precision"})[0]
    axes.plot(recall, precision, color=style.BLUE, drawstyle="steps-post", label=label)
    point = compute(table["truth"], table["probability"], table["threshold"])
    if np.isfinite(point["precision"]):
        _mark(axes, point["recall"], point["precision"], "operating point")
    axes.legend(loc="best")
    return figure


@style.styled
def confusion_matrix(table: pd.DataFrame, name: str) -> Figure:
    """Draw the decisions at the operating point: slices, patients and shares of each row, and four figures.

    Parameters are those of `roc`.
    """
    figure = Figure(figsize=(7.6, 6.0))
    axes = figure.subplots()
    called = table["probability"] >= table["threshold"]
    for row, truth in enumerate((1, 0)):
        of_truth = table["truth"] == truth
        for column, decision in enumerate((True, False)):
            cell = of_truth & (called == decision)
            share = cell.sum() / max(of_truth.sum(), 1)
            color = style.BLUE if truth == decision else style.VERMILION
            axes.fill(
                [column, column + 1, column + 1, column],
                [row, row, row + 1, row + 1],
                color,
                alpha=0.08 + 0.8 * share,
            )
            ink = "white" if share > 0.8 else style.INK
            patients = table.loc[cell, "patient"].nunique()
            axes.text(
                column + 0.5,
                row + 0.42,
                f"{cell.sum():,}",
                color=ink,
                size=24,
                weight="bold",
                ha="center",
                va="center",
            )
            axes.text(
                column + 0.5,
                row + 0.68,
                f"{share:.0%} of the row\nin {patients:,} patients",
                color=ink,
                ha="center",
                va="center",
            )
    axes.set(xlim=(0, 2), ylim=(2, 0), xticks=[0.5, 1.5], yticks=[0.5, 1.5], aspect="equal")
    axes.set_xticklabels(["called positive", "called negative"])
    axes.set_yticklabels(["positive", "negative"], rotation=90, va="center")
    axes.tick_params(length=0, top=False)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    thresholds = table["threshold"]
    low, high = thresholds.min(), thresholds.max()
    at = f"{low:.3f}" if low == high else f"{low:.3f} to {high:.3f} by fold"
    style.heading(axes, f"{name}: decisions at threshold {at}", style.describe(table))
    words = {
        "recall": "recall",
        "specificity": "specificity",
        "precision": "precision",
        "npv": "NPV",
    }
    for row, text in enumerate(_with_intervals(table, words)):
        word, _, interval = text.partition(" ")
        axes.text(2.12, 0.1 + 0.5 * row, word, size=10, color=style.GRAY, va="top")
        axes.text(2.12, 0.21 + 0.5 * row, interval, size=12, va="top")
    return figure


@style.styled
def reliability(table: pd.DataFrame, name: str) -> Figure:
    """Draw how often slices of like probability are positive, and where probabilities lie.

    Parameters are those of `roc`.
    """
    figure = Figure(figsize=(6.4, 7.6))
    axes, below = figure.subplots(2, height_ratios=[4, 1], sharex=True)
    axes.plot([0, 1], [0, 1], color=style.GRAY, lw=1, ls=":", label="ideal")
    bins = curves.reliability(table)
    axes.plot(bins["probability"], bins["share"], "o-", color=style.BLUE, label="observed, with 95% interval")
    axes.vlines(bins["probability"], bins["low"], bins["high"], color=style.BLUE, lw=1.5)
    style.unit_axes(axes, "", "share of positive slices")
    axes.set_aspect("auto")
    names = {"brier": "Brier score", "calibration_slope": "slope", "calibration_intercept": "intercept"}
    for label in _with_intervals(table, names):
        axes.plot([], [], " ", label=label)
    axes.legend(loc="upper left")
    edges = np.linspace(0, 1, 41)
    for truth, color, word in KINDS:
        values = table.loc[table["truth"] == truth, "probability"]
        below.hist(values, edges, color=color, alpha=0.25, histtype="stepfilled")
        below.hist(values, edges, color=color, lw=1.5, histtype="step", label=f"{word} slices")
    below.set(xlabel="probability", ylabel="slices", yscale="log")
    below.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, fontsize=9)
    style.heading(axes, f"{name}: calibration", style.describe(table))
    return figure


@style.styled
def learning_curves(epochs: pd.DataFrame, name: str) -> Figure:
    """Draw the course of training, a panel for each figure, training and validation together.

    Parameters
    ----------
    epochs
        A row an epoch: `epoch` (from 0), figures such as `loss` and `val_loss`, and, where there are several
        trainings, `fold`: the lowest (-1 is the classifier to keep) is drawn boldly, the others faintly.
    name
        What the figure is of.
    """
    if "fold" not in epochs:
        epochs = epochs.assign(fold=-1)
    columns = [
        str(column).removeprefix("val_") for column in epochs.columns if column not in ("epoch", "fold")
    ]
    names = list(dict.fromkeys(columns))
    across, down = min(max(len(names), 1), 3), max(1, -(-len(names) // 3))
    figure = Figure(figsize=(0.8 + 4.6 * across, 4.4 * down))
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes, metric in zip(panels, names, strict=False):
        for fold in sorted(epochs["fold"].unique()):
            _course(axes, epochs[epochs["fold"] == fold], metric, bold=fold == epochs["fold"].min())
        axes.set(xlabel="epoch", ylabel=metric.replace("_", " "))
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend()
    for axes in panels[max(len(names), 1) :]:
        axes.set_visible(False)
    if not names:
        style.say(panels[0], "no epochs")
    folds = epochs["fold"].value_counts().sort_index()
    detail = f"{folds.iloc[0] if len(folds) else 0} epochs"
    if len(folds) > 1:
        detail += f"; faint: {len(folds) - 1} other trainings"
    style.heading(panels[0], f"{name}: learning curves", detail)
    return figure


def _course(axes: Axes, epochs: pd.DataFrame, metric: str, bold: bool) -> None:
    """Draw one training's course of one figure; only the bold one is in the legend."""
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
def patient_strip(table: pd.DataFrame, name: str) -> Figure:
    """Draw the probability of every slice, a column a patient, those with positive slices first.

    Of more than `SHOWN` patients it shows all positive ones that fit, and of the others those of the highest
    probabilities. Parameters are those of `roc`.
    """
    order = table.groupby("patient").agg(positive=("truth", "max"), highest=("probability", "max"))
    order = order.sort_values(["positive", "highest"], ascending=False)
    with_blood, without = order[order["positive"] == 1], order[order["positive"] == 0]
    kept = with_blood.head(SHOWN - min(len(without), SHOWN // 4))
    kept = pd.concat([kept, without.head(SHOWN - len(kept))])
    place = pd.Series(np.arange(len(kept)), kept.index)
    rows = table[table["patient"].isin(kept.index)]
    x = rows["patient"].map(place).to_numpy() + _spread(rows)
    figure = Figure(figsize=(10.6, 4.8))
    axes = figure.subplots()
    for (truth, color, word), marker in zip(KINDS, "oD", strict=True):
        chosen = (rows["truth"] == truth).to_numpy()
        probability = rows["probability"].to_numpy()[chosen]
        axes.plot(x[chosen], probability, marker, ms=4, mew=0, color=color, alpha=0.6, label=f"{word} slice")
    at = rows.groupby("patient")["threshold"].max()[kept.index]
    axes.hlines(at, place - 0.45, place + 0.45, color=style.INK, lw=1.2, label="threshold")
    positives = int(kept["positive"].sum())
    if 0 < positives < len(kept):
        axes.axvline(positives - 0.5, color=style.GRAY, lw=1, ls=":")
    detail = style.describe(table)
    if len(kept) < len(order):
        detail += f"; {len(kept)} patients shown"
    axes.set(xlim=(-1, len(kept)), ylim=(-0.02, 1.02), ylabel="probability", xticks=[])
    axes.set_xlabel(
        "patients: with positive slices at the left, without at the right, by highest probability"
    )
    axes.grid(False, axis="x")
    axes.legend(loc="lower right", ncols=3, bbox_to_anchor=(1, 0.99), markerscale=2, handletextpad=0.3)
    style.heading(axes, f"{name}: each patient's slices", detail)
    return figure


def _spread(rows: pd.DataFrame) -> np.ndarray:
    """Return where in its patient's column each slice stands, in the table's order: -0.3 to 0.3."""
    number = rows.groupby("patient").cumcount()
    slices = rows.groupby("patient")["patient"].transform("size")
    return ((number + 0.5) / slices * 0.6 - 0.3).to_numpy()


def _with_intervals(table: pd.DataFrame, names: dict[str, str]) -> list[str]:
    """Return figures as text, given each one's name and the word for it."""
    found = bootstrap(table, metrics=list(names))
    rows = zip(names.values(), found["value"], found["low"], found["high"], strict=True)
    return [f"{word} {style.ranged(value, low, high)}" for word, value, low, high in rows]


def _mark(axes: Axes, x: float, y: float, word: str) -> None:
    axes.plot([x], [y], "o", ms=9, mfc="white", mec=style.VERMILION, mew=2.5, label=word)
