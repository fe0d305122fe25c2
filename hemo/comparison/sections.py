"""The comparison page's sections beside the leaderboard: data, split, failures, settings, digests."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from hemo import families, tracking
from hemo.comparison.differences import Tables
from hemo.comparison.leaderboard import Comparison
from hemo.config import Experiment
from hemo.display.report import fact_table
from hemo.errors import HemoError
from hemo.labels import LABELS
from hemo.tracking import trained_on

GALLERY = "plots/failures.png"
"""Where a training run keeps its failure gallery."""


EXPERIMENT = "The experiment"
"""Caption of the table of the experiment's words."""


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
        `patient` and the six labels of every slice; None where the store is not at hand.
    """

    facts: pd.DataFrame
    labels: pd.DataFrame
    exclusions: pd.DataFrame
    index: pd.DataFrame | None


def source(found: Comparison, config: Experiment) -> Source:
    """Describe the data from the store itself where it is at hand, else from the run that made it."""
    one = tracking.get_run(found.leaderboard["run_id"].iloc[0])
    try:
        store = trained_on.find(one, config.store_folder)
    except HemoError:
        return _from_run(found)
    facts = {
        "slices": len(store),
        "patients": store.facts["patients"],
        "studies": store.facts["studies"],
        "every slice names its patient": store.patients_known,
        **{f"reduction: {word}": value for word, value in store.reduction.to_json().items()},
    }
    return Source(
        fact_table(facts), store.counts(), store.exclusion_counts(), store.index[["patient", *LABELS]]
    )


def _from_run(found: Comparison) -> Source:
    """Describe the data as the newest run that preprocessed it did."""
    runs = tracking.find_runs(found.experiment, stage="preprocess", data_digest=found.data_digest, most=1)
    nothing = pd.DataFrame(columns=["label"]), pd.DataFrame(columns=["reason", "files"])
    if not runs:
        return Source(fact_table({"the store": "not at hand, nor the run that made it"}), *nothing, None)
    run = runs[0]
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


def data(known: Source) -> tuple[str, Mapping[str, pd.DataFrame]]:
    """Return text and tables of the section on data and exclusions."""
    tables = {"The store": known.facts}
    if len(known.labels):
        tables["Labels, in slices and patients"] = known.labels
    if len(known.exclusions):
        tables["Excluded files by reason"] = known.exclusions
        text = f"{int(known.exclusions['files'].sum())} files were excluded; each is listed in the store."
    else:
        text = "No excluded file is on record."
    return text, tables


def split(found: Comparison, tables: Tables, index: pd.DataFrame | None) -> pd.DataFrame:
    """Return how patients were dealt: a row a part or fold, positives as `slices (patients)` of each label.

    Without the store's index, positives are those of predicted slices. Under `paper` there are no parts of
    patients, and the table has no rows.
    """
    dealt = tracking.artifact(found.leaderboard["run_id"].iloc[0], "split/split.csv", pd.read_csv)
    if dealt is None:
        return pd.DataFrame()
    where = dealt.columns[1]
    place = dealt.astype({"patient": str}).set_index("patient")[where]
    slices = _predicted(found, tables) if index is None else index
    rows = []
    for part in sorted(place.unique(), key=_order):
        members = slices[slices["patient"].map(place) == part]
        row: dict[str, Any] = {
            where: str(part),
            "patients": int((place == part).sum()),
            "slices": len(members),
        }
        for label in [label for label in LABELS if label in members]:
            positive = members[members[label] == 1]
            row[label] = f"{len(positive)} ({positive['patient'].nunique()})"
        rows.append(row)
    return pd.DataFrame(rows)


def _predicted(found: Comparison, tables: Tables) -> pd.DataFrame:
    """Return patient and truths of every predicted slice."""
    joined = pd.DataFrame()
    for row in found.leaderboard.drop_duplicates("label").to_dict("records"):
        table = tables[row["run_id"]].set_index("slice_id")
        joined = joined.combine_first(
            pd.DataFrame({"patient": table["patient"], str(row["label"]): table["truth"]})
        )
    return joined.reset_index(drop=True)


def _order(part: Any) -> tuple[int, str]:
    names = ("train", "validation", "test")
    return (names.index(part), "") if part in names else (int(part), "")


def failures(best: pd.DataFrame) -> dict[str, bytes]:
    """Return the failure gallery (PNG) of each label's best run, by label."""
    found = {}
    for row in best.to_dict("records"):
        gallery = tracking.artifact(row["run_id"], GALLERY, Path.read_bytes)
        if gallery is not None:
            found[str(row["label"])] = gallery
    return found


def settings(found: Comparison, config: Experiment) -> dict[str, pd.DataFrame]:
    """Return the experiment's words, and the resolved parameters of each family."""
    words = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in config.model_dump(mode="json").items()
        if name != "families"
    }
    rows = []
    for family, runs in found.leaderboard.groupby("family", sort=False):
        resolved = tracking.get_run(runs["run_id"].iloc[0]).resolved()
        described = ", ".join(f"{name} {value or 'none'}" for name, value in sorted(resolved.items()))
        rows.append({"family": families.title(str(family)), "parameters": described})
    title = "Parameters of the families (tuned ones can differ between labels; here of the first)"
    return {EXPERIMENT: fact_table(words), title: pd.DataFrame(rows)}


def digests(found: Comparison) -> dict[str, pd.DataFrame]:
    """Return what identifies data, split, code and runs."""
    facts = {
        "data digest": found.data_digest,
        "split digest": found.split_digest,
        "protocol": found.protocol,
        "code of this comparison": tracking.git_commit(),
        **tracking.versions(),
    }
    rows = []
    for row in found.leaderboard.to_dict("records"):
        tags = tracking.get_run(row["run_id"]).tags
        words = {"label": str(row["label"]), "family": row["family"], "run": row["run_id"]}
        rows.append({**words, "seed": tags.get("seed", ""), "code": tags.get("git_commit", "")})
    return {"Data, split and software": fact_table(facts), "Runs": pd.DataFrame(rows)}
