"""Every command that people are shown works as it is written: in pages, help, comments and messages."""

import pytest

from hemo import commands
from tests.helpers.typeable import fault_of
from tests.helpers.written_commands import collect, everywhere


@pytest.fixture(scope="module")
def written():
    return collect()


@pytest.mark.parametrize("program", ["hemo", "mlflow", "make", "python"])
def test_every_command_that_is_written_somewhere_is_one_that_can_be_typed(written, program):
    found = [one for one in written if one.text.startswith(f"{program} ")]
    wrong = [f"{one.place}: {one.text}: {fault}" for one in found if (fault := fault_of(one.text, one.named))]
    assert len(found) > 5
    assert not wrong, "\n".join(wrong)


def test_commands_are_found_wherever_people_read_them():
    places = {one.place for one in everywhere()}
    assert {
        "README.md",
        "SECURITY.md",
        "CONTRIBUTING.md",
        "docs/serving.md",
        "experiments/tune.yaml",
    } <= places
    assert {f"hemo {name} --help" for name in commands.names()} <= places
    assert {"hemo/commands/following.py", "hemo/slices/store.py", "MLproject"} <= places


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("hemo lgreg --store data/store", "no command or family 'lgreg'"),
        ("hemo logreg --stroe data/store", "--stroe"),
        ("hemo logreg --label epidurall", "unknown label 'epidurall'"),
        ("hemo logreg --params depth=3", "has no parameter depth"),
        ("hemo logreg --store my store", "unexpected extra argument"),
        ("hemo main --set fold=3", "unknown word 'fold'"),
        ("hemo main --experiment experiments/nowhere.yaml", "no such experiment file"),
        ("hemo preprocess --store data/store", "Missing option '--images'"),
        ("hemo preprocess --images DIR --windows brian", "brian"),
        ("hemo store look data/store", "No such command 'look'"),
        ("hemo ui --port many", "'many' is not a valid integer"),
        ("mlflow run . -P images=DIR", "no --env-manager"),
        ("mlflow run . --env-manager local -e trian", "no entry point 'trian'"),
        ("mlflow run . --env-manager local -P imgaes=DIR", "no parameter imgaes"),
        ("mlflow run . --env-manager local -e preprocess", "images"),
        ("mlflow run . --env-manager local -e ui -P port=many", "'many' is not a valid integer"),
        ("mlflow models serve -m models:/hemo-panel@production --prot 1", "--prot"),
        ("make tets", "No rule to make target"),
        ("make test COVERGE=1", "COVERGE"),
        ("python -m benchmarks.nowhere", "no module"),
        ("python -m hemo.commands.mlprojet", "no module"),
        ("python docs/nowhere.py", "no file"),
    ],
)
def test_a_command_that_cannot_be_typed_is_noticed(text, fault):
    assert fault in fault_of(text)
