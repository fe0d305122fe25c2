"""What is proposed to be typed next."""

import pytest
from click.testing import CliRunner

from hemo.cli import main
from hemo.commands import following
from hemo.commands.compare import after_experiment
from hemo.config import Experiment
from hemo.pipeline import Outcome
from hemo.registry import panel
from tests.helpers.registry_world import case, decide
from tests.helpers.stores import bright_blood, write_store
from tests.helpers.typeable import fault_of, words_of

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.mark.parametrize(
    ("words", "of_phantoms", "proposed"),
    [
        ({"name": "drawn"}, True, ["hemo predict data/drawn/phantom --out p.html"]),
        ({}, True, []),
        ({"images": "my scans"}, True, []),
        ({"store": "data/store"}, True, []),
        ({"images": "my scans"}, False, ["hemo predict 'my scans' --out p.html"]),
        ({"store": "data/store"}, False, ["hemo predict FILES... --out p.html"]),
    ],
)
def test_scans_of_patients_are_never_proposed_for_a_panel_of_phantoms(
    words, of_phantoms, proposed, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "drawn" / "phantom").mkdir(parents=True)
    monkeypatch.setattr(panel, "production", lambda: {"any": "1"})
    monkeypatch.setattr(panel, "synthetic_members", lambda members: list(members) if of_phantoms else [])
    assert following.predictions(Experiment(**{"name": "mine", **words}), "p.html") == proposed


def test_nothing_is_proposed_to_be_predicted_where_nothing_is_in_production(store):
    assert following.predictions(Experiment(name="mine", images="scans"), "p.html") == []


@pytest.mark.parametrize(
    ("folder", "env", "proposed"),
    [
        ("project", {"MAKELEVEL": "1"}, ["make ui", "source .venv/bin/activate", "hemo compare --open"]),
        ("project", {"MAKELEVEL": "1", "VIRTUAL_ENV": ".venv"}, ["make ui", "hemo compare --open"]),
        ("elsewhere", {"VIRTUAL_ENV": ".venv"}, ["hemo ui", "hemo compare --open"]),
    ],
)
def test_what_main_proposes_works_in_the_shell_and_the_folder_that_it_was_started_in(
    folder, env, proposed, tmp_path, monkeypatch, capsys
):
    for name in ("project", "elsewhere"):
        (tmp_path / name).mkdir()
    (tmp_path / "project" / "MLproject").touch()
    monkeypatch.chdir(tmp_path / folder)
    for name in ("MAKELEVEL", "VIRTUAL_ENV"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    after_experiment(Experiment(name="mine"), "", Outcome([], in_production=False))
    assert next_lines(capsys.readouterr().err) == proposed


def next_lines(printed):
    return [line.strip() for line in printed.partition("Next:\n")[2].splitlines()]


def proposed_by(*words):
    """Run a command that changes nothing, and return what it proposes."""
    done = CliRunner().invoke(main, list(words))
    assert done.exit_code == 0, done.output
    return next_lines(done.stderr)


def test_what_is_proposed_next_can_be_typed_and_what_looks_only_answers(promoted, tmp_path):
    """From one command to the next, as a person would go; what decides or trains is read and not run."""
    write_store(tmp_path / "data" / "store", *bright_blood(patients=8, slices=4))
    decide(case(promoted, "any", "better"))
    asked = ["registry", "compare", "promote --dry-run", "store info", "store show", "verify", "study"]
    ways, seen = [way.split() for way in asked], set()
    while ways:
        for line in proposed_by(*ways.pop()):
            assert fault_of(line) == ""
            _, *words = words_of(line)
            if words[0] == "history" and line not in seen:
                ways.append(words)
            seen.add(line)
    assert {"hemo registry", "hemo history LABEL", "hemo rollback any", "hemo promote"} <= seen
    assert proposed_by("ui", "--print-only") == []


def test_what_is_proposed_of_folders_with_spaces_can_be_typed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = ["--patients", "1", "--slices", "4", "--size", "64", "--workers", "1"]
    (read,) = proposed_by("phantom", "--out", "it's mine/my phantom", *small)
    assert fault_of(read) == ""
    assert "images=it's mine/my phantom" in words_of(read)
    scans = ["--images", "it's mine/my phantom", "--labels", "it's mine/my phantom/labels.csv"]
    show, train = proposed_by("preprocess", *scans, "--store", "my store", "--workers", "1")
    assert fault_of(train) == ""
    assert proposed_by(*words_of(show)[1:]) == []
    assert (tmp_path / "my store.png").is_file()


def test_a_rollback_is_proposed_only_where_there_is_something_to_go_back_to(promoted):
    assert "hemo rollback any" not in proposed_by("history", "any")
    decide(case(promoted, "any", "better"))
    assert "hemo rollback any" in proposed_by("history", "any")
