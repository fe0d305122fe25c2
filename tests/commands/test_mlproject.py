"""MLproject: every word of every command can be given to `mlflow run`, and only what is given counts."""

from pathlib import Path

import click
import pytest
import yaml

from hemo import commands, config, families
from hemo.cli import main
from hemo.commands import mlproject
from hemo.config import Experiment
from hemo.runs import steps
from tests.helpers.command_lines import PROJECT, parsed, started, word_of

REQUIRED = {
    "preprocess": {"images": "scans"},
    "rollback": {"label": "any"},
    "history": {"label": "any"},
    "predict": {"images": "scans"},
    "evaluate": {"images": "scans", "labels": "labels.csv"},
    "reproduce": {"run": "0123"},
    "slurm": {"kind": "main"},
    "stress": {"model": "0123", "images": "scans", "labels": "labels.csv"},
}


def command_of(name: str) -> click.Command:
    found = commands.load(name)
    assert found is not None
    return found


def value_of(parameter: click.Parameter) -> str:
    """Return a text that a parameter takes and that is not its default."""
    kind = parameter.type
    if isinstance(parameter, click.Option) and parameter.is_flag:
        return "no" if parameter.default is True else "yes"
    if isinstance(kind, click.Choice):
        return str(kind.choices[-1])
    if isinstance(kind, click.IntRange | click.FloatRange):
        return str((kind.min or 1) + 3)
    if kind.name in ("integer", "float"):
        return "7"
    return "it's some {words}"


@pytest.fixture
def reached(monkeypatch, tmp_path):
    """Return what the words given to an entry point make of an experiment, as training is handed it."""
    found: dict[str, Experiment] = {}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(steps, "train_family", lambda settings, *_: found.update(got=settings) or [])

    def run(name, **given):
        main.main(started(name, **given), standalone_mode=False)
        return found["got"]

    return run


def test_mlproject_is_what_the_commands_make_it():
    assert Path("MLproject").read_text() == mlproject.text(), "`make mlproject` writes it"


@pytest.mark.parametrize("name", commands.names())
def test_every_word_of_every_command_is_a_parameter_of_its_entry_point(name):
    command = command_of(name)
    below = command.commands.values() if isinstance(command, click.Group) else [command]
    wanted = {word_of(parameter) for one in below for parameter in one.params}
    extra = {"action"} if isinstance(command, click.Group) else set()
    assert set(PROJECT.get_entry_point(name).parameters) == wanted | extra


@pytest.mark.parametrize("name", commands.names())
def test_with_nothing_given_a_command_is_called_as_if_a_person_had_typed_it(name):
    required = REQUIRED.get(name, {})
    files = {word: value for (entry, word), value in mlproject.DEFAULTS.items() if entry == name}
    options = {word_of(one) for one in command_of(name).params if isinstance(one, click.Option)}
    typed = [name]
    for word, value in {**files, **required}.items():
        typed += [f"--{word}", value] if word in options else [value]
    assert parsed(started(name, **required))[1] == parsed(typed)[1]


@pytest.mark.parametrize("name", commands.names())
def test_every_word_that_is_given_reaches_the_command(name):
    action = {"action": "show"} if name == "store" else {}
    command, _ = parsed([name, *action.values()]) if action else (command_of(name), {})
    given = {word_of(parameter): value_of(parameter) for parameter in command.params}
    _, values = parsed(started(name, **given, **action))
    for parameter in command.params:
        value, text = values[parameter.name], given[word_of(parameter)]
        if isinstance(value, bool):
            assert value is (text == "yes")
        else:
            assert str(value[0] if isinstance(value, tuple) else value) in (text, f"{text}.0")


def test_what_mlflow_run_is_not_told_stays_as_the_experiment_file_says(reached, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\nseed: 7\nworkers: 1\nstore: elsewhere\nprotocol: holdout\n"
                    "reduction: {size: 64, windows: [bone]}\nfamilies: {cnn: {epochs: 3}}\n")  # fmt: skip
    settings = reached("cnn", experiment=str(file))
    assert settings == config.load(file)
    assert (settings.seed, settings.workers, settings.store) == (7, 1, "elsewhere")
    assert settings.reduction.model_dump(include={"size", "windows"}) == {"size": 64, "windows": ("bone",)}


def test_what_mlflow_run_is_told_stands_above_the_experiment_file(reached, tmp_path):
    (tmp_path / "mine.yaml").write_text("seed: 7\nworkers: 1\nstore: elsewhere\n")
    (tmp_path / "here").mkdir()
    settings = reached("cnn", experiment="mine.yaml", seed="3", store="here")
    assert (settings.seed, settings.workers, settings.store) == (3, 1, "here")


def test_without_an_experiment_file_a_family_trains_on_the_store_that_preprocess_makes(reached, tmp_path):
    _, made = parsed(started("preprocess", images="scans"))
    (tmp_path / made["store"]).mkdir(parents=True)
    settings = reached("logreg")
    assert settings.store == made["store"]
    assert settings.model_copy(update={"store": ""}) == Experiment(families={"logreg": {}})


def test_the_whole_way_without_words_is_the_quickstart_on_either_started():
    for words in (["main"], started("main")):
        assert parsed(words)[1]["experiment"] == "experiments/quickstart.yaml"


def test_the_files_that_mlproject_passes_on_by_itself_are_there():
    assert all(
        Path(value).is_file() for (_, word), value in mlproject.DEFAULTS.items() if word == "experiment"
    )


def test_every_family_is_an_entry_point():
    assert set(families.names()) <= set(yaml.safe_load(Path("MLproject").read_text())["entry_points"])
