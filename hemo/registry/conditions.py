"""The gate's conditions, one function each: what was found, what is asked, the verdict in words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hemo.config import Gate
from hemo.errors import HemoError
from hemo.evaluation import paired
from hemo.evaluation.protocols import Protocol

LOADED_BACK_TOLERANCE = 1e-6
"""Largest difference of probability between the registered model and the run's own classifier."""

_NEARLY_ALL = 0.95
"""A classifier that calls more than this share of positive and of negative slices alike is degenerate."""


@dataclass(frozen=True)
class Condition:
    """One condition of the gate with what was found.

    Attributes
    ----------
    name
        Short name: `positive patients`, `recall`, `incumbent`, ...
    figure, required
        What was found and what is asked, as text.
    passed
        The verdict.
    words
        The verdict as a sentence.
    override
        Whether a person may override a refusal: not where serving would break.
    """

    name: str
    figure: str
    required: str
    passed: bool
    words: str
    override: bool = True


@dataclass(frozen=True)
class Candidate:
    """What the gate is told of a candidate beside its predictions.

    Attributes
    ----------
    protocol
        How it was tested.
    loaded_back_gap
        Largest difference between the probabilities of the logged model, loaded back, and the run's own;
        NaN where that was never compared.
    fault
        Why the model cannot be loaded now; empty where it can.
    patients_known
        Whether every slice named its patient: where not, no split by patient can vouch for itself.
    """

    protocol: Protocol
    loaded_back_gap: float
    fault: str = ""
    patients_known: bool = True


@dataclass(frozen=True)
class Incumbent:
    """The version in production that a candidate would replace.

    Attributes
    ----------
    version, family
        Which one it is.
    table
        Its predictions for the candidate's test slices; None where there are none.
    how
        Where they come from, in words; or why there are none.
    same_run
        Whether it is the candidate itself.
    """

    version: str
    family: str
    table: pd.DataFrame | None
    how: str
    same_run: bool = False


def protocol(candidate: Candidate) -> Condition:
    """Ask for a test by patient, on data that names its patients."""
    by_patient = candidate.protocol.by_patient
    passed = by_patient and candidate.patients_known
    if not by_patient:
        words = f"protocol {candidate.protocol} splits by slice: its figures do not hold for new patients"
    elif not passed:
        words = "the data does not name its patients: nobody can tell whether some were learned from"
    else:
        words = f"tested by patient ({candidate.protocol})"
    asked = " or ".join(one for one in Protocol if one.by_patient)
    return Condition("protocol", candidate.protocol, f"by patient ({asked})", passed, words)


def positive_patients(test: pd.DataFrame, gate: Gate) -> Condition:
    """Ask for enough tested patients with the label."""
    count = test.loc[test["truth"] == 1, "patient"].nunique()
    least = gate.min_positive_patients
    return Condition(
        "positive patients",
        str(count),
        f"at least {least}",
        count >= least,
        f"{count} positive patients tested" + ("" if count >= least else f", {least} asked"),
    )


def lower_bound(figures: pd.DataFrame, name: str, least: float) -> Condition:
    """Ask for a least lower bound of a figure's interval."""
    value, low, high = row(figures, name)
    passed = bool(low >= least)
    found = f"{value:.3f} ({low:.3f} to {high:.3f})"
    if np.isnan(low):
        found = words = f"{name} is undefined"
    elif passed:
        words = f"{name} is {value:.2f}, and may be as low as {low:.2f}"
    else:
        words = f"{name} may be as low as {low:.2f}, {least:.2f} asked"
    return Condition(name, found, f"lower bound at least {least:.2f}", passed, words)


def discriminates(test: pd.DataFrame, figures: pd.DataFrame, gate: Gate) -> Condition:
    """Ask that positive and negative slices are told apart, better than by chance."""
    called = (test["probability"] >= test["threshold"]).to_numpy()
    truth = test["truth"].to_numpy() == 1
    shares = [part.mean() if len(part) else np.nan for part in (called[truth], called[~truth])]
    value, low, high = row(figures, "auc")
    found = f"calls {called.mean():.0%} positive, AUC {value:.3f} ({low:.3f} to {high:.3f})"
    if min(shares) > _NEARLY_ALL:
        passed, words = False, f"degenerate: calls {called.mean():.0%} of all slices positive"
    elif max(shares) < 1 - _NEARLY_ALL:
        passed, words = False, f"degenerate: calls {called.mean():.1%} of all slices positive"
    elif not low > gate.min_auc_low:
        passed, words = False, f"AUC may be as low as {low:.2f}, over {gate.min_auc_low:.2f} asked"
        if np.isnan(low):
            words = "AUC is undefined"
    else:
        passed = not any(np.isnan(shares))
        words = f"positive and negative slices are told apart: AUC is {value:.2f}, at worst {low:.2f}"
    return Condition(
        "not degenerate",
        found,
        f"tells positive from negative: lower bound of AUC over {gate.min_auc_low:.2f}",
        passed,
        words,
    )


def calibration(test: pd.DataFrame, figures: pd.DataFrame, gate: Gate) -> Condition:
    """Judge the slope; where a threshold separates the classes there is none: then the Brier score."""
    slope, low, high = row(figures, "calibration_slope")
    least, most = gate.min_calibration_slope, gate.max_calibration_slope
    required = f"slope between {least:g} and {most:g}"
    if np.isfinite(slope):
        passed = bool(least <= slope <= most)
        found = f"slope {slope:.2f} ({low:.2f} to {high:.2f})"
        lean = "about right" if low <= 1 <= high else "too extreme" if slope < 1 else "too cautious"
        words = f"probabilities are {lean}" if passed else f"calibration {found}, {least:g} to {most:g} asked"
        return Condition("calibration", found, required, passed, words)
    if row(figures, "auc")[0] < 1:
        words = "calibration slope is undefined"
        return Condition("calibration", words, required, False, words)
    brier = row(figures, "brier")[0]
    share = test["truth"].mean()
    reference = share * (1 - share)
    passed = bool(brier <= reference)
    return Condition(
        "calibration",
        f"no slope (a threshold separates the classes), Brier score {brier:.3f}",
        f"{required}; for separated classes a Brier score of at most {reference:.3f} (the prevalence's)",
        passed,
        f"Brier score {brier:.3f}, that of the prevalence {reference:.3f}",
    )


def loaded_back(candidate: Candidate) -> Condition:
    """Ask that the registered model loads, and gives the run's own probabilities."""
    gap = candidate.loaded_back_gap
    passed = not candidate.fault and bool(gap <= LOADED_BACK_TOLERANCE)
    if candidate.fault:
        words = f"the model cannot be loaded: {candidate.fault}"
    elif np.isnan(gap):
        words = "the model was never loaded back and compared"
    else:
        words = f"loaded back, its probabilities differ by {gap:.1g} at most"
    return Condition(
        "loaded back",
        candidate.fault or f"{gap:.1g}",
        f"the run's own probabilities within {LOADED_BACK_TOLERANCE:g}",
        passed,
        words,
        override=False,
    )


def better_than_incumbent(
    test: pd.DataFrame, incumbent: Incumbent, gate: Gate, draws: int, seed: int
) -> Condition:
    """Ask for more than what is in production gives on the same slices."""
    first, second, margin = gate.figure, gate.second_figure, gate.margin
    required = (
        f"better in {_name(first)}, or not worse by more than {margin:g} and better in {_name(second)} "
        f"(paired over patients, lower bounds)"
    )
    who = f"version {incumbent.version} ({incumbent.family})"

    def condition(figure: str, passed: bool, words: str) -> Condition:
        return Condition("incumbent", figure, required, passed, words)

    if incumbent.same_run:
        found = "in production already: nothing to compare with"
        return Condition("incumbent", found, "nothing: it would replace itself", True, f"it is {who} already")
    if incumbent.table is None:
        return condition("not comparable", False, f"{who} cannot be compared with: {incumbent.how}")
    other = incumbent.table[incumbent.table["part"] == "test"]
    try:
        both = {"candidate": test, "incumbent": other}
        differences = paired.compare(both, draws, seed, (first, second), reference="incumbent")
    except HemoError as fault:
        return condition("not comparable", False, f"{who} cannot be compared with: {fault}")
    one, two = (tuple(line) for line in differences[["difference", "low", "high"]].to_numpy(float)[[0, -1]])
    figure = f"{_name(first)} {_signed(one)}, {_name(second)} {_signed(two)}; {incumbent.how}"
    if one[1] > 0:
        return condition(figure, True, f"better than {who} in {_name(first)} by {_signed(one)}")
    if one[1] > -margin and two[1] > 0:
        words = f"not inferior to {who} in {_name(first)} ({_signed(one)})"
        return condition(figure, True, f"{words}, better in {_name(second)} by {_signed(two)}")
    found = f"{_name(first)} {_signed(one)}, {_name(second)} {_signed(two)}"
    return condition(figure, False, f"not shown to be better than {who}, {incumbent.how}: {found}")


def row(figures: pd.DataFrame, name: str) -> tuple[float, float, float]:
    """Return a figure with the bounds of its interval from a table of figures."""
    found = figures.set_index("metric")[["value", "low", "high"]].loc[name].to_numpy(float)
    return float(found[0]), float(found[1]), float(found[2])


def _signed(three: Sequence[float]) -> str:
    value, low, high = three
    return f"{value:+.3f} ({low:+.3f} to {high:+.3f})"


def _name(figure: str) -> str:
    """Return a figure's name for people: `recall_at_specificity_80` is `recall at specificity 0.80`."""
    words = figure.replace("_", " ").replace("auc", "AUC")
    return words[:-2] + f"0.{words[-2:]}" if words[-2:].isdigit() else words
