"""Tune families on labels: a study each, its runs in MLflow, and the best parameters refitted."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import mlflow
from mlflow.exceptions import MlflowException
from optuna.storages import RDBStorage
from optuna.study import Study
from optuna.trial import FixedTrial, FrozenTrial, TrialState

from hemo import console, families, tracking
from hemo.config import Experiment
from hemo.config.tuning import Tuning
from hemo.errors import HemoError
from hemo.evaluation import objectives
from hemo.evaluation.protocols import Protocol
from hemo.runs import recording
from hemo.runs.planning import make_plan
from hemo.runs.steps import train_and_record
from hemo.slices.store import SliceStore
from hemo.tracking import faults
from hemo.tracking.tags import process_tags
from hemo.training import Plan, Training
from hemo.tuning import processes, record, results
from hemo.tuning import storage as storages
from hemo.tuning.folds import FOLDS, check_learnable
from hemo.tuning.mirror import Mirror
from hemo.tuning.spec import StudySpec
from hemo.tuning.trial import DEFAULT, EXPERIMENT, SETTINGS, Result

TUNED = "tuned"
"""Variant under which the best parameters are trained: `compare` shows `cnn@tuned` beside `cnn`."""


@dataclass(frozen=True)
class Outcome:
    """What a study came to.

    Attributes
    ----------
    study
        Its name.
    values
        First objective of the defaults and of the best trial.
    trials
        Number of trials in each state (see `results.counts`).
    tested
        AUC on test patients of the defaults and of the best.
    """

    study: str
    values: results.Values
    trials: Mapping[str, int]
    tested: results.Refits


@dataclass(frozen=True)
class TuningSession:
    """What the studies of one command share: settings, slices, databases, and the run they hang below."""

    config: Experiment
    tuning: Tuning
    store: SliceStore
    storage: RDBStorage
    experiment: str
    root: str


def tune(
    config: Experiment, tuning: Tuning, chosen: Sequence[str], labels: Sequence[str]
) -> tuple[list[Outcome], list[tuple[str, str]]]:
    """Tune families on labels, each pair in a study of its own below one run of MLflow.

    A study that was begun goes on. The best settings of a family on one label are tried for the next.

    Parameters
    ----------
    config : Experiment
        Store, families' parameters, seed and workers. Its protocol is not used: see `hemo.tuning`.
    tuning : Tuning
        Objective, budgets and storage.
    chosen, labels : sequences of str
        Families and labels.

    Returns
    -------
    outcomes, failed
        What each study came to, and names and reasons of those that could not be run.
    """
    store = SliceStore.open_checked(config.store_folder)
    experiment = tracking.experiment_id(config.name)
    storage = storages.open_storage(tuning.storage or storages.default_url(mlflow.get_tracking_uri()))
    if config.place:
        storages.check_shared(storage.url)
        tracking.check_shared()
    outcomes, failed = [], []
    title = f"tune {', '.join(chosen)} on {', '.join(labels)}"
    tags = {"stage": "tuning", "dataset": config.dataset, "protocol": Protocol.HOLDOUT}
    with tracking.root_run(experiment, title, tags) as root:
        session = TuningSession(config, tuning, store, storage, experiment, root)
        for family in chosen:
            shared: list[tuple[str, FrozenTrial]] = []
            for label in labels:
                name = study_name(config, family, label)
                try:
                    best, outcome = tune_one(session, family, label, shared)
                except HemoError as fault:
                    failed.append((name, str(fault)))
                    console.err.print(f"{name} failed: {fault}", soft_wrap=True, style="red")
                    continue
                shared.insert(0, (label, best))
                outcomes.append(outcome)
    return outcomes, failed


def study_name(config: Experiment, family: str, label: str) -> str:
    """Return the name of a study: `experiment/family/label`."""
    return f"{config.name}/{family}/{label}"


def tune_one(
    session: TuningSession, family: str, label: str, shared: Sequence[tuple[str, FrozenTrial]] = ()
) -> tuple[FrozenTrial, Outcome]:
    """Run (or go on with) one study, mirror it, and train with its best parameters; return the best trial."""
    spec = make_spec(session.config, session.tuning, session.store, session.storage.url, family, label)
    check_learnable(spec.training)
    study = begin(spec, session.storage, shared)
    # The id tells the runs of a study from those of a deleted one of the same name.
    tags = recording.run_tags(spec.training)
    tags |= {"study": spec.study, "study_id": study.user_attrs["id"]}
    with _study_run(study, session, f"{spec.training.name} study", {**tags, "stage": "study"}) as run_id:
        mirror = Mirror(session.experiment, run_id, tags)
        console.err.print(f"{spec.study}: {faults.shown(session.storage.url)}", soft_wrap=True)
        found: FrozenTrial | None = None
        ended = processes.run(spec, study, mirror, session.config.place)
        for trial in console.track(ended, spec.study, spec.budget.trials or 0):
            found = _say(trial, found, spec)
        done = storages.patiently(lambda: storages.snapshot(study))
        mirror.look()
        mirror.sync(done.get_trials(deepcopy=False))
        best, default = results.best_trial(done), results.default_trial(done)
        tested = results.Refits(
            _refit(spec.training, tags, default, run_id, tuned=False) if default else "none",
            _refit(spec.training, tags, best, run_id, tuned=True),
        )
        record.log_study(done, spec, mirror, run_id, tested)
    states = results.counts(done.get_trials(deepcopy=False))
    return best, Outcome(spec.study, results.values(done), states, tested)


def holdout_plan(config: Experiment, store: SliceStore) -> Plan:
    """Return the plan whose test patients tuning never sees, and by which the best is trained."""
    return make_plan(config, store, Protocol.HOLDOUT)


def make_spec(
    config: Experiment, tuning: Tuning, store: SliceStore, url: str, family: str, label: str
) -> StudySpec:
    """Return what the workers of a study have to know."""
    base = {**families.get(family).defaults, **config.families.get(family, {})}
    training = Training(store, holdout_plan(config, store), family, label, base, config.dataset)
    return StudySpec(
        study=study_name(config, family, label),
        url=url,
        training=training,
        objectives=objectives.parse(tuning.objective),
        budget=tuning.budget_of(family),
        workers=config.workers,
    )


def begin(spec: StudySpec, storage: RDBStorage, shared: Sequence[tuple[str, FrozenTrial]] = ()) -> Study:
    """Open or make a study.

    A new one begins with the experiment's own parameters, where it has any, the family's defaults, and the
    best ones of other labels.
    """
    training, family = spec.training, families.get(spec.family)
    facts = {
        "data": training.store.digest,
        "split": training.plan.split_digest,
        "folds": str(FOLDS),
        "sampling": training.plan.sampling,
        "objective": ",".join(spec.objectives),
        "base parameters": str(sorted(training.params.items())),
    }
    study = storages.open_study(storage, spec.study, objectives.directions(spec.objectives), facts)
    if not any(_stands(trial) for trial in study.get_trials(deepcopy=False)):
        if _own_parameters(spec):
            study.enqueue_trial({}, user_attrs={SETTINGS: EXPERIMENT})
        study.enqueue_trial(dict(family.default_trial), user_attrs={SETTINGS: DEFAULT})
        starts = [(label, trial.params) for label, trial in shared]
        starts.append(("modern", dict(family.modern_trial)))
        room = (spec.budget.trials or len(starts) + 2) - len(study.get_trials(deepcopy=False))
        for origin, params in [one for one in starts if one[1]][: max(room, 0)]:
            study.enqueue_trial(params, user_attrs={"from": origin}, skip_if_exists=True)
    storages.recover(study)
    return study


def _stands(trial: FrozenTrial) -> bool:
    """Return whether a trial is one of the first, and has a value or will have one."""
    return SETTINGS in trial.user_attrs and trial.state not in (TrialState.FAIL, TrialState.PRUNED)


def _own_parameters(spec: StudySpec) -> bool:
    """Return whether the experiment sets a parameter that trials draw, so that the first of them differs."""
    family = families.get(spec.family)
    drawn = family.suggest(FixedTrial(dict(family.default_trial)))  # type: ignore[arg-type]
    return any(spec.training.params[name] != family.defaults[name] for name in drawn)


@contextmanager
def _study_run(study: Study, session: TuningSession, name: str, tags: Mapping[str, str]) -> Iterator[str]:
    """Open a study's run again below the new root, or make it."""
    known = study.user_attrs.get("run_id")
    if known is None or not _exists(known, session.experiment):
        with tracking.start_run(session.experiment, name, tags, session.root) as run_id:
            study.set_user_attr("run_id", run_id)
            yield run_id
        return
    with mlflow.start_run(run_id=known, nested=True, log_system_metrics=False):
        mlflow.set_tags({**tags, **process_tags(), "mlflow.parentRunId": session.root})
        yield known


def _exists(run_id: str, experiment: str) -> bool:
    try:
        run = tracking.client().get_run(run_id)
    except MlflowException:
        return False
    return run.info.experiment_id == experiment and run.info.lifecycle_stage == "active"


def _refit(spec: Training, study: Mapping[str, str], trial: FrozenTrial, parent: str, *, tuned: bool) -> str:
    """Train with a trial's parameters as an ordinary run, unless an earlier start did; return its test AUC.

    Where that cannot be done (no positive patient to fit the operating point on, say), return the reason:
    the study stands without it.
    """
    experiment = tracking.get_run(parent).experiment
    marks = {"study_id": study["study_id"], "trial": str(trial.number), "tuned": str(tuned).lower()}
    result = Result.of(trial)
    assert result is not None
    word = f"{spec.family}@{TUNED}" if tuned else spec.word
    training = dataclasses.replace(spec, word=word, params=result.params)
    kept = recording.kept_of(training)
    known = tracking.training_runs(experiment, **marks)
    if known:
        kept.drop()
        return _line(known[0].metrics)
    tags = {**recording.run_tags(training), **marks, "study": study["study"]}
    try:
        with tracking.start_run(experiment, training.name, tags, parent) as run_id:
            train_and_record(training, run_id)
    except HemoError as fault:
        name = f"{study['study']}: {training.name}"
        console.err.print(f"{name} not trained: {fault}", soft_wrap=True, style="red")
        return f"none: {fault}"
    kept.drop()
    return _line(tracking.get_run(run_id).metrics)


def _line(metrics: Mapping[str, float]) -> str:
    auc, low, high = (metrics.get(f"test/auc{suffix}", float("nan")) for suffix in ("", "_low", "_high"))
    return f"{auc:.3f} ({low:.3f} to {high:.3f})"


def _say(trial: FrozenTrial, best: FrozenTrial | None, spec: StudySpec) -> FrozenTrial | None:
    """Print a trial that is better than the best of this start, and return the better of the two."""
    result = Result.of(trial)
    if trial.state != TrialState.COMPLETE or result is None or len(spec.objectives) > 1:
        return best
    objective = spec.objectives[0]
    sign = -1 if objectives.RANKING[objective] == "maximize" else 1
    if best is not None and sign * trial.values[0] >= sign * best.values[0]:
        return best
    changed = [f"{name}={value}" for name, value in result.changed(spec.training.params).items()]
    words = " ".join(changed) or "the defaults"
    console.err.print(
        f"  trial {trial.number}: {objective} {trial.values[0]:.4f} with {words}",
        markup=False,
        soft_wrap=True,
    )
    return trial
