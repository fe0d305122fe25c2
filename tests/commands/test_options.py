"""Words of an experiment on the command line."""

import pytest
from click.testing import CliRunner

from hemo.cli import main
from hemo.commands import options


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        ("", {}),
        ("folds=3", {"folds": 3}),
        ("folds=3 gate.level=slice gate.margin=0.1", {"folds": 3, "gate": {"level": "slice", "margin": 0.1}}),
        ("reduction.windows=[brain,bone]", {"reduction": {"windows": ["brain", "bone"]}}),
        ("gate=1 gate.level=slice", {"gate": {"level": "slice"}}),
    ],
)
def test_words_that_are_set_are_those_of_an_experiment_file(words, changes):
    assert options.nested(words) == changes


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("folds", "--set 'folds': give name=value"),
        ("folds=[", "--set 'folds=[': its value is not valid YAML"),
        ("fold=3", "unknown word 'fold'"),
    ],
)
def test_what_cannot_be_set_is_refused_in_a_line(words, fault):
    outcome = CliRunner().invoke(main, ["main", "--set", words])
    assert outcome.exit_code == 2
    assert fault in outcome.output
