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

from hemo import console, families, pipeline, tracking
from hemo.config import Experiment
from hemo.config.tuning import Tuning
from hemo.errors import HemoError
from hemo.evaluation import objectives
from hemo.runs import recording
from hemo.runs.recording import Work
from hemo.slices.store import SliceStore
from hemo.training import Plan
from hemo.tuning import processes, record, results
from hemo.tuning import storage as storages
from hemo.tuning.folds import FOLDS, check_learnable
from hemo.tuning.mirror import Mirror
from hemo.tuning.trial import DEFAULT, EXPERIMENT, SETTINGS, Result, Task
from hemo.tuning.worker import Job

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
class Place:
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
    store = SliceStore.open(config.store_folder)
    experiment = tracking.experiment_id(config.name)
    storage = storages.open_storage(tuning.storage or storages.default_url(mlflow.get_tracking_uri()))
    outcomes, failed = [], []
    title = f"tune {', '.join(chosen)} on {', '.join(labels)}"
    tags = {"stage": "tuning", "dataset": pipeline.dataset_name(config), "protocol": "holdout"}
    with tracking.root_run(experiment, title, tags) as root:
        place = Place(config, tuning, store, storage, experiment, root)
        for family in chosen:
            shared: list[tuple[str, FrozenTrial]] = []
            for label in labels:
                name = study_name(config, family, label)
                try:
                    best, outcome = tune_one(place, family, label, shared)
                except HemoError as fault:
                    failed.append((name, str(fault)))
                    console.err.print(f"[red]{name} failed:[/red] {fault}", soft_wrap=True)
                    continue
                shared.insert(0, (label, best))
                outcomes.append(outcome)
    return outcomes, failed


def study_name(config: Experiment, family: str, label: str) -> str:
    """Return the name of a study: `experiment/family/label`."""
    return f"{config.name}/{family}/{label}"


def tune_one(
    place: Place, family: str, label: str, shared: Sequence[tuple[str, FrozenTrial]] = ()
) -> tuple[FrozenTrial, Outcome]:
    """Run (or go on with) one study, mirror it, and train with its best parameters; return the best trial."""
    config, store = place.config, place.store
    plan = holdout_plan(config, store)
    check_learnable(plan, store, label)
    job = make_job(config, place.tuning, store, plan, place.storage.url, family, label)
    study = begin(job, place.storage, store, shared)
    work = Work(family, label, {}, pipeline.dataset_name(config), config.draws)
    # The id tells the runs of a study from those of a deleted one of the same name.
    tags = recording.run_tags(work, plan, store)
    tags |= {"study": job.study, "study_id": study.user_attrs["id"]}
    with _study_run(study, place, f"{work.name} study", {**tags, "stage": "study"}) as run_id:
        mirror = Mirror(place.experiment, run_id, tags)
        console.err.print(f"{job.study}: {place.storage.url}", soft_wrap=True)
        found: FrozenTrial | None = None
        ended = processes.run(job, study, mirror)
        for trial in console.track(ended, job.study, job.budget.trials or 0):
            found = _say(trial, found, job)
        done = storages.patiently(lambda: storages.snapshot(study))
        mirror.look()
        mirror.sync(done.get_trials(deepcopy=False))
        best, default = results.best_trial(done), results.default_trial(done)
        tested = results.Refits(
            _refit(place, plan, work, tags, default, run_id) if default else "none",
            _refit(place, plan, dataclasses.replace(work, variant=TUNED), tags, best, run_id),
        )
        record.log_study(done, job, mirror, run_id, tested)
    states = results.counts(done.get_trials(deepcopy=False))
    return best, Outcome(job.study, results.values(done), states, tested)


def holdout_plan(config: Experiment, store: SliceStore) -> Plan:
    """Return the plan whose test patients tuning never sees, and by which the best is trained."""
    return pipeline.make_plan(config.model_copy(update={"protocol": "holdout"}), store)


def make_job(
    config: Experiment, tuning: Tuning, store: SliceStore, plan: Plan, url: str, family: str, label: str
) -> Job:
    """Return what the workers of a study have to know."""
    base = {**families.get(family).defaults, **config.families.get(family, {})}
    task = Task(family, base, objectives.parse(tuning.objective), plan.rule)
    name = study_name(config, family, label)
    return Job(name, url, task, label, plan, store.folder, tuning.budget_of(family), config.workers)


def begin(
    job: Job, storage: RDBStorage, store: SliceStore, shared: Sequence[tuple[str, FrozenTrial]] = ()
) -> Study:
    """Open or make a job's study.

    A new one begins with the experiment's own parameters, where it has any, the family's defaults, and the
    best ones of other labels.
    """
    assert job.plan.split is not None
    facts = {
        "data": store.digest,
        "split": job.plan.split.digest,
        "folds": str(FOLDS),
        "sampling": job.plan.sampling,
        "objective": ",".join(job.task.objectives),
        "base parameters": str(sorted(job.task.base.items())),
    }
    study = storages.open_study(storage, job.study, objectives.directions(job.task.objectives), facts)
    if not any(_stands(trial) for trial in study.get_trials(deepcopy=False)):
        if _own_parameters(job):
            study.enqueue_trial({}, user_attrs={SETTINGS: EXPERIMENT})
        study.enqueue_trial(dict(families.get(job.task.family).default_trial), user_attrs={SETTINGS: DEFAULT})
        starts = [(label, trial.params) for label, trial in shared]
        starts.append(("modern", dict(families.get(job.task.family).modern_trial)))
        room = (job.budget.trials or len(starts) + 2) - len(study.get_trials(deepcopy=False))
        for origin, params in [one for one in starts if one[1]][: max(room, 0)]:
            study.enqueue_trial(params, user_attrs={"from": origin}, skip_if_exists=True)
    storages.recover(study)
    return study


def _stands(trial: FrozenTrial) -> bool:
    """Return whether a trial is one of the first, and has a value or will have one."""
    return SETTINGS in trial.user_attrs and trial.state not in (TrialState.FAIL, TrialState.PRUNED)


def _own_parameters(job: Job) -> bool:
    """Return whether the experiment sets a parameter that trials draw, so that the first of them differs."""
    family = families.get(job.task.family)
    drawn = family.suggest(FixedTrial(dict(family.default_trial)))  # type: ignore[arg-type]
    return any(job.task.base[name] != family.defaults[name] for name in drawn)


@contextmanager
def _study_run(study: Study, place: Place, name: str, tags: Mapping[str, str]) -> Iterator[str]:
    """Open a study's run again below the new root, or make it."""
    known = study.user_attrs.get("run_id")
    if known is None or not _exists(known, place.experiment):
        with tracking.start_run(place.experiment, name, tags, place.root) as run_id:
            study.set_user_attr("run_id", run_id)
            yield run_id
        return
    host, _, process = storages.process_name().rpartition(":")
    with mlflow.start_run(run_id=known, nested=True, log_system_metrics=False):
        mlflow.set_tags({**tags, "host": host, "process": process, "mlflow.parentRunId": place.root})
        yield known


def _exists(run_id: str, experiment: str) -> bool:
    try:
        run = tracking.client().get_run(run_id)
    except MlflowException:
        return False
    return run.info.experiment_id == experiment and run.info.lifecycle_stage == "active"


def _refit(
    place: Place, plan: Plan, work: Work, study: Mapping[str, str], trial: FrozenTrial, parent: str
) -> str:
    """Train with a trial's parameters as an ordinary run, unless an earlier start did; return its test AUC.

    Where that cannot be done (no positive patient to fit the operating point on, say), return the reason:
    the study stands without it.
    """
    marks = {"study_id": study["study_id"], "trial": str(trial.number)}
    marks["tuned"] = str(work.variant == TUNED).lower()
    known = tracking.training_runs(place.experiment, **marks)
    if known:
        return _line(known[0].data.metrics)
    result = Result.of(trial)
    assert result is not None
    work = dataclasses.replace(work, params=result.params)
    tags = {**recording.run_tags(work, plan, place.store), **marks, "study": study["study"]}
    try:
        with tracking.start_run(place.experiment, work.name, tags, parent) as run_id:
            pipeline.train_and_record(work, plan, place.store)
    except HemoError as fault:
        console.err.print(f"[red]{study['study']}: {work.name} not trained:[/red] {fault}", soft_wrap=True)
        return f"none: {fault}"
    return _line(tracking.client().get_run(run_id).data.metrics)


def _line(metrics: Mapping[str, float]) -> str:
    auc, low, high = (metrics.get(f"test/auc{suffix}", float("nan")) for suffix in ("", "_low", "_high"))
    return f"{auc:.3f} ({low:.3f} to {high:.3f})"


def _say(trial: FrozenTrial, best: FrozenTrial | None, job: Job) -> FrozenTrial | None:
    """Print a trial that is better than the best of this start, and return the better of the two."""
    result = Result.of(trial)
    if trial.state != TrialState.COMPLETE or result is None or len(job.task.objectives) > 1:
        return best
    objective = job.task.objectives[0]
    sign = -1 if objectives.RANKING[objective] == "maximize" else 1
    if best is not None and sign * trial.values[0] >= sign * best.values[0]:
        return best
    changed = [f"{name}={value}" for name, value in result.changed(job.task.base).items()]
    words = " ".join(changed) or "the defaults"
    console.err.print(
        f"  trial {trial.number}: {objective} {trial.values[0]:.4f} with {words}",
        markup=False,
        soft_wrap=True,
    )
    return trial
