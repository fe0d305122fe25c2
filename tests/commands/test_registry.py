import pytest
from click.testing import CliRunner

from hemo import tracking
from hemo.cli import main
from hemo.labels import LABELS
from hemo.registry import aliases
from tests.helpers.registry_world import case, decide


def run(*words):
    return CliRunner().invoke(main, list(words))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "made-up.yaml"
    path.write_text("name: made up\ndraws: 100\n")
    return str(path)


def test_promote_prints_the_decisions_and_ends_with_status_0(store, file):
    found = run("promote", "--experiment", file)
    assert found.exit_code == 0, found.output
    assert "promoted" in found.output
    assert (
        "no candidate: intraparenchymal, intraventricular, subarachnoid, subdural: no training"
        in found.output
    )
    assert "hemo registry" in found.output


def test_a_dry_run_prints_every_condition(store, file):
    found = run("promote", "--experiment", file, "--dry-run")
    assert found.exit_code == 0, found.output
    for words in ("positive patients", "loaded back", "would pass", "Next:"):
        assert words in found.output


def test_an_override_needs_one_label(store, file):
    found = run("promote", "--experiment", file, "--override", "why not")
    assert found.exit_code == 2
    assert "give --label" in found.output


def test_an_override_that_the_gate_did_not_need_is_said_to_be_unused(store, file):
    found = run("promote", "--experiment", file, "--label", "any", "--override", "why not")
    assert found.exit_code == 0, found.output
    assert "--override was not needed" in found.output.replace("\n", " ")


def test_an_unknown_experiment_names_the_known_ones(store, tmp_path):
    (tmp_path / "other.yaml").write_text("name: other\n")
    found = run("promote", "--experiment", str(tmp_path / "other.yaml"))
    assert found.exit_code == 2
    assert "made up" in found.output


def test_going_back_to_a_version_that_is_against_the_gate_says_so(promoted):
    decide(case(promoted, "epidural", "better"))
    found = run("rollback", "epidural")
    assert "against the gate: for the <b>demonstration</b>" in found.output.replace("\n", " ")


def test_registry_shows_what_is_there_why_and_what_is_red(promoted):
    found = run("registry")
    assert found.exit_code == 0, found.output
    assert "1 logreg" in found.output
    assert "there against the gate: for the <b>demonstration</b>" in found.output
    assert "Next:" in found.output


def test_history_shows_decisions_and_what_was_done_by_hand(promoted):
    decide(case(promoted, "any", "better"))
    tracking.client().set_registered_model_alias("hemo-any", "production", "1")
    found = run("history", "any")
    assert found.exit_code == 0, found.output
    assert "promote" in found.output
    assert "by hand" in found.output
    assert "panel" in run("history", "panel").output
    everything = run("history", "all").output
    assert all(f"hemo-{name}" in everything for name in (*LABELS, "panel"))
    assert "hemo-subdural: nothing was decided yet" in everything


def test_rollback_says_what_is_in_production_again(promoted):
    assert run("rollback", "any").exit_code == 2
    decide(case(promoted, "any", "better"))
    found = run("rollback", "any", "--reason", "too many calls")
    assert found.exit_code == 0, found.output
    assert "version 1 is in production again" in found.output
    assert "too many calls" in run("history", "any").output


@pytest.mark.parametrize("words", [("rollback", "all"), ("rollback", "spinal"), ("history", "spinal")])
def test_a_wrong_label_is_one_line_with_the_remedy(store, words):
    found = run(*words)
    assert found.exit_code == 2
    assert "label" in found.output


def test_the_registry_says_whether_its_figures_are_of_studies_or_of_slices(store, file):
    assert run("promote", "--experiment", file).exit_code == 0
    (line,) = [line for line in run("registry").output.splitlines() if line.startswith("│ any ")]
    judged = line.split("│")[3].strip()
    tags = aliases.versions("hemo-any")["1"].tags
    assert judged == tags["level"]
    assert judged in ("study", "slice")
