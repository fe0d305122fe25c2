"""The model card of a classifier: what it is for, what it was made of, how well it does, where it fails."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from hemo.display.report import Section, fact_table, render
from hemo.evaluation import intervals, predictions, protocols
from hemo.evaluation.operating_point import OperatingPointRule
from hemo.evaluation.protocols import Protocol

SHOWN = {
    "recall": "recall (sensitivity)",
    "specificity": "specificity",
    "precision": "precision (positive predictive value)",
    "npv": "negative predictive value",
    "accuracy": "accuracy",
    "auc": "AUC",
    "average_precision": "average precision",
    "brier": "Brier score",
    "calibration_slope": "calibration slope",
    "recall_at_specificity_80": "recall at specificity 0.80",
}
"""Figures of the card, and their names for people."""

SYNTHETIC = "The data is synthetic, phantoms made by hemo: these figures say nothing of patients."

INTENDED = (
    "Research use only: comparing methods that find intracranial hemorrhage on axial head CT, slice by "
    "slice. Not a medical device; not for diagnosis, triage or any decision about a patient."
)

LIMITS = (
    "It saw one source of data. Other scanners, protocols, ages and prevalences were not tested unless an "
    "external evaluation below this model says so. It says nothing of hemorrhage that is not on a slice, nor "
    "of other findings. Probabilities follow the sampling of its training and may need calibration at "
    "another prevalence. Subgroups by age, sex or scanner are not reported: the data does not carry them."
)


@dataclass(frozen=True)
class Facts:
    """What a card says beside the figures.

    Attributes
    ----------
    label, family
        What it is; the family's name for people.
    tags, params
        Of the training run.
    data
        Facts about the store by name (slices, patients, exclusions by reason, ...).
    threshold
        Its operating point.
    run_id
        The training run.
    versions
        Package to version.
    override
        The reason with which a person let it pass although the gate refused it; empty where it passed.
    """

    label: str
    family: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    data: Mapping[str, object]
    threshold: float
    run_id: str
    versions: Mapping[str, str]
    override: str = ""


def write(folder: Path, facts: Facts, table: pd.DataFrame, *, draws: int = 2000, seed: int = 0) -> None:
    """Write `card.md` and `card.html` into a folder.

    Parameters
    ----------
    folder : Path
        Where to.
    facts : Facts
        What the card says beside the figures.
    table : DataFrame
        The run's prediction table.
    draws, seed
        Of the bootstrap over patients.
    """
    title = f"Model card: {facts.family} for {kind(facts.label)}"
    parts = sections(facts, table[table["part"] == "test"], draws, seed)
    (folder / "card.md").write_text(_markdown(title, parts), encoding="utf-8")
    (folder / "card.html").write_text(render(title, parts), encoding="utf-8")


def sections(facts: Facts, test: pd.DataFrame, draws: int, seed: int) -> list[Section]:
    """Return the card's sections."""
    tags, params = facts.tags, facts.params
    protocol = protocols.parse(tags["protocol"]) if "protocol" in tags else Protocol.PAPER
    rule = params.get("train.operating_point", "")
    overridden = (
        f"The gate refused it; a person overrode the gate: {facts.override}" if facts.override else ""
    )
    split = {"protocol": tags.get("protocol", ""), "split digest": tags.get("split_digest", "")}
    source = {
        "training run": facts.run_id, "git commit": tags.get("git_commit", ""), "hemo": tags.get("hemo", ""),
        "seed": tags.get("seed", ""), "data digest": tags.get("data_digest", ""), **split,
        **{name: value for name, value in params.items() if name.startswith("hp.")}, **facts.versions,
    }  # fmt: skip
    return [
        Section("In short", text=_in_short(facts, test, draws, seed), warning=overridden),
        Section("Intended use", text=INTENDED),
        Section(
            "Data",
            text=f"Data set: {tags.get('dataset', 'unknown')}.",
            tables={"Slices and patients": fact_table({**_counts(test), **facts.data})},
        ),
        Section("Split", text=protocol.words.card, tables={"": fact_table(split)} if split else {}),
        Section(
            "Figures with 95% intervals by patient",
            text="Slices are judged at the operating point that was fitted without their patient. A study is "
            "positive as soon as one of its slices is.",
            tables={
                "By slice": _figures(test, draws, seed),
                "By study": _figures(predictions.study_table(test), draws, seed),
                "Subgroups, by slice": subgroups(test, draws, seed),
            },
        ),
        Section(
            "Operating point",
            text=f"A slice is positive at or above {facts.threshold:.4f}. The rule, applied to other "
            f"patients than those tested: {OperatingPointRule.parse(rule).words if rule else 'not known'}.",
        ),
        Section("Failures", text=_failures(test)),
        Section("Limits", text=LIMITS),
        Section(
            "Where it comes from, and how to make it again",
            text=f"hemo reproduce {facts.run_id}",
            tables={"Provenance": fact_table(source)},
        ),
    ]


def kind(label: str) -> str:
    """Return what a label means."""
    return "intracranial hemorrhage of any type" if label == "any" else f"{label} hemorrhage"


def _in_short(facts: Facts, test: pd.DataFrame, draws: int, seed: int) -> str:
    found = intervals.bootstrap(test, draws=draws, seed=seed, metrics=["recall", "specificity", "auc"])
    recall, specificity, auc = (tuple(row) for row in found[["value", "low", "high"]].to_numpy(float))
    counts = _counts(test)
    words = (
        f"On {counts['slices tested']} slices of {counts['patients tested']} patients that it had not seen, "
        f"{counts['positive patients tested']} of them with the label, it finds {_percent(recall)} of the "
        f"positive slices and calls {_percent(specificity)} of the others negative; AUC {_ranged(*auc)}. "
        "Ranges are 95% intervals by patient."
    )
    return f"{SYNTHETIC}\n\n{words}" if facts.tags.get("dataset") == "phantom" else words


def _percent(three: tuple[float, ...]) -> str:
    value, low, high = three
    return f"{value:.0%} ({low:.0%} to {high:.0%})" if np.isfinite(value) else "an undefined share"


def subgroups(test: pd.DataFrame, draws: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Return recall and specificity in parts of the patients that the predictions themselves tell apart.

    Parameters
    ----------
    test : DataFrame
        Test rows of a prediction table.
    draws, seed
        Of the bootstrap over patients.

    Returns
    -------
    DataFrame
        `subgroup`, `figure`, `value (95% interval)`, `patients`: recall where a patient's hemorrhage is on
        few or on many slices, specificity on the clear slices of patients with and without it.
    """
    positive = test.groupby("patient")["truth"].transform("sum")
    extent = positive[positive > 0].groupby(test["patient"]).first()
    half = float(extent.median()) if len(extent) else 0.0
    parts = [
        (f"hemorrhage on at most {half:g} slices", "recall", (positive > 0) & (positive <= half)),
        (f"hemorrhage on more than {half:g} slices", "recall", positive > half),
        ("clear slices of patients with it", "specificity", (positive > 0) & (test["truth"] == 0)),
        ("slices of patients without it", "specificity", positive == 0),
    ]
    rows = []
    for name, figure, chosen in parts:
        part = test[chosen]
        if len(part):
            found = intervals.bootstrap(part, draws=draws, seed=seed, metrics=[figure]).iloc[0]
            value, low, high = (float(found[column]) for column in ("value", "low", "high"))
            rows.append((name, figure, _ranged(value, low, high), part["patient"].nunique()))
    return pd.DataFrame(rows, columns=["subgroup", "figure", "value (95% interval)", "patients"])


def _figures(test: pd.DataFrame, draws: int, seed: int) -> pd.DataFrame:
    found = intervals.bootstrap(test, draws=draws, seed=seed, metrics=list(SHOWN))
    cells = [_ranged(*row) for row in found[["value", "low", "high"]].to_numpy(float)]
    names = found["metric"].map(SHOWN)
    return pd.DataFrame({"figure": names, "value (95% interval)": cells, "patients": found["patients"]})


def _ranged(value: float, low: float, high: float) -> str:
    return f"{value:.3f} ({low:.3f} to {high:.3f})" if np.isfinite(value) else "undefined"


def _counts(test: pd.DataFrame) -> dict[str, object]:
    positive = test[test["truth"] == 1]
    return {
        "slices tested": len(test),
        "patients tested": test["patient"].nunique(),
        "positive slices tested": len(positive),
        "positive patients tested": positive["patient"].nunique(),
    }


def _failures(test: pd.DataFrame) -> str:
    called = test["probability"] >= test["threshold"]
    missed, false = test[(test["truth"] == 1) & ~called], test[(test["truth"] == 0) & called]
    found = test[(test["truth"] == 1) & called]["patient"].unique()
    never = set(missed["patient"]) - set(found)
    return (
        f"{len(missed)} positive slices of {missed['patient'].nunique()} patients were missed; "
        f"in {len(never)} patients every positive slice was. {len(false)} clear slices of "
        f"{false['patient'].nunique()} patients were called positive. The worst of both, with where the "
        "classifier looked, are in the artifact plots/failures.png of the training run."
    )


def _markdown(title: str, parts: Sequence[Section]) -> str:
    lines = [f"# {title}"]
    for part in parts:
        lines += ["", f"## {part.title}"]
        if part.warning:
            lines += ["", f"> **{part.warning}**"]
        if part.text:
            lines += ["", part.text]
        for caption, table in part.tables.items():
            lines += ["", f"**{caption}**"] if caption else []
            rows = [list(table.columns), ["---"] * table.shape[1], *table.to_numpy().tolist()]
            lines += ["", *(f"| {' | '.join(str(cell) for cell in row)} |" for row in rows)]
    return "\n".join([*lines, "", "Research use only.", ""])
