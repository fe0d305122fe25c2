"""`main`, the whole way of an experiment, and one command for each model family."""

from typing import Any

import click

from hemo import families
from hemo.commands import following, options
from hemo.commands.given import given
from hemo.errors import HemoError


@click.command(
    epilog=options.examples(
        "hemo main",
        "hemo main --set 'folds=4 gate.level=slice'",
        "hemo main --experiment experiments/best.yaml --images scans --labels labels.csv",
    )
)
@options.together(
    options.experiment_file(options.QUICKSTART),
    options.images,
    options.labels,
    options.store,
    options.repeats,
    options.changes,
    options.seed,
    options.workers,
    options.cluster,
    click.option("--fresh", is_flag=True, help="Train anew what is finished: runs, folds, epochs."),
    click.option(
        "--only",
        metavar="WORD",
        default="",
        help="A part of the way, as a cluster's jobs go it: store, or K/N, the K-th (from 0) of N shares of "
        "the trainings.",
    ),
)
@options.tracked
def main(fresh: bool, only: str, **words: Any) -> None:
    """Go the whole way: data, slice store, every family on every label, comparison, promotion.

    With no --images the phantom is made: synthetic head-CT studies. Each step is a run in MLflow, nested
    below one root run. What the experiment file says is overridden by the options given here. The same
    command again goes on where it was ended: finished trainings, folds and epochs of the same data, split,
    parameters and code are taken as they are.
    """
    from hemo import config, pipeline
    from hemo.commands.compare import after_experiment

    file = words.pop("experiment")
    experiment = config.load(file, options.nested(words.pop("changes")), **words)
    if only:
        pipeline.run_part(experiment, only)
    else:
        after_experiment(experiment, file, pipeline.run_experiment(experiment, file, fresh=fresh))


HELP = """Train {title} on one label, or on all.

Slices come from a slice store. Each label is a run in MLflow with its metrics, curves, predictions and the
model. Parameters are the family's defaults, those of the experiment file above them, and those of --params
above both.
"""


class PluginCommand(click.Command):
    """The command of another package's family, which is imported only when the command is named."""

    def make_context(self, info_name: str | None, args: list[str], *more: Any, **extra: Any) -> click.Context:
        """Read the words as the family's command does."""
        command = _training_command(str(self.name))
        return command.make_context(info_name, given(command, args), *more, **extra)


def family_command(name: str) -> click.Command:
    """Return the command that trains a family."""
    package = families.provider(name)
    if package:
        return PluginCommand(name, help=f"Train a family of {package.replace('==', ' ')}.")
    return _training_command(name)


def _training_command(name: str) -> click.Command:
    family = families.get(name)
    defaults = ", ".join(f"{word}={value}" for word, value in family.defaults.items())

    @options.together(
        options.store,
        options.label,
        click.option("--params", metavar="WORDS", default="", help=f"Like 'a=1 b=x'. Defaults: {defaults}."),
        options.protocol,
        options.repeats,
        options.experiment,
        options.changes,
        options.seed,
        options.workers,
        options.cluster,
    )
    @options.of_store
    @options.tracked
    def command(label: str, params: str, experiment: str, **words: Any) -> None:
        from hemo import config
        from hemo.console import next_commands
        from hemo.runs import steps

        labels = config.label_names(label)
        settings = options.settings(experiment, **words)
        own = {**settings.families.get(name, {}), **options.parse_words("--params", params)}
        families.check_params(name, own)
        settings = settings.model_copy(update={"families": {name: own}})
        failed = steps.train_family(settings, name, labels)
        next_commands(f"hemo compare{following.typed(experiment=experiment)}", "hemo ui")
        if len(failed) == len(labels):
            raise HemoError(f"{name}: no label could be trained: {failed[0][1]}")

    lines = (
        f"hemo {name} --store data/store --label epidural",
        f"hemo {name} --experiment {options.QUICKSTART}",
    )
    return click.command(name, help=HELP.format(title=family.title), epilog=options.examples(*lines))(command)
