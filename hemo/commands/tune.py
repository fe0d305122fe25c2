"""`tune`: Optuna studies of families and labels; `study`: what has been tuned."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from hemo.commands import following, options
from hemo.errors import HemoError

storage = click.option(
    "--storage",
    metavar="URL",
    default="",
    help="Optuna's database: sqlite:///FILE or postgresql+psycopg://...; default: optuna.db beside MLflow's.",
)


families_ = click.option(
    "--family", metavar="WORDS", default="", help="One family or more, by commas; default: the experiment's."
)


trials_ = click.option(
    "--trials",
    type=click.IntRange(1),
    default=None,
    help="End a study after so many trials with a value.",
)
seconds_ = click.option(
    "--seconds", type=click.FloatRange(0, min_open=True), default=None, help="End it after so long."
)
objective_ = click.option(
    "--objective",
    metavar="WORDS",
    default="",
    help="auc (the default), log_loss, recall_at_specificity_80, ...; several, as in recall,specificity.",
)
label_ = click.option(
    "--label", metavar="WORD", default="", help="One of the six labels, or all; default: the experiment's."
)


@click.command(
    epilog=options.examples(
        "hemo tune --store data/store --family logreg,sgd --label any --trials 50",
        "hemo tune --experiment experiments/tune.yaml",
    )
)
@options.together(
    options.store,
    families_,
    label_,
    trials_,
    seconds_,
    objective_,
    storage,
    options.experiment,
    options.changes,
    options.seed,
    options.workers,
    options.cluster,
)
@options.of_store
@options.tracked
def tune(
    family: str,
    label: str,
    trials: int | None,
    seconds: float | None,
    objective: str,
    storage: str,
    experiment: str,
    **words: Any,
) -> None:
    """Tune families on labels with Optuna, a study each, and train with the best parameters.

    Patients of the holdout split's test part are kept out of every trial. Ctrl-C leaves studies that go on
    with the same command. Compare the result with runs trained under --protocol holdout.
    """
    from hemo import config, families
    from hemo.console import next_commands, out
    from hemo.display.terminal import table
    from hemo.tuning import search, terminal

    settings = options.settings(experiment, **words)
    tuning = settings.tuning.overridden(trials=trials, seconds=seconds, objective=objective, storage=storage)
    labels = config.label_names(label) if label else tuning.labels
    chosen = [word.strip() for word in family.split(",")] if family else list(settings.families)
    for name in chosen:
        families.get(name)
    with _said_of(tuning.storage):
        outcomes, failed = search.tune(settings, tuning, chosen, labels)
    rows = [
        (
            outcome.study,
            *(outcome.trials[state] for state in ("complete", "pruned", "failed")),
            *terminal.cells(outcome.values),
            outcome.tested.default,
            outcome.tested.best,
        )
        for outcome in outcomes
    ]
    header = (
        "study", "complete", "pruned", "failed", "default", "best", "gain",
        "test AUC, default", "test AUC, best",
    )  # fmt: skip
    if rows:
        out.print(table(f"Tuned by {tuning.objective}, out-of-fold", header, rows))
    next_commands(
        *(f"hemo study {outcome.study}" for outcome in outcomes[:1]),
        f"hemo compare{following.typed(experiment=experiment)}",
        "hemo ui",
    )
    if failed and not outcomes:
        raise HemoError(f"no study could be run; the first fault: {failed[0][0]}: {failed[0][1]}")


@click.command(epilog=options.examples("hemo study", "hemo study tune/logreg/any"))
@click.argument("study", default="")
@storage
def study(study: str, storage: str) -> None:
    """Print the state of a study and its best trials; without STUDY, list all.

    The same database opens in Optuna's dashboard: `uvx optuna-dashboard sqlite:///optuna.db`.
    """
    from hemo import console

    url = _url(storage)
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).is_file():
        # Optuna would make an empty database of it.
        said = f"{url}: no study yet: `hemo tune` makes some; --storage names another database"
        if study:
            raise HemoError(said)
        console.out.print(said, soft_wrap=True)
        return
    from hemo.tuning import terminal
    from hemo.tuning.storage import open_storage

    opened = open_storage(url)
    with _said_of(storage):
        if study:
            terminal.print_study(opened, study)
        else:
            terminal.print_studies(opened)


def _url(storage: str) -> str:
    from hemo.registry import standing
    from hemo.tuning.storage import default_url

    return storage or default_url(standing.address())


@contextmanager
def _said_of(storage: str) -> Iterator[None]:
    """Raise faults of Optuna's database with its address."""
    from optuna.exceptions import StorageInternalError

    try:
        yield
    except StorageInternalError as fault:
        from hemo.tracking import faults  # loads MLflow, for seconds

        raise faults.said(fault, _url(storage)) or fault from None
