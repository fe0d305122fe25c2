"""From a training run to a judged candidate: what the gate needs is gathered from MLflow and the store."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.entities.model_registry import ModelVersion

from hemo import families, tracking
from hemo.config import Experiment
from hemo.errors import HemoError
from hemo.evaluation import predictions
from hemo.evaluation.summary import DRAWS, Summary, summarize
from hemo.registry import aliases, gate, stressed, trusted
from hemo.registry.evidence import Fall
from hemo.registry.gate import Candidate, Incumbent, Verdict
from hemo.registry.names import model_name
from hemo.serving import member
from hemo.slices import stored
from hemo.slices.store import SliceStore
from hemo.synthetic import is_synthetic
from hemo.tracking import Run, trained_on


@dataclass(frozen=True)
class Judgement:
    """A label's candidate, judged.

    Attributes
    ----------
    label
        One of the six.
    run
        The candidate's training run.
    tested
        The summary of its predictions of tested slices.
    verdict
        What the gate found.
    incumbent
        What was in production, if anything was.
    data
        What the store of the training run says of itself, where it is at hand.
    """

    label: str
    run: Run
    tested: Summary
    verdict: Verdict
    incumbent: Incumbent | None
    data: Mapping[str, Any]


def judge(config: Experiment, label: str, run_id: str) -> Judgement:
    """Judge the training run that is a label's candidate.

    Parameters
    ----------
    config : Experiment
        With the gate's conditions, and the store for evaluating an incumbent again.
    label, run_id : str
        The candidate.

    Raises
    ------
    DiffersError
        If its predictions are not as the run recorded them: of others no verdict is worth anything.
    """
    run = tracking.get_run(run_id)
    tags = run.tags
    table = tracking.load_predictions(run_id)
    fault, gap = _loaded_back(run)
    candidate = Candidate(
        protocol=run.protocol,
        loaded_back_gap=gap,
        fault=fault,
        recorded=run.recorded,
        patients_known=tags.get("patients_known", "true") == "true",
        synthetic=is_synthetic(tags),
        stress=_fall(run_id) if config.gate.max_stress_drop is not None else None,
    )
    store = _store(run, config.store_folder)
    tested = _summarized(run, table)
    incumbent = _incumbent(store, label, run, tested)
    verdict = gate.judge(tested, candidate, config.gate, incumbent)
    return Judgement(label, run, tested, verdict, incumbent, _data(store))


def _fall(run_id: str) -> Fall | None:
    """Return the change that costs a run most of its AUC; None where nobody has tried all of them."""
    found = stressed.newest(run_id)
    if found is None or not found.complete:
        return None
    row = found.worst
    return Fall("no change", float("nan")) if row is None else Fall(row["change"], -float(row["difference"]))


def _summarized(run: Run, table: pd.DataFrame) -> Summary:
    """Summarize with the draws and seed of the run's own metrics, where it says them, as new runs do."""
    draws, seed = (run.params.get(f"train.{name}") for name in ("draws", "seed"))
    return summarize(table, int(draws or DRAWS), int(seed or 0), by_study=tracking.load_studies(run.run_id))


def _store(run: Run, folder: Path) -> SliceStore | HemoError:
    """Return the store that a run was trained on; where it is not at hand, the reason."""
    try:
        return trained_on.find(run, folder)
    except HemoError as fault:
        return fault


def _data(store: SliceStore | HemoError) -> dict[str, Any]:
    """Return what a model card says of the data: counts, and exclusions with their reasons."""
    if isinstance(store, HemoError):
        return {"slice store": "not at hand when this was written"}
    facts = store.facts
    counts: dict[str, Any] = {
        name: facts[name] for name in ("slices", "patients", "studies") if name in facts
    }
    excluded = {f"excluded: {reason}": number for reason, number in facts["excluded"].items()}
    made = store.reduction
    return {
        **{f"{name} in the store": number for name, number in counts.items()},
        **(excluded or {"excluded": "none"}),
        "size in pixels": f"{made.size} x {made.size}",
        "windows": made.windows,
        "cropped to the head": made.crop,
        "resampling": made.resampling,
        "neighbouring slices as channels": made.neighbours,
    }


def _loaded_back(run: Run) -> tuple[str, float]:
    """Return why the model of a run cannot be loaded and used now, and how far it is from the run's answers.

    The first is empty where it can, the second NaN where it cannot, or where no answers are recorded. Of runs
    of before there were digests it is what the training logged.
    """
    try:
        loaded = tracking.load_model(model_uri(run)).unwrap_python_model()
        if not run.recorded:
            return "", run.metrics.get("model/loaded_back_gap", float("nan"))
        gap = tracking.artifact(run.run_id, tracking.ANSWERS, partial(member.gap, loaded.member))
    except Exception as fault:  # whatever a broken model raises is the reason to refuse it
        return " ".join(str(fault).split())[:200] or type(fault).__name__, float("nan")
    return "", float("nan") if gap is None else gap


def model_uri(run: Run) -> str:
    """Return the URI of the model that a training run logged."""
    if not run.model_uri:
        raise HemoError(f"run {run.name} ({run.run_id}) has no model: train again")
    return run.model_uri


def _incumbent(store: SliceStore | HemoError, label: str, run: Run, tested: Summary) -> Incumbent | None:
    """Return what is in production, with its predictions for the candidate's tested slices and studies."""
    number = aliases.current(model_name(label)).get("production")
    if number is None:
        return None
    version = tracking.client().get_model_version(model_name(label), number)
    there = Incumbent(number, families.word_of(version.tags), None, "", synthetic=is_synthetic(version.tags))
    if version.run_id == run.run_id:
        return replace(there, same_run=True)
    try:
        other = tracking.get_run(version.run_id) if version.run_id else None
        if other is not None and other.digests == run.digests:
            table = tracking.load_predictions(other.run_id)
            studies = tracking.load_studies(other.run_id)
            studies = predictions.study_table(table) if studies is None else studies
            return replace(there, table=table, studies=studies, how="tested on the same split")
        table, studies = _evaluate_again(store, version, tested)
        how = "evaluated again on what the candidate was tested on, some of which it may have learned from"
        return replace(there, table=table, studies=studies, how=how)
    except (HemoError, mlflow.MlflowException, OSError) as fault:
        return replace(there, how=" ".join(str(fault).split())[:200])


def _evaluate_again(
    store: SliceStore | HemoError, version: ModelVersion, tested: Summary
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Predict the candidate's tested slices and studies with the incumbent, where the store is at hand."""
    if isinstance(store, HemoError):
        raise store
    uri = f"models:/{version.name}/{version.version}"
    served = trusted.load(uri).unwrap_python_model().member
    if served.reduction != store.reduction:
        raise HemoError("it takes slices of another size, window or crop than the candidate's store holds")
    test, whole = tested.table, tested.by_study
    once = predictions.once(test)  # it says the same in every deal of the patients
    if not once["slice_id"].isin(store.index["slice_id"]).all():
        raise HemoError("its slices are called otherwise in the store by now: train it again")
    rows = pd.Series(range(len(store)), store.index["slice_id"]).loc[once["slice_id"]].to_numpy()
    of_slice = pd.Series(served.probability(stored.slices(store, rows), store.stack[rows]), once["slice_id"])
    probability = of_slice.loc[test["slice_id"]].to_numpy()
    again = test.assign(probability=probability, **served.at._asdict())
    if whole is None:
        return again, None
    rows = np.flatnonzero(store.index["study"].isin(whole["study"]))
    study = store.index["study"].to_numpy()[rows]
    found = served.scores(stored.slices(store, rows), store.stack[rows])
    judged = served.study_probability(found.probability, study, found.attention)
    score = pd.Series(judged, pd.unique(study))
    scored = score.loc[whole["study"]].to_numpy()
    return again, whole.assign(probability=scored, **served.study_at._asdict())
