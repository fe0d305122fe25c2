"""The model card of a classifier: what it is for, what it was made of, how well it does, where it fails."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from hemo.display import agreement, subgroups
from hemo.display.numbers import ranged
from hemo.display.page import Section, Table, fact_table, render
from hemo.evaluation import protocols
from hemo.evaluation.operating_point import OperatingPointRule
from hemo.evaluation.protocols import Protocol
from hemo.evaluation.summary import Summary
from hemo.evaluation.triage import Thresholds
from hemo.registry.card_tables import by_extent_table, counts_facts, falls, metrics_table
from hemo.synthetic import is_synthetic
from hemo.tracking.tags import ABRIDGED
from hemo.tracking.views import as_written

SYNTHETIC = "The data is synthetic, phantoms made by hemo: these metrics say nothing of patients."

INTENDED = (
    "Research use only: comparing methods that find intracranial hemorrhage on axial head CT, slice by "
    "slice. Not a medical device; not for diagnosis, triage or any decision about a patient."
)

LIMITS = (
    "It saw one source of data. Other scanners, protocols, ages and prevalences were not tested unless an "
    "external evaluation below this model says so. It says nothing of hemorrhage that is not on a slice, nor "
    "of other findings. Probabilities follow the sampling of its training and may need calibration at "
    "another prevalence."
)


@dataclass(frozen=True)
class Facts:
    """What a card says beside the metrics.

    Attributes
    ----------
    label, family
        What it is; the family's name for people.
    tags, params
        Of the training run.
    data
        Facts about the store by name (slices, patients, exclusions by reason, ...).
    threshold
        Its operating point for slices; None where no slice was judged.
    run_id
        The training run.
    versions
        Package to version.
    override
        The reason with which a person let it pass although the gate refused it; empty where it passed.
    study_threshold
        Its operating point for studies; None where it judges none.
    negative_below, study_negative_below
        Of triage: below it a slice or a study is negative; None where there is one threshold.
    agreement
        How far the readers agree whose studies it learned from and was tested on (see
        `hemo.evaluation.agreement.agreement`); None where there were not several.
    stress
        What changes of its data do to it, a row a change and metric; None where nobody has tried.
    groups
        Its metrics by scanner, settings and patient (see `hemo.evaluation.subgroups`); None where no header
        says anything of them.
    """

    label: str
    family: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    data: Mapping[str, object]
    threshold: float | None
    run_id: str
    versions: Mapping[str, str]
    override: str = ""
    study_threshold: float | None = None
    negative_below: float | None = None
    study_negative_below: float | None = None
    agreement: pd.DataFrame | None = None
    stress: pd.DataFrame | None = None
    groups: pd.DataFrame | None = None


def write(folder: Path, facts: Facts, tested: Summary) -> None:
    """Write `card.md` and `card.html` into a folder.

    Parameters
    ----------
    folder : Path
        Where to.
    facts : Facts
        What the card says beside the metrics.
    tested : Summary
        Of the run's predictions of tested slices.
    """
    title = f"Model card: {facts.family} for {kind(facts.label)}"
    parts = sections(facts, tested)
    (folder / "card.md").write_text(_markdown(title, parts), encoding="utf-8")
    (folder / "card.html").write_text(render(title, parts), encoding="utf-8")


def sections(facts: Facts, tested: Summary) -> list[Section]:
    """Return the card's sections."""
    tags, params = facts.tags, facts.params
    protocol = protocols.parse(tags["protocol"]) if "protocol" in tags else Protocol.PAPER
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
        Section("In short", text=_in_short(facts, tested), warning=overridden),
        Section("Intended use", text=INTENDED),
        Section(
            "Data",
            text=f"Data set: {tags.get('dataset', 'unknown')}.",
            tables={
                "Tested, and the store": fact_table({**counts_facts(tested.judged.counts), **facts.data})
            },
        ),
        Section("Split", text=protocol.words.card, tables={"": fact_table(split)} if split else {}),
        Section(
            "Metrics with 95% intervals by patient",
            text=(JUDGED if tested.by_slice else NO_SLICES)
            + f" {protocols.averaged(tested.judged.counts.repeats)}".rstrip(),
            tables=_tables(tested),
        ),
        *_readers(facts, tested),
        _groups(facts),
        *_stress(facts),
        Section(
            "Operating point",
            text=_operating_points(facts),
        ),
        *_cut_down(tags),
        Section("Failures", text=_failures(tested)),
        Section("Limits", text=LIMITS),
        Section(
            "Where it comes from, and how to make it again",
            text=f"hemo reproduce {facts.run_id}",
            tables={"Provenance": fact_table(source)},
        ),
    ]


JUDGED = "Slices and studies are judged at operating points of their own, fitted off-test."
"""What is judged, and how."""

NO_SLICES = (
    "Labels are of studies; too few slices are labelled to judge any, so that studies alone are judged."
)
"""Why nothing is said of slices."""


def _tables(tested: Summary) -> dict[str, pd.DataFrame | Table]:
    if not tested.by_slice:
        return {"By study": metrics_table(tested.studies)}
    return {
        "By slice": metrics_table(tested),
        "By study": metrics_table(tested.studies),
        "Subgroups, by slice": by_extent_table(tested),
    }


def _readers(facts: Facts, tested: Summary) -> list[Section]:
    """Return the classifier's recall and specificity beside each reader's, and how far readers agree."""
    if facts.agreement is None:
        return []
    own = facts.agreement[facts.agreement["label"] == facts.label]
    metrics = {name: tested.studies[name] for name in agreement.METRICS}
    return [
        Section(
            "Beside the readers",
            text=f"{facts.tags.get('readers', '')} {agreement.CAVEAT}".strip(),
            tables={
                "Recall and specificity by study": agreement.beside(
                    own, [(facts.label, f"this classifier ({facts.family})", metrics)]
                ),
                "Agreement of the readers": agreement.readable_agreement(own),
            },
        )
    ]


def _groups(facts: Facts) -> Section:
    """Return how well it does by scanner, settings and patient."""
    found = facts.groups
    if found is None or found.empty:
        why = "no header says" if found is None else "too few patients were tested to say"
        return Section(subgroups.TITLE, f"Nothing is known of it: {why} how it does by scanner, age or sex.")
    tables = {f"By {unit}": subgroups.readable(found, unit) for unit in dict.fromkeys(found["unit"])}
    return Section(subgroups.TITLE, f"{subgroups.conclusion(found)} {subgroups.CAVEAT}", tables)


def _stress(facts: Facts) -> list[Section]:
    """Return how its metrics differ where its data are shown, saved or scanned otherwise."""
    if facts.stress is None:
        return []
    text = "Differences from the unchanged on the same slices, with 95% intervals by patient (`hemo stress`)."
    return [Section("Under changes of its data", text, {"By change": falls(facts.stress)})]


def _cut_down(tags: Mapping[str, str]) -> list[Section]:
    """Return how its fit was cut down, where all of it would have taken too much memory."""
    words = tags.get(ABRIDGED, "")
    return [Section("Cut down for want of memory", text=f"It was fitted {words}.")] if words else []


def _operating_points(facts: Facts) -> str:
    """Return from which probability on slices and studies are positive, and the rules that say so."""
    points = []
    if facts.threshold is not None:
        points.append(("A slice", facts.threshold, facts.negative_below, "train.operating_point"))
    if facts.study_threshold is not None:
        below = facts.study_negative_below
        points.append(("A study", facts.study_threshold, below, "train.study_operating_point"))
    said = []
    for what, threshold, below, word in points:
        rule = facts.params.get(word)
        chosen = OperatingPointRule.parse(rule).words if rule else "not known"
        at = Thresholds.of(threshold, below)
        said.append(f"{what} is {at.words}. The rule: {chosen}.")
    if facts.threshold is None:
        said.append("A slice is judged as a study of its own, at the studies' operating point.")
    return "\n\n".join([*said, "Rules were applied to other patients than those tested."])


def kind(label: str) -> str:
    """Return what a label means."""
    return "intracranial hemorrhage of any type" if label == "any" else f"{label} hemorrhage"


def _in_short(facts: Facts, tested: Summary) -> str:
    tested = tested.judged
    counts = tested.counts
    recall, specificity = (_share(tested, name) for name in ("recall", "specificity"))
    words = (
        f"On {counts.slices} {counts.units} of {counts.patients} patients that it had not seen, "
        f"{counts.positive_patients} of them with the label, it finds {recall} of the positive "
        f"{counts.units} and calls {specificity} of the others negative; "
        f"AUC {ranged(*tested['auc'], 'z.3f')}. Ranges are 95% intervals by patient."
    )
    return f"{SYNTHETIC}\n\n{words}" if is_synthetic(facts.tags) else words


def _share(tested: Summary, metric: str) -> str:
    found = tested[metric]
    return ranged(*found, ".0%") if np.isfinite(found.value) else "an undefined share"


def _failures(tested: Summary) -> str:
    tested = tested.judged
    failures, units = tested.failures, tested.units
    return (
        f"{failures.missed} positive {units} of {failures.patients_missed} patients were missed; "
        f"in {failures.never_found} patients every positive one was. {failures.alarms} clear {units} of "
        f"{failures.patients_alarmed} patients were called positive. The worst of both, with where the "
        "classifier looked, are in the artifact plots/failures.png of the training run."
    )


def _markdown(title: str, parts: Sequence[Section]) -> str:
    lines = [f"# {title}"]
    for part in parts:
        lines += ["", f"## {part.title}"]
        if part.warning:
            lines += ["", f"> **{as_written(part.warning)}**"]
        if part.text:
            lines += ["", part.text]
        for caption, given in part.tables.items():
            table = given.rows if isinstance(given, Table) else given
            lines += ["", f"**{caption}**"] if caption else []
            rows = [list(table.columns), ["---"] * table.shape[1], *table.to_numpy().tolist()]
            lines += ["", *(f"| {' | '.join(as_written(str(cell)) for cell in row)} |" for row in rows)]
    return "\n".join([*lines, "", "Research use only.", ""])
