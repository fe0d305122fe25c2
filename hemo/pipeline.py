"""The whole way of an experiment: data, store, split, training runs, comparison, promotion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow

from hemo import console, executors, families, tracking
from hemo.config import Experiment
from hemo.errors import HemoError
from hemo.labels import LABELS
from hemo.runs import recording
from hemo.runs.recording import Work
from hemo.slices.split import make_split
from hemo.slices.store import SliceStore
from hemo.training import Plan, Trained, train
from hemo.training.all_labels import train_together


@dataclass(frozen=True)
class Job:
    """One training for a worker process: everything it needs to know, and what comes of it."""

    works: tuple[Work, ...]
    plan: Plan
    store: Path
    experiment: str
    parent: str | None


@dataclass(frozen=True)
class Outcome:
    """What the whole way came to.

    Attributes
    ----------
    failed
        Names of trainings that failed, each with its fault.
    in_production
        Whether any label has a classifier in production.
    """

    failed: list[tuple[str, str]]
    in_production: bool


def prepare_store(config: Experiment, parent: str | None = None) -> SliceStore:
    """Return the experiment's store, first making the phantom and the store where they are wanted.

    Parameters
    ----------
    config : Experiment
        With `images`, the store is made from them (what is there already is kept); without, an existing
        store is taken as it is, and where there is none it is made from the phantom.
    parent : str, optional
        Run below which the preprocessing is logged.
    """
    store = config.store_folder
    if not config.images and (store / "store.json").is_file():
        return SliceStore.open(store)
    images, labels = config.images, config.labels
    if not images:
        images = str(config.folder / "phantom")
        labels = make_phantom(config, Path(images))
    preprocess_into(config, Path(images), Path(labels) if labels else None)
    opened = SliceStore.open(store)
    if parent:
        experiment = tracking.client().get_run(parent).info.experiment_id
        with tracking.start_run(
            experiment, "preprocess", {"stage": "preprocess", "dataset": dataset_name(config)}, parent
        ):
            recording.record_store(opened)
    return opened


def make_plan(config: Experiment, store: SliceStore) -> Plan:
    """Return how the experiment's classifiers are trained on a store."""
    split = None
    if config.protocol != "paper":
        split = make_split(store.index, config.protocol, config.seed, folds=config.folds)
    return Plan(
        split, config.sampling, config.operating_point, config.positives, config.seed, config.calibration
    )


def train_all(
    config: Experiment,
    store: SliceStore,
    chosen: Mapping[str, Mapping[str, Any]],
    labels: Sequence[str],
    experiment: str,
    parent: str,
) -> list[tuple[str, str]]:
    """Train families on labels, each in a run below `parent`; return names and faults of failed ones."""
    plan = make_plan(config, store)
    together = [word for word in chosen if families.get(word).together]
    works: list[tuple[Work, ...]] = [
        (make_work(config, word, label, params),)
        for label in labels  # linear families share the decomposition of a label's slices
        for word, params in chosen.items()
        if word not in together
    ]
    works += [tuple(make_work(config, word, label, chosen[word]) for label in labels) for word in together]
    jobs = [Job(some, plan, store.folder, experiment, parent) for some in works]
    # The slow families first, so that no worker is left alone with one at the end.
    jobs.sort(key=lambda job: not families.get(job.works[0].family).neural)
    failed = []
    outcomes = executors.run_all(train_in_runs, jobs, config.workers)
    for job, outcome in console.track(outcomes, "training", len(jobs)):
        results = [outcome] * len(job.works) if isinstance(outcome, Exception) else outcome
        for work, result in zip(job.works, results, strict=True):
            if isinstance(result, Exception):
                failed.append((work.name, str(result) or type(result).__name__))
                console.err.print(f"[red]{work.name} failed:[/red] {result}")
            else:
                console.err.print(f"{work.name}: {result}")
    return failed


def make_work(config: Experiment, word: str, label: str, params: Mapping[str, Any]) -> Work:
    """Return the training of a family, or of a variant of it, on one label."""
    family, variant = families.variant(word)
    return Work(family, label, params, dataset_name(config), config.draws, variant)


def train_in_runs(job: Job) -> list[str | HemoError]:
    """Train one family on one label, or on all together, inside a run for each; return their figures."""
    store = SliceStore.open(job.store)
    first = job.works[0]
    family = families.get(first.family)
    learnt = train_together(store, job.plan, first.family, first.params) if family.together else {}
    results: list[str | HemoError] = []
    for work in job.works:
        trained = learnt.get(work.label)
        if isinstance(trained, HemoError):
            results.append(trained)
            continue
        tags = recording.run_tags(work, job.plan, store)
        with tracking.start_run(job.experiment, work.name, tags, job.parent, system_metrics=family.neural):
            results.append(train_and_record(work, job.plan, store, trained))
    return results


def train_and_record(work: Work, plan: Plan, store: SliceStore, trained: Trained | None = None) -> str:
    """Train, where that is not done, and log to the active run; return the figures in a line."""
    if trained is None and families.get(work.family).together:
        learnt = train_together(store, plan, work.family, work.params)[work.label]
        if isinstance(learnt, HemoError):
            raise learnt
        trained = learnt
    if trained is None:
        trained = train(store, plan, work.family, work.label, work.params)
    return recording.record(trained, work, plan, store)


def train_family(config: Experiment, family: str, labels: Sequence[str]) -> list[tuple[str, str]]:
    """Train one family: on one label in the root run itself, on several in runs below it."""
    store = SliceStore.open(config.store_folder)
    experiment = tracking.experiment_id(config.name)
    params = config.families.get(family, {})
    if len(labels) == 1:
        work = make_work(config, family, labels[0], params)
        plan = make_plan(config, store)
        with tracking.root_run(experiment, work.name, recording.run_tags(work, plan, store)):
            console.err.print(f"{work.name}: {train_and_record(work, plan, store)}")
        return []
    tags = {"stage": "group", "family": family, "dataset": dataset_name(config)}
    with tracking.root_run(experiment, f"{family}/all labels", tags) as root:
        failed = train_all(config, store, {family: params}, labels, experiment, root)
        recording.note_group(root, family, dataset_name(config))
    return failed


def run_experiment(config: Experiment, file: str | None) -> Outcome:
    """Go the whole way: store, training runs, comparison, promotion, as runs below one root run.

    Raises
    ------
    HemoError
        If no training succeeded.
    """
    from hemo.comparison.page import log_comparison, print_comparison
    from hemo.comparison.paper import page, tables
    from hemo.registry import promotion

    experiment = tracking.experiment_id(config.name)
    tags = {"stage": "experiment", "dataset": dataset_name(config), "protocol": config.protocol}
    with tracking.root_run(experiment, config.name, tags) as root:
        if file:
            mlflow.log_artifact(file, "experiment")
        store = prepare_store(config, root)
        failed = train_all(config, store, config.families, LABELS, experiment, root)
        if len(failed) == len(config.families) * len(LABELS):
            raise HemoError(f"no training succeeded; the first fault: {failed[0][0]}: {failed[0][1]}")
        comparison = log_comparison(config, experiment, root)
        print_comparison(comparison)
        if config.protocol == "paper":
            page.print_paper(tables.log_paper(config, experiment, root))
        decisions = promotion.promote_and_print(config, experiment, root)
    return Outcome(failed, bool((decisions["production"] != "none").any()))


def make_phantom(config: Experiment, folder: Path) -> str:
    """Make the phantom's studies where they are not there yet; return the path of its label table."""
    from hemo.phantom import files

    table = folder / "labels.csv"
    if not table.is_file():
        files.write(folder, **config.phantom.model_dump(), seed=config.seed, workers=config.workers)
    return str(table)


def preprocess_into(config: Experiment, images: Path, labels: Path | None) -> None:
    """Read images and labels into the experiment's store, with a progress bar."""
    from hemo.imaging import Reduction
    from hemo.slices.preprocess import preprocess

    preprocess(
        images,
        labels,
        config.store_folder,
        Reduction(**config.reduction.model_dump()),
        workers=config.workers,
        progress=lambda ticks, total: console.track(ticks, "reading scans", total),
    )


def dataset_name(config: Experiment) -> str:
    """Return the name of an experiment's data for people."""
    return config.name if config.images or config.store else "phantom"
