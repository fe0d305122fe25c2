"""The whole way of an experiment: data, store, split, training runs, comparison, promotion."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hemo import cluster, console, tracking
from hemo.comparison import page as comparison_page
from hemo.config import Experiment
from hemo.errors import HemoError
from hemo.labels import LabelTable
from hemo.runs import store_recording
from hemo.runs.steps import Failed, anew, by_fit, make_trainings, teachable, train_all, unfinished
from hemo.slices import integrity
from hemo.slices.split import check_enough
from hemo.slices.store import SliceStore, read_facts


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

    failed: Failed
    in_production: bool


def run_experiment(config: Experiment, file: str | None, *, fresh: bool = False) -> Outcome:
    """Go the whole way: store, training runs, comparison, promotion, as runs below one root run.

    Trainings that a run has finished are taken as they are, and so are folds and epochs of those that were
    killed, unless all is to be made `fresh`.

    Raises
    ------
    HemoError
        If no training succeeded.
    """
    from hemo.comparison.paper import page as paper_page
    from hemo.comparison.paper import tables as paper_tables
    from hemo.registry import gate_page, promotion

    if config.place:  # what a cluster lacks is said before data are made for it
        tracking.check_shared()
        cluster.size(config.place, config.workers)
    experiment = tracking.experiment_id(config.name)
    tags = {"stage": "experiment", "dataset": config.dataset, "protocol": config.protocol}
    with tracking.root_run(experiment, config.name, tags) as root:
        if file:
            tracking.log_file(root, Path(file), "experiment")
        store = prepare_store(config, root)
        trainings = teachable(make_trainings(config, store, config.families))
        left = anew(trainings) if fresh else unfinished(trainings, experiment)
        failed = train_all(left, experiment, root, config.workers, console.bar("training"), config.place)
        if len(failed) == len(trainings):
            raise HemoError(f"no training succeeded; the first fault: {failed[0][0]}: {failed[0][1]}")

        def compare() -> None:
            console.step("comparing the families")
            found = comparison_page.log_comparison(config, experiment, root, store=store)
            comparison_page.print_comparison(found)

        try:
            decisions = promotion.promote(config, experiment, root)
        except Exception:  # the page tells what the gate answered, and is made where it could not
            compare()
            raise
        compare()
        if not config.protocol.by_patient:
            tables = paper_tables.log_paper(config, experiment, root)
            paper_page.print_paper(tables)
        gate_page.print_decisions(decisions)
    return Outcome(failed, bool((decisions["production"] != "none").any()))


def run_part(config: Experiment, only: str) -> None:
    """Go a part of the way: `store` makes the store; `K/N` trains the K-th (from 0) of N shares of the fits.

    Shares can be trained at the same time, of a store that is there. What is finished already is taken, so
    that the whole way, gone after all parts, finds everything there.

    Raises
    ------
    HemoError
        For another word, without a store, or if no training of the share succeeded.
    """
    number, _, of = only.partition("/")
    if only != "store" and not (number.isdigit() and of.isdigit() and int(number) < int(of)):
        raise HemoError(f"only '{only}': give store, or K/N with K below N, such as 0/12")
    experiment = tracking.experiment_id(config.name)
    tags = {"stage": "part", "dataset": config.dataset, "protocol": config.protocol}
    with tracking.root_run(experiment, f"{config.name}: {only}", tags) as root:
        if only == "store":
            prepare_store(config, root)
            return
        if not _is_finished(config.store_folder):
            raise HemoError(f"{config.store_folder}: no finished store yet: make it with --only store")
        store = SliceStore.open_checked(config.store_folder)
        share = by_fit(teachable(make_trainings(config, store, config.families)))[int(number) :: int(of)]
        left = unfinished([one for group in share for one in group], experiment)
        failed = train_all(left, experiment, root, config.workers, console.bar("training"), config.place)
        if left and len(failed) == len(left):
            raise HemoError(f"no training succeeded; the first fault: {failed[0][0]}: {failed[0][1]}")


def prepare_store(config: Experiment, parent: str | None = None) -> SliceStore:
    """Return the experiment's store, first making the phantom and the store where they are wanted.

    Parameters
    ----------
    config : Experiment
        With `images`, the store is made from them (what is there already is kept); without, an existing
        store is taken as it is, and where there is none it is made from the phantom. One that was begun so,
        and killed, is ended so; but in the experiment's own folder only: another may be begun of scans.
    parent : str, optional
        Run below which the preprocessing is logged.
    """
    folder = config.store_folder
    begun = not config.store and (config.folder / "phantom").is_dir()
    finished = _is_finished(folder) if begun else (folder / "store.json").is_file()
    if config.images or not finished:
        images, labels = Path(config.images), Path(config.labels) if config.labels else None
        if not config.images:
            images, labels = make_phantom(config)
        preprocess_into(config, images, labels)
    console.step("comparing the store with its digests")
    store = SliceStore.open_checked(config.store_folder)
    if parent and (config.images or not finished):
        experiment = tracking.get_run(parent).experiment
        tags = {"stage": "preprocess", "dataset": config.dataset}
        with tracking.start_run(experiment, "preprocess", tags, parent):
            store_recording.record_store(store)
    return store


def _check_enough(config: Experiment, table: LabelTable) -> None:
    """Raise HemoError where the label table of a new store names too few patients for the folds."""
    if table.patients is not None and config.protocol.by_patient and not read_facts(config.store_folder):
        check_enough(len(set(table.patients)), config.protocol, config.folds)


def _is_finished(folder: Path) -> bool:
    """Return whether the store in a folder is finished, with its files in place."""
    facts = read_facts(folder)
    return facts is not None and "digest" in facts and not (folder / integrity.NEXT).exists()


def make_phantom(config: Experiment) -> tuple[Path, Path]:
    """Make the phantom's studies where they are not there yet; return their folder and label table."""
    from hemo.phantom import files

    folder = config.folder / "phantom"
    table = folder / "labels.csv"
    if not table.is_file():
        files.write(
            folder,
            **config.phantom.model_dump(),
            seed=config.seed,
            workers=config.workers,
            progress=console.bar("phantom: patients"),
        )
    return folder, table


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
        place=config.place,
        progress=console.bar("reading scans"),
        check=partial(_check_enough, config),
    )
