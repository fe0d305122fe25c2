"""The steps from an experiment and a store to training runs: plan, trainings, a run for each."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from hemo import cluster, console, families, tracking
from hemo.cluster import Cluster
from hemo.config import Experiment
from hemo.errors import HemoError
from hemo.labels import LABELS
from hemo.runs import recording
from hemo.runs.ahead import FeaturesOf, FoldOf, Group, Task, dealt
from hemo.runs.epochs import LoggedEpochs
from hemo.runs.planning import make_plan
from hemo.slices.store import SliceStore
from hemo.training import Trained, Training, train_label, train_together

Failed = list[tuple[str, str]]
"""Names of trainings that failed, each with its fault."""

Outcome = tuple[Task, list[str | HemoError] | Exception]
"""A task with what came of each of its trainings, or the fault that ended it."""


Progress = Callable[[Iterator[Outcome], int], Iterator[Outcome]]
"""Shows how far the tasks are: wraps what comes of them, given their number."""


def make_trainings(
    config: Experiment,
    store: SliceStore,
    chosen: Mapping[str, Mapping[str, Any]],
    labels: Sequence[str] = LABELS,
) -> list[Training]:
    """Return the training of each family, with its own parameters, on each label."""
    plan = make_plan(config, store)
    return [
        Training(store, plan, word, label, params, config.dataset)
        for label in labels  # linear families share the decomposition of a label's slices
        for word, params in chosen.items()
    ]


def teachable(trainings: Sequence[Training]) -> list[Training]:
    """Return the trainings that have labels to learn from, and say in a line which have none.

    Where only studies are labelled, families that learn from slices are left out, and labels that the store
    says nothing of are: that is no failure.

    Raises
    ------
    HemoError
        If none is left.
    """
    of_label = {one.label: one for one in trainings}
    unknown = [label for label, one in of_label.items() if one.unlabelled]
    of_studies = {label for label, one in of_label.items() if one.only_studies_labelled}
    said = [f"{', '.join(unknown)}: neither a slice nor a study of the store is labelled"] if unknown else []
    kept = [one for one in trainings if one.label not in unknown]
    left_out = [one for one in kept if one.label in of_studies and not _learns_from_studies(one.family)]
    if left_out:
        words = ", ".join(dict.fromkeys(one.word for one in left_out))
        labels = ", ".join(dict.fromkeys(one.label for one in left_out))
        can = ", ".join(filter(_learns_from_studies, families.built_in()))
        said.append(
            f"{words}: no slice of the store is labelled 1 for {labels}: they need labels of slices, "
            f"{can} learns from studies"
        )
        kept = [one for one in kept if one.label not in of_studies or _learns_from_studies(one.family)]
    if trainings and not kept:
        raise HemoError("; ".join(said))
    for line in said:
        console.err.print(f"skipped: {line}", markup=False)
    return kept


def _learns_from_studies(family: str) -> bool:
    return families.get(family).study_labels


def unfinished(trainings: Sequence[Training], experiment: str) -> list[Training]:
    """Return the trainings that no run has finished yet, and say in a line how many one has.

    A finished run stands for a training of the same data, split, seed, parameters and code. It has to be the
    newest of its family and label, which is what a comparison takes; code that was changed since its commit
    is known by nothing, and trained again.

    Parameters
    ----------
    trainings
        What is asked for.
    experiment
        Id of the experiment in MLflow.
    """
    newest: dict[str, tracking.Run] = {}
    for run in tracking.training_runs(experiment):
        newest.setdefault(f"{run.word}/{run.label}", run)
    left = [one for one in trainings if not recording.is_of(newest.get(one.name), one)]
    needed = {recording.kept_of(one) for one in left}
    for kept in {recording.kept_of(one) for one in trainings} - needed:
        kept.drop()  # the training was killed right behind its end
    if taken := len(trainings) - len(left):
        console.err.print(
            f"{taken} of {len(trainings)} trainings are finished: the same data, split, parameters and code. "
            "They are taken as they are (--fresh trains them anew)."
        )
    return left


def anew(trainings: Sequence[Training]) -> Sequence[Training]:
    """Return the trainings, with nothing left of what an earlier start of them had finished."""
    for one in trainings:
        recording.kept_of(one).drop()
    return trainings


def train_all(
    trainings: Sequence[Training],
    experiment: str,
    parent: str,
    workers: int,
    progress: Progress,
    place: Cluster | None = None,
) -> Failed:
    """Train, each in a run below `parent`, and say what came of it; return the failed ones and why.

    Raises
    ------
    HemoError
        If they are to be trained on a cluster (`place`) that could not reach the tracking store.
    """
    if place:
        tracking.check_shared()
    tasks, after = dealt(by_fit(trainings), cluster.size(place, workers))
    failed = []
    do = partial(_do, experiment, parent, train_again if place else train_in_runs)
    outcomes = cluster.run_all(place, do, tasks, workers, after)
    for task, outcome in progress(_said(outcomes, tasks, workers), len(tasks)):
        if isinstance(task, FeaturesOf | FoldOf):
            if isinstance(outcome, Exception):  # the trainings that need it make it themselves
                console.err.print(f"{task.name} failed: {outcome}", style="yellow")
            continue
        results = [outcome] * len(task) if isinstance(outcome, Exception) else outcome
        for training, result in zip(task, results, strict=True):
            if isinstance(result, Exception):
                failed.append((training.name, str(result) or type(result).__name__))
                console.err.print(f"{training.name} failed: {result}", style="red")
            else:
                console.err.print(f"{training.name}: {result}")
    if place:
        tracking.close_lost(experiment, parent)
    return failed


NAMED = 3
"""Tasks that are named as under way: a line is read, a cluster's whole list is not."""


def _said(outcomes: Iterable[Outcome], tasks: Sequence[Task], workers: int) -> Iterator[Outcome]:
    """Yield the outcomes, and say meanwhile what is done: the first of the tasks that are left."""
    left = list(tasks)
    console.step(_names(left[:workers]))
    for task, outcome in outcomes:
        left = [one for one in left if one is not task]
        console.step(_names(left[:workers]))
        yield task, outcome


def _names(tasks: Sequence[Task]) -> str:
    """Return what the first of some tasks are called; a family that learns labels together by its name."""
    names = [
        task.name
        if isinstance(task, FeaturesOf | FoldOf)
        else task[0].name
        if len(task) == 1
        else task[0].word
        for task in tasks[:NAMED]
    ]
    return " and ".join([*names, f"{len(tasks) - NAMED} more"] if len(tasks) > NAMED else names)


def _do(
    experiment: str,
    parent: str,
    train: Callable[[str, str, Group], list[str | HemoError]],
    task: Task,
) -> list[str | HemoError]:
    """Do a task: a fit in its runs, or what is done ahead of it."""
    if isinstance(task, FeaturesOf | FoldOf):
        task.make()
        return []
    return train(experiment, parent, task)


def by_fit(trainings: Sequence[Training]) -> list[Group]:
    """Return the trainings by fits: a family that learns labels together has one for all of them."""
    alone = [one for one in trainings if not families.get(one.family).together]
    together = [one for one in trainings if families.get(one.family).together]
    groups: list[Group] = [(one,) for one in alone]
    for word in dict.fromkeys(one.word for one in together):
        groups.append(tuple(one for one in together if one.word == word))
    # The slow families first, so that no worker is left alone with one at the end.
    return sorted(groups, key=lambda group: not families.get(group[0].family).neural)


def train_again(experiment: str, parent: str, group: Group) -> list[str | HemoError]:
    """Do what `train_in_runs` does, where an earlier attempt at it may have been lost with its worker.

    What that one has finished is taken; runs that it left open are closed.
    """
    names = {one.name for one in group}
    tracking.close_lost(experiment, parent, names)
    done = {
        run.name
        for run in tracking.training_runs(experiment, **{"`mlflow.parentRunId`": parent})
        if run.name in names
    }
    left = tuple(one for one in group if one.name not in done)
    results = iter(train_in_runs(experiment, parent, left) if left else ())
    taken = "finished by a worker that was lost behind it"
    return [taken if one.name in done else next(results) for one in group]


def train_in_runs(experiment: str, parent: str, group: Group) -> list[str | HemoError]:
    """Train one family on one label, or on all together, inside a run for each; return their metrics.

    Parameters
    ----------
    experiment, parent
        Id of the experiment in MLflow, and the run below which they are.
    group
        One training; or of a family that learns labels together, one for each label.
    """
    family, kept = families.get(group[0].family), recording.kept_of(group[0])
    learnt = train_together(group[0], kept) if family.together else {}
    results: list[str | HemoError] = []
    for training in group:
        trained = learnt.get(training.label)
        if isinstance(trained, HemoError):
            results.append(trained)
            continue
        tags = recording.run_tags(training)
        with tracking.start_run(
            experiment, training.name, tags, parent, system_metrics=family.neural
        ) as run_id:
            results.append(train_and_record(training, run_id, trained))
    kept.drop()
    return results


def train_and_record(training: Training, run_id: str, trained: Trained | None = None) -> str:
    """Train, where that is not done, and log to a run; return the metrics in a line."""
    if trained:
        return recording.record(trained, training, run_id)
    trained = train_label(training, LoggedEpochs(run_id), recording.kept_of(training))
    return recording.record(trained, training, run_id, seen=not families.get(training.family).together)


def train_family(config: Experiment, family: str, labels: Sequence[str]) -> Failed:
    """Train one family: on one label here in the root run itself, else in runs below it."""
    store = SliceStore.open_checked(config.store_folder)
    experiment = tracking.experiment_id(config.name)
    params = config.families.get(family, {})
    if len(labels) == 1 and not config.place:
        training = Training(store, make_plan(config, store), family, labels[0], params, config.dataset)
        teachable([training])
        with tracking.root_run(experiment, training.name, recording.run_tags(training)) as run_id:
            console.err.print(f"{training.name}: {train_and_record(training, run_id)}")
        recording.kept_of(training).drop()
        return []
    tags = {"stage": "group", "family": family, "dataset": config.dataset}
    trainings = teachable(make_trainings(config, store, {family: params}, labels))
    with tracking.root_run(experiment, f"{family}/all labels", tags) as root:
        failed = train_all(trainings, experiment, root, config.workers, console.bar("training"), config.place)
        recording.note_group(root, family, config.dataset)
    return failed
