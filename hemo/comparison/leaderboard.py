"""Results side by side: a leaderboard per label, averages, and the best family of each label.

Knows nothing of MLflow: see `hemo.comparison.runs` for what is compared of an experiment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from hemo.comparison.results import Result
from hemo.errors import HemoError
from hemo.evaluation.protocols import Protocol, averaged
from hemo.labels import LABELS

METRICS = ("recall", "specificity", "precision", "accuracy", "auc")
"""The leaderboard's columns."""

CHOOSE_BY = ("recall_at_specificity_80", "auc")
"""The best family has the highest recall at a specificity of 0.80; ties go to the higher AUC.

At equal specificity no classifier wins by calling everything positive.
"""

STUDY = (*METRICS, CHOOSE_BY[0], "unsure_share")
"""Metrics of studies in the leaderboard, as `study_recall` and so on."""

NEARLY_ALL = 0.8
"""A classifier that calls this share of negative slices positive, or misses it of positive ones, is flagged.

Between them lies the seed paper's best recall: 0.95 for subarachnoid at a precision of 0.52 on balanced
slices, which is a specificity of 0.12.
"""


@dataclass(frozen=True)
class Comparison:
    """Results on the same slices.

    Attributes
    ----------
    leaderboard
        One row a run: `label`, `family`, the metrics with `_low` and `_high`, `best`, `run_id`, ...; `level`
        is `study` where labels are of studies and no slice was judged: then it has metrics of studies only.
    averages
        One row a family and level: the mean of each metric over its labels (see `led`).
    left_out
        One row a run that was not compared: `run`, `reason`.
    repeats
        How often patients were dealt: metrics are means over the deals.
    """

    leaderboard: pd.DataFrame
    averages: pd.DataFrame
    left_out: pd.DataFrame
    protocol: Protocol
    data_digest: str
    split_digest: str
    repeats: int = 1

    @property
    def caveat(self) -> str:
        """What its metrics are of, for people."""
        return f"{self.protocol.words.caveat} {averaged(self.repeats)}".rstrip()


def compare(results: Sequence[Result], run_ids: Sequence[str] = ()) -> Comparison:
    """Compare the first result of each family (variants count as families) and label.

    Results on other data, or on another split, than the first are left out and named: their metrics are of
    other patients.

    Parameters
    ----------
    results
        The newest first.
    run_ids
        Ids of the runs to compare, or beginnings of them; without, those described above.

    Raises
    ------
    HemoError
        If there is no result; or if `run_ids` names an unknown run, two of one
        family and label, or runs on different data or splits.
    """
    runs = list(results)
    if not runs:
        raise HemoError("the experiment has no finished training run: train first, for example `hemo logreg`")
    if run_ids:
        runs = _chosen(runs, run_ids)
    digests = runs[0].digests
    kept: dict[tuple[str, str], Result] = {}
    left_out = []
    for run in runs:
        key = (run.label, run.family)
        if key in kept:
            continue
        if run.digests == digests:
            kept[key] = run
        else:
            left_out.append({"run": run.name, "key": key, "reason": _difference(run.digests, digests)})
    left_out = [{"run": r["run"], "reason": r["reason"]} for r in left_out if r["key"] not in kept]
    board = pd.DataFrame([_row(run) for run in kept.values()])
    board["label"] = pd.Categorical(board["label"], LABELS, ordered=True)
    board = board.sort_values(["label", "family"], ignore_index=True)
    board["best"] = False
    board.loc[list(best_per_label(board)), "best"] = True
    by_family = led(board).groupby(["family", "level"])
    averages = by_family[[*METRICS, CHOOSE_BY[0], "seconds"]].mean().reset_index()
    averages.insert(1, "labels", by_family["label"].nunique().to_numpy())
    left = pd.DataFrame(left_out, columns=["run", "reason"]).drop_duplicates(ignore_index=True)
    _, data, split = digests
    return Comparison(board, averages, left, runs[0].protocol, data, split, runs[0].repeats)


def _chosen(runs: Sequence[Result], run_ids: Sequence[str]) -> list[Result]:
    """Return the runs named, which have to be comparable."""
    found: list[Result] = []
    for word in run_ids:
        matching = [run for run in runs if run.run_id.startswith(word)]
        if len(matching) != 1:
            what = "several training runs" if matching else "no finished training run of the experiment"
            raise HemoError(f"{word}: {what}: give the ids of training runs")
        found += matching
    reference = found[0]
    for run in found[1:]:
        if run.digests != reference.digests:
            raise HemoError(
                f"{_named(run)}, {_named(reference)}: not of the same patients: the first is of "
                f"{_difference(run.digests, reference.digests)}: compare runs of one store and split"
            )
    named: dict[str, Result] = {}
    for run in found:
        other = named.setdefault(run.name, run)
        if other is not run:
            raise HemoError(f"{_named(other)}, {_named(run)}: of one family and label: name one")
    return found


def _named(run: Result) -> str:
    return f"{run.name} ({run.run_id[:8]})"


def best_per_label(board: pd.DataFrame) -> list[int]:
    """Return the rows of a leaderboard that hold the best family of each label.

    Under `holdout` the choice is made by the metrics on validation patients, so that the test patients
    do not choose the model; under `cv` the out-of-fold metrics are all there are.
    """
    ranked = board.sort_values([f"choose_{name}" for name in CHOOSE_BY], ascending=False, kind="stable")
    return [int(group.index[0]) for _, group in ranked.groupby("label", observed=True)]


def _row(run: Result) -> dict[str, object]:
    metrics = run.metrics
    part = "val" if run.protocol.has_validation else "test"
    row: dict[str, object] = {"label": run.label, "family": run.family}
    for name in (*METRICS, CHOOSE_BY[0], "unsure_share"):
        for suffix in ("", "_low", "_high"):
            row[name + suffix] = metrics.get(f"test/{name}{suffix}", np.nan)
    for name in STUDY:
        for suffix in ("", "_low", "_high"):
            row[f"study_{name}{suffix}"] = metrics.get(f"study/{name}{suffix}", np.nan)
    level = "slice" if "test/slices" in metrics or "study/studies" not in metrics else "study"
    if level == "study":  # no slice is judged
        part = "val_study" if run.protocol.has_validation else "study"
    row["level"] = level
    row |= {f"choose_{name}": metrics.get(f"{part}/{name}", np.nan) for name in CHOOSE_BY}
    for name in ("slices", "positive_slices", "patients", "positive_patients"):
        row[name] = int(metrics.get(f"test/{name}", 0))
    if level == "study":
        row["patients"], row["positive_patients"] = (
            int(metrics[f"study/{name}"]) for name in ("patients", "positive_patients")
        )
    row["studies"], row["positive_studies"] = (
        int(metrics.get(f"study/{name}", 0)) for name in ("studies", "positive_studies")
    )
    for suffix in ("", "_low", "_high"):
        row[f"threshold{suffix}"] = metrics.get(f"threshold{suffix}", np.nan)
    row["seconds"] = metrics.get("time/fit_s", np.nan)
    shown = "study_" if level == "study" else ""
    row["degenerate"] = degenerate({name: row[shown + name] for name in ("recall", "specificity", "auc_low")})
    row["run_id"] = run.run_id
    return row


def led(board: pd.DataFrame) -> pd.DataFrame:
    """Return a leaderboard whose rows say of studies what they cannot say of slices.

    Where no slice was judged (`level` is `study`), metrics are those of studies.
    """
    board = board.copy()
    here = board["level"] == "study"
    for name in STUDY:
        for suffix in ("", "_low", "_high"):
            board.loc[here, name + suffix] = board.loc[here, f"study_{name}{suffix}"]
    return board


def degenerate(row: Mapping[str, Any]) -> str:
    """Name a classifier that wins by no merit, for what it does; else return ''.

    Parameters
    ----------
    row
        `recall` and `specificity` at the operating point, and `auc_low`, the lower bound of its interval.
    """
    if row["specificity"] <= 1 - NEARLY_ALL:
        return "calls nearly everything positive"
    if row["recall"] <= 1 - NEARLY_ALL:
        return "calls nearly nothing positive"
    if row["auc_low"] <= 0.5:
        return "not told from chance"
    return ""


def _difference(one: tuple[str, str, str], other: tuple[str, str, str]) -> str:
    names = ("protocol", "data", "split")
    return ", ".join(
        f"another {name} ({a[:8]}, not {b[:8]})"
        for name, a, b in zip(names, one, other, strict=True)
        if a != b
    )
