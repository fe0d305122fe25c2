"""The gate's conditions: what was found, what is asked, the verdict in words.

`CONDITIONS` is the gate. A new condition is a function from `Evidence` to a `Finding`, named there; what it
asks for is a field of `hemo.config.Gate`.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from hemo.display.numbers import decimals, number, ranged
from hemo.errors import HemoError
from hemo.evaluation import paired
from hemo.evaluation.protocols import Protocol
from hemo.evaluation.summary import Estimate
from hemo.registry.evidence import Evidence, Finding

LOADED_BACK_TOLERANCE: Final = 1e-6
"""Largest difference of probability between the registered model and the run's own classifier."""

_NEARLY_ALL: Final = 0.95
"""A classifier that calls more than this share of positive and of negative slices alike is degenerate."""


def protocol(seen: Evidence) -> Finding:
    """Ask for a test by patient, on data that names its patients."""
    candidate = seen.candidate
    by_patient = candidate.protocol.by_patient
    passed = by_patient and candidate.patients_known
    if not by_patient:
        words = f"protocol {candidate.protocol} splits by slice: its metrics do not hold for new patients"
    elif not passed:
        words = "the data does not name its patients: nobody can tell whether some were learned from"
    else:
        words = f"tested by patient ({candidate.protocol})"
    asked = " or ".join(one for one in Protocol if one.by_patient)
    return Finding("protocol", candidate.protocol, f"by patient ({asked})", passed, words)


def positive_patients(seen: Evidence) -> Finding:
    """Ask for enough tested patients with the label."""
    count, least = seen.tested.counts.positive_patients, seen.gate.min_positive_patients
    words = f"{count} positive patients tested" + ("" if count >= least else f", {least} asked")
    return Finding("positive patients", str(count), f"at least {least}", count >= least, words)


def recall(seen: Evidence) -> Finding:
    """Ask for a least lower bound of recall at the operating point."""
    return _lower_bound("recall", seen.tested["recall"], seen.gate.min_recall_low)


def specificity(seen: Evidence) -> Finding:
    """Ask for a least lower bound of specificity at the operating point."""
    return _lower_bound("specificity", seen.tested["specificity"], seen.gate.min_specificity_low)


def discriminates(seen: Evidence) -> Finding:
    """Ask that positive and negative slices (or studies) are told apart, better than by chance."""
    tested, least = seen.tested, seen.gate.min_auc_low
    called, truth = tested.called, tested.table["truth"].to_numpy() == 1
    shares = [part.mean() if len(part) else np.nan for part in (called[truth], called[~truth])]
    auc = tested["auc"]
    form = _form(auc.low, least)
    asked = number(least, form)
    if min(shares) > _NEARLY_ALL:
        passed, words = False, f"degenerate: calls {called.mean():.0%} of all {seen.units} positive"
    elif max(shares) < 1 - _NEARLY_ALL:
        passed, words = False, f"degenerate: calls {called.mean():.1%} of all {seen.units} positive"
    elif np.isnan(auc.low):
        passed, words = False, "AUC is undefined"
    elif not auc.low > least:
        passed, words = False, f"AUC may be as low as {number(auc.low, form)}, over {asked} asked"
    else:
        passed = not any(np.isnan(shares))
        words = f"positive and negative {seen.units} are told apart: AUC is {number(auc.value)}, "
        words += f"at worst {number(auc.low, form)}"
    return Finding(
        "not degenerate",
        f"calls {called.mean():.0%} positive, AUC {ranged(*auc, form)}",
        f"tells positive from negative: lower bound of AUC over {asked}",
        passed,
        words,
    )


def calibration(seen: Evidence) -> Finding:
    """Judge the slope; where a threshold separates the classes there is none: then the Brier score."""
    tested, gate = seen.tested, seen.gate
    slope = tested["calibration_slope"]
    least, most = gate.min_calibration_slope, gate.max_calibration_slope
    form = _form(slope.value, least, most)
    between = f"between {number(least, form)} and {number(most, form)}"
    if np.isfinite(slope.value):
        passed = bool(least <= slope.value <= most)
        found = f"slope {ranged(*slope, form)}"
        lean = "too extreme" if slope.value < 1 else "too cautious"
        lean = "about right" if slope.low <= 1 <= slope.high else lean
        words = f"probabilities are {lean}" if passed else f"calibration {found}, {between} asked"
        return Finding("calibration", found, f"slope {between}", passed, words)
    if tested["auc"].value < 1:
        words = "calibration slope is undefined"
        return Finding("calibration", words, f"slope {between}", False, words)
    brier, reference = tested["brier"].value, tested.prevalence * (1 - tested.prevalence)
    form = f"z.{decimals(brier, reference, least=3)}f"
    score = f"Brier score {number(brier, form)}"
    return Finding(
        "calibration",
        f"no slope (a threshold separates the classes), {score}",
        f"slope {between}; for separated classes a Brier score of at most {number(reference, form)} (the "
        "prevalence's)",
        bool(brier <= reference),
        f"{score}, that of the prevalence {number(reference, form)}",
    )


def loaded_back(seen: Evidence) -> Finding:
    """Ask that the registered model loads, and gives the run's own probabilities."""
    gap, fault = seen.candidate.loaded_back_gap, seen.candidate.fault
    passed = not fault and bool(gap <= LOADED_BACK_TOLERANCE)
    form = f".{decimals(gap, LOADED_BACK_TOLERANCE, least=1, kind='g')}g"
    if fault:
        words = f"the model cannot be loaded: {fault}"
    elif np.isnan(gap):
        words = "the model was never loaded back and compared"
    else:
        words = f"loaded back, its probabilities differ by {gap:{form}} at most"
    if not (fault or seen.candidate.recorded):
        words += ", as its training logged: no digests of its files were recorded then"
    asked = f"the run's own probabilities within {LOADED_BACK_TOLERANCE:g}"
    return Finding("loaded back", fault or f"{gap:{form}}", asked, passed, words, override=False)


def holds_under_changes(seen: Evidence) -> Finding | None:
    """Ask, where that is asked, that no change of the data that occurs in practice costs too much AUC."""
    most, found = seen.gate.max_stress_drop, seen.candidate.stress
    if most is None:
        return None
    if found is None:
        words = "nobody has tried all changes of its data: `hemo stress` on its run does, for all patients"
        return Finding("stress", "not tried", f"AUC falls by at most {most:g}", False, words)
    form = _form(found.drop, most)
    drop, asked = number(found.drop, form), number(most, form)
    passed = bool(found.drop <= most)
    if np.isnan(found.drop):
        words = "under changes of its data no AUC is defined"
    elif passed:
        words = f"no change of its data costs more than {drop} of the AUC"
    else:
        words = f"{found.change} costs {drop} of the AUC, {asked} asked at most"
    return Finding("stress", f"{found.change}: {drop}", f"AUC falls by at most {asked}", passed, words)


def better_than_incumbent(seen: Evidence) -> Finding | None:
    """Ask for more than what is in production gives on the same slices or studies."""
    incumbent, gate, tested = seen.incumbent, seen.gate, seen.tested
    if incumbent is None:
        return None
    metrics = (gate.figure, gate.second_figure)
    first, second = (_title(name) for name in metrics)
    required = (
        f"better in {first}, or not worse by more than {gate.margin:g} and better in {second} "
        f"(paired over patients, lower bounds)"
    )
    who = incumbent.title

    def finding(found: str, passed: bool, words: str, asked: str = required) -> Finding:
        return Finding("incumbent", found, asked, passed, words, against=True)

    if incumbent.same_run:
        already = "in production already: nothing to compare with"
        return finding(already, True, f"it is {who} already", "nothing: it would replace itself")
    if incumbent.synthetic and not seen.candidate.synthetic:
        words = f"{who} was made of synthetic data, and gives way to what was tested on patients"
        return finding("made of synthetic data", True, words, "nothing: it was never tested on a patient")
    theirs = incumbent.studies if seen.level == "study" else incumbent.table
    if theirs is None:
        return finding("not comparable", False, f"{who} cannot be compared with: {incumbent.how}")
    other = theirs[theirs["part"] == "test"]
    try:
        both = {"candidate": tested.table, "incumbent": other}
        found = paired.compare(both, tested.draws, tested.seed, metrics, reference="incumbent")
    except HemoError as fault:
        return finding("not comparable", False, f"{who} cannot be compared with: {fault}")
    bounds = found[["difference", "low", "high"]].to_numpy(float)[[0, -1]]
    one, two = (Estimate(*(float(value) for value in line)) for line in bounds)
    gained = ranged(*one, _signed(one.low, 0, -gate.margin)), ranged(*two, _signed(two.low, 0))
    both_gains = f"{first} {gained[0]}, {second} {gained[1]}"
    details = f"{both_gains}; {incumbent.how}"
    if one.low > 0:
        return finding(details, True, f"better than {who} in {first} by {gained[0]}")
    if one.low > -gate.margin and two.low > 0:
        words = f"not inferior to {who} in {first} ({gained[0]}), better in {second} by {gained[1]}"
        return finding(details, True, words)
    return finding(details, False, f"not shown to be better than {who}, {incumbent.how}: {both_gains}")


CONDITIONS: Final[Sequence[Callable[[Evidence], Finding | None]]] = (
    protocol,
    positive_patients,
    recall,
    specificity,
    discriminates,
    calibration,
    loaded_back,
    holds_under_changes,
    better_than_incumbent,
)
"""The gate, in the order of its report; one that gives None has nothing to judge."""


def _lower_bound(metric: str, found: Estimate, least: float) -> Finding:
    """Ask for a least lower bound of a metric's interval."""
    form = _form(found.low, least)
    low, asked = number(found.low, form), number(least, form)
    passed = bool(found.low >= least)
    if np.isnan(found.low):
        words = f"{metric} is undefined"
        return Finding(metric, words, f"lower bound at least {asked}", passed, words)
    if passed:
        words = f"{metric} is {number(found.value)}, and may be as low as {low}"
    else:
        words = f"{metric} may be as low as {low}, {asked} asked"
    return Finding(metric, ranged(*found, form), f"lower bound at least {asked}", passed, words)


def _form(found: float, *asked: float, least: int = 2) -> str:
    """Return the form in which what is asked is written in full, and what was found is told from it."""
    written = [len(f"{one:g}".partition(".")[2]) for one in asked if "e" not in f"{one:g}"]
    return f"z.{decimals(found, *asked, least=max([least, *written]))}f"


def _signed(found: float, *asked: float) -> str:
    return "+" + _form(found, *asked, least=3)


def _title(metric: str) -> str:
    """Return a metric's name for people: `recall_at_specificity_80` is `recall at specificity 0.80`."""
    words = metric.replace("_", " ").replace("auc", "AUC")
    return words[:-2] + f"0.{words[-2:]}" if words[-2:].isdigit() else words
