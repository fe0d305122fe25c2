"""The whole way of an experiment: data, store, split, training runs, comparison, promotion."""

from dataclasses import dataclass
from pathlib import Path

from hemo import console, tracking
from hemo.comparison import page as comparison_page
from hemo.config import Experiment
from hemo.errors import HemoError
from hemo.labels import LABELS
from hemo.runs import recording
from hemo.runs.steps import Failed, train_all
from hemo.slices.store import SliceStore


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


def run_experiment(config: Experiment, file: str | None) -> Outcome:
    """Go the whole way: store, training runs, comparison, promotion, as runs below one root run.

    Raises
    ------
    HemoError
        If no training succeeded.
    """
    from hemo.comparison.paper import page as paper_page
    from hemo.comparison.paper import tables as paper_tables
    from hemo.registry import promotion

    experiment = tracking.experiment_id(config.name)
    tags = {"stage": "experiment", "dataset": config.dataset, "protocol": config.protocol}
    with tracking.root_run(experiment, config.name, tags) as root:
        if file:
            tracking.log_file(root, Path(file), "experiment")
        store = prepare_store(config, root)
        failed = train_all(config, store, config.families, LABELS, experiment, root)
        if len(failed) == len(config.families) * len(LABELS):
            raise HemoError(f"no training succeeded; the first fault: {failed[0][0]}: {failed[0][1]}")
        comparison_page.print_comparison(comparison_page.log_comparison(config, experiment, root))
        if not config.protocol.by_patient:
            paper_page.print_paper(paper_tables.log_paper(config, experiment, root))
        decisions = promotion.promote_and_print(config, experiment, root)
    return Outcome(failed, bool((decisions["production"] != "none").any()))


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
        experiment = tracking.get_run(parent).experiment
        tags = {"stage": "preprocess", "dataset": config.dataset}
        with tracking.start_run(experiment, "preprocess", tags, parent):
            recording.record_store(opened)
    return opened


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
