"""Options that several commands share: the same word with the same meaning everywhere."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hemo.errors import HemoError
from hemo.imaging.formats import format_names
from hemo.slices.label_tables import FORMATS

if TYPE_CHECKING:
    from hemo.config import Experiment

Command = TypeVar("Command", bound=Callable[..., Any])

STORE = "data/store"
"""Where `preprocess` makes a slice store, and a family looks for one, unless they are told."""

QUICKSTART = "experiments/quickstart.yaml"


def experiment_file(default: str = "") -> Callable[[Command], Command]:
    """Return the option `--experiment` with the file that stands for none."""
    return click.option(
        "--experiment",
        metavar="FILE",
        default=default,
        show_default=bool(default),
        help="Experiment file (experiments/*.yaml); lists what differs from the defaults.",
    )


experiment = experiment_file()
images = click.option("--images", metavar="DIR", default="", help=f"Folder of scans: {format_names()}.")
labels = click.option("--labels", metavar="FILE", default="", help="Label table (CSV).")
labels_format = click.option(
    "--labels-format",
    type=click.Choice(["auto", *(one.name for one in FORMATS)]),
    default="auto",
    show_default=True,
    help="Form of the label table; auto tells it from the header.",
)
store = click.option("--store", metavar="DIR", default="", help="Folder of the slice store.")
protocol = click.option(
    "--protocol",
    metavar="WORD",
    default="",
    help="cv (folds by patient), holdout (train, validation, test by patient) or paper (by slice).",
)
label = click.option(
    "--label", metavar="WORD", default="all", show_default=True, help="One of the six labels, or all."
)
repeats = click.option(
    "--repeats",
    type=click.IntRange(1),
    default=None,
    help="How often patients are dealt to folds, each time anew: metrics are means (protocol cv).",
)
seed = click.option("--seed", type=int, default=None, help="The one seed all others come from.")
workers = click.option("--workers", type=click.IntRange(1), default=None, help="Parallel processes.")
dataset = click.option(
    "--dataset", metavar="NAME", default="", help="Name of the data, for the run; no patient's."
)
draws = click.option(
    "--draws",
    type=click.IntRange(100),
    default=2000,
    show_default=True,
    help="Bootstrap draws of the intervals.",
)
cluster = click.option(
    "--cluster",
    metavar="WORD",
    default="",
    help="Do the work elsewhere: slurm, or dask://HOST:PORT of a scheduler; none: here (docs/cluster.md).",
)
decoders = click.option(
    "--workers",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="Processes that decode in parallel.",
)


def parse_words(option: str, text: str) -> dict[str, Any]:
    """Read words like `solver=saga C=0.1 layers=[256,16]`; values are YAML.

    Raises
    ------
    HemoError
        If one has no value, or one that is not YAML; `option` is named.
    """
    import yaml

    found = {}
    for word in text.split():
        name, equals, value = word.partition("=")
        if not equals:
            raise HemoError(f"{option} '{word}': give name=value, several separated by spaces")
        try:
            found[name] = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError):
            raise HemoError(f"{option} '{word}': its value is not valid YAML: such as {name}=1") from None
    return found


def nested(text: str) -> dict[str, Any]:
    """Return the words of `--set` as an experiment file would have them: `gate.level=slice` is nested."""
    changes: dict[str, Any] = {}
    for word, value in parse_words("--set", text).items():
        *above, name = word.split(".")
        place = changes
        for section in above:
            if not isinstance(place.get(section), dict):
                place[section] = {}
            place = place[section]
        place[name] = value
    return changes


changes = click.option(
    "--set",
    "changes",
    metavar="WORDS",
    default="",
    help="Other words of the experiment file, like 'folds=3 gate.level=slice'.",
)


def together(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """Put several options on a command, in the order given."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def settings(experiment: str, changes: str, **words: Any) -> "Experiment":
    """Load an experiment file, with the words given on the command line above its own.

    Without a file the store is the one that `preprocess` makes where it is not told.
    """
    from hemo import config

    if not (experiment or words.get("store")):
        words["store"] = STORE
    return config.load(experiment, nested(changes), **words)


def of_newest(experiment: str) -> tuple["Experiment", str]:
    """Return an experiment's settings and its id in MLflow; without a file, of the newest training run.

    Where that was trained by `main`, its experiment file is beside its runs; else the defaults hold.
    """
    from hemo import config, console, tracking

    if experiment:
        settings = config.load(experiment)
        return settings, tracking.find_experiment(settings.name)
    found = tracking.newest_experiment()
    name = tracking.client().get_experiment(found).name
    console.err.print(f"experiment {name}, of the newest training run (--experiment FILE names another)")
    settings = config.load(None)
    for root in tracking.find_runs(found, most=1, stage="experiment"):
        for file in tracking.client().list_artifacts(root.run_id, "experiment"):
            settings = tracking.artifact(root.run_id, file.path, config.load) or settings
    return settings.model_copy(update={"name": name}), found


def examples(*lines: str) -> str:
    """Return command lines as the end of a command's help, each on a line of its own."""
    return "\n".join(["\b", "Example:", *(f"  {line}" for line in lines)])


def tracked(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command begin only where its files are there, and the tracking store answers.

    Files are looked for first: MLflow, which knows the store, takes seconds to load. See
    `hemo.tracking.reachable`.
    """

    @functools.wraps(command)
    def checked(*words: Any, **named: Any) -> None:
        for word, refuse in _REFUSALS.items():
            if (file := named.get(word)) and isinstance(file, str) and not Path(file).exists():
                refuse(file)
        from hemo.tracking import reachable

        reachable.check()
        command(*words, **named)

    return checked


def of_store(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command begin only where its slice store is there, before MLflow is loaded (see `settings`)."""

    @functools.wraps(command)
    def begun(*words: Any, store: str, **named: Any) -> None:
        asked = store or ("" if named.get("experiment") else STORE)
        if asked and not Path(asked).is_dir():
            from hemo.slices.store import SliceStore

            SliceStore.open(asked)
        command(*words, store=store, **named)

    return begun


def _refuse_experiment(file: str) -> None:
    from hemo import config

    config.load(file)


def _refuse_images(folder: str) -> None:
    from hemo.slices import sources

    sources.find_sources(Path(folder), [])


def _refuse_labels(file: str) -> None:
    from hemo.slices import label_tables

    label_tables.read_labels(file)


_REFUSALS = {"experiment": _refuse_experiment, "images": _refuse_images, "labels": _refuse_labels}
"""By option, what reads its file, and says what is wrong with one that is absent."""


def of_runs(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command that asks for earlier runs begin only where a tracking store is (see `tracked`).

    In another folder MLflow would make an empty database, and answer that nothing is known.
    """
    return where_runs_are(tracked(command))


def where_runs_are(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command begin only in a folder with a tracking database, where none is named elsewhere."""

    @functools.wraps(command)
    def begun(*words: Any, **named: Any) -> None:
        from hemo.registry import standing

        file = standing.database()
        if file is not None and not file.is_file():
            raise HemoError(
                f"{file.absolute()}: no tracking database is here: go to the folder that you trained "
                "in, or set MLFLOW_TRACKING_URI; `hemo main` makes a first one"
            )
        command(*words, **named)

    return begun


def of_scans(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command begin only where its `images` are there, before anything is loaded."""

    @functools.wraps(command)
    def begun(*words: Any, images: tuple[Path, ...], **named: Any) -> None:
        from hemo.slices.files import check_there

        check_there(images)
        command(*words, images=images, **named)

    return begun
