"""What a comparison's page is made of: runs, predictions, store and split, gathered once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pandas as pd

from hemo import tracking
from hemo.comparison import differences, runs
from hemo.comparison.leaderboard import Comparison
from hemo.config import Experiment
from hemo.display.page import fact_table
from hemo.errors import HemoError
from hemo.labels import LABELS, STUDY_LABELS
from hemo.slices.store import SliceStore
from hemo.tracking import Run, trained_on

T = TypeVar("T")

GALLERY = "plots/failures.png"
"""Where a training run keeps its failure gallery."""

ANSWERS = {
    "promoted": "the gate promoted it",
    "overridden": "it is in production against the gate",
    "refused": "the gate refused it",
    "challenger": "the gate made it a challenger",
    "kept": "the gate was not asked again",
}
"""What is said of a decision of the gate."""


@dataclass(frozen=True)
class Source:
    """What is known of the data that the runs were trained on.

    Attributes
    ----------
    facts
        `fact` and `value`, a row each.
    labels
        A row a label: positive, negative and unlabelled slices, and positive patients.
    exclusions
        A row a reason: `reason` and `files`. Names of files stay out: they can hold identifiers.
    index
        `patient`, `study` and the labels of every slice, of its study too where a table of studies was read;
        None where the store is not at hand.
    studies
        A row a label: positive, negative and unknown studies; no rows where no table of studies was read.
    """

    facts: pd.DataFrame
    labels: pd.DataFrame
    exclusions: pd.DataFrame
    index: pd.DataFrame | None
    studies: pd.DataFrame = field(default_factory=pd.DataFrame)


@dataclass(frozen=True)
class Contents:
    """All that a section of the page may look at.

    Attributes
    ----------
    found, config
        The comparison, and the experiment's file.
    runs, predicted
        Id of a run to the run, and to its prediction table.
    source
        The data.
    dealt
        Where each patient was dealt; None where nobody was (under `paper`).
    galleries
        Failure gallery (PNG) of each label's best run.
    pairs
        How the families of each label differ (see `hemo.comparison.differences.differences`).
    decisions
        Id of a run to what the gate answered to it last, in words.
    agreement
        How far the readers of the studies agree (see `hemo.evaluation.agreement.agreement`); None where there
        were not several.
    groups
        Of each label's best run, metrics by scanner, settings and patient (see `hemo.evaluation.subgroups`).
    """

    found: Comparison
    config: Experiment
    runs: Mapping[str, Run]
    predicted: Mapping[str, pd.DataFrame]
    source: Source
    dealt: pd.DataFrame | None
    galleries: Mapping[str, bytes]
    pairs: pd.DataFrame
    decisions: Mapping[str, str] = field(default_factory=dict)
    agreement: pd.DataFrame | None = None
    groups: Mapping[str, pd.DataFrame] = field(default_factory=dict)


def gather(found: Comparison, config: Experiment, store: SliceStore | None = None) -> Contents:
    """Collect what the page of a comparison of runs is made of.

    A store of other data, or none, is not looked at: it is looked for where the runs say that it lay.
    """
    board = found.leaderboard
    known = {run_id: tracking.get_run(run_id) for run_id in board["run_id"]}
    newest = known[board["run_id"].iloc[0]]
    predicted = runs.predictions(board)
    return Contents(
        found=found,
        config=config,
        runs=known,
        predicted=predicted,
        source=_source(newest, store if store and store.digest == found.data_digest else _store(newest)),
        dealt=tracking.artifact(newest.run_id, "split/split.csv", pd.read_csv),
        galleries=_of_best(board[board["best"]], GALLERY, Path.read_bytes),
        pairs=differences.differences(board, predicted, config.draws, config.seed),
        decisions=decisions(newest.experiment),
        agreement=tracking.artifact(newest.run_id, tracking.AGREEMENT, pd.read_csv),
        groups=_of_best(board[board["best"]], tracking.SUBGROUPS, pd.read_csv),
    )


def decisions(experiment: str) -> dict[str, str]:
    """Return id of a run to what the gate answered to it last, out of an experiment's newest promotions."""
    said: dict[str, str] = {}
    for promotion in tracking.find_runs(experiment, stage="promotion", most=10):
        table = tracking.artifact(promotion.run_id, tracking.DECISIONS, pd.read_csv)
        for row in [] if table is None else table.dropna(subset="run_id").to_dict("records"):
            said.setdefault(row["run_id"], f"{ANSWERS[row['decision']]}: {row['reason']}")
    return said


def _store(run: Run) -> SliceStore | None:
    """Return the store that a run was trained on, where it is at hand."""
    try:
        return trained_on.find(run)
    except HemoError:
        return None


def _source(run: Run, store: SliceStore | None) -> Source:
    """Describe the data from the store itself where it is at hand, else from the run that made it."""
    if store is None:
        return _from_run(run)
    facts = {
        "slices": len(store),
        "patients": store.facts["patients"],
        "studies": store.facts["studies"],
        "every slice names its patient": store.patients_known,
        **{f"reduction: {word}": value for word, value in store.reduction.to_json().items()},
    }
    known = [name for name in ("patient", "study", *LABELS, *STUDY_LABELS) if name in store.index]
    studies = pd.DataFrame(store.facts.get("study_labels", {})).T.rename_axis("label").reset_index()
    return Source(fact_table(facts), store.counts(), store.exclusion_counts(), store.index[known], studies)


def _from_run(trained: Run) -> Source:
    """Describe the data of a training as the newest run that preprocessed it did."""
    digest = trained.tags["data_digest"]
    preprocessed = tracking.find_runs(trained.experiment, stage="preprocess", data_digest=digest, most=1)
    nothing = pd.DataFrame(columns=["label"]), pd.DataFrame(columns=["reason", "files"])
    if not preprocessed:
        return Source(fact_table({"the store": "not at hand, nor the run that made it"}), *nothing, None)
    run = preprocessed[0]
    facts = {name: f"{value:.0f}" for name, value in run.metrics.items() if name.startswith("store/")}
    facts |= {name: value for name, value in run.params.items() if name.startswith("reduction.")}
    labels = tracking.artifact(run.run_id, "store/labels.csv", pd.read_csv)
    exclusions = tracking.artifact(run.run_id, "store/exclusions.csv", pd.read_csv)
    return Source(
        fact_table(facts),
        nothing[0] if labels is None else labels,
        nothing[1] if exclusions is None else exclusions,
        None,
    )


def _of_best(best: pd.DataFrame, path: str, read: Callable[[Path], T]) -> dict[str, T]:
    """Return an artifact of each label's best run, by label, where it has one."""
    found = {}
    for row in best.to_dict("records"):
        artifact = tracking.artifact(row["run_id"], path, read)
        if artifact is not None:
            found[str(row["label"])] = artifact
    return found
