"""What is proposed to be typed next."""

import pytest
from click.testing import CliRunner

from hemo.cli import main
from hemo.commands import following
from hemo.config import Experiment
from hemo.registry import panel
from tests.helpers.registry_world import case, decide
from tests.helpers.stores import bright_blood, write_store
from tests.helpers.typeable import fault_of, words_of


@pytest.mark.parametrize(
    ("words", "of_phantoms", "proposed"),
    [
        ({}, True, ["hemo predict data/mine/phantom --out p.html"]),
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
    monkeypatch.setattr(panel, "production", lambda: {"any": "1"})
    monkeypatch.setattr(panel, "synthetic_members", lambda members: list(members) if of_phantoms else [])
    assert following.predictions(Experiment(name="mine", **words), "p.html") == proposed


def proposed_by(*words):
    """Run a command that changes nothing, and return what it proposes."""
    done = CliRunner().invoke(main, list(words))
    assert done.exit_code == 0, done.output
    return [line.strip() for line in done.stderr.partition("Next:\n")[2].splitlines()]


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


def test_a_rollback_is_proposed_only_where_there_is_something_to_go_back_to(promoted):
    assert "hemo rollback any" not in proposed_by("history", "any")
    decide(case(promoted, "any", "better"))
    assert "hemo rollback any" in proposed_by("history", "any")
