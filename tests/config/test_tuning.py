import pytest
from pydantic import ValidationError

from hemo.config.tuning import DEFAULT_TRIALS, Budget, Tuning
from hemo.errors import HemoError
from hemo.evaluation import objectives


def test_with_no_budget_a_study_ends_after_fifty_trials():
    assert Budget() == Budget(trials=DEFAULT_TRIALS)


def test_with_seconds_alone_the_number_of_trials_is_free():
    assert Budget(seconds=60).trials is None


def test_a_family_can_have_a_budget_of_its_own():
    tuning = Tuning(budgets={"cnn": Budget(trials=10)})
    assert (tuning.budget_of("cnn").trials, tuning.budget_of("sgd").trials) == (10, DEFAULT_TRIALS)


def test_words_on_the_command_line_stand_above_those_of_the_file():
    tuning = Tuning(budgets={"cnn": Budget(trials=10)}, objective="log_loss")
    given = tuning.overridden(trials=None, seconds=5, objective="", storage="sqlite:///x.db")
    assert given.budget_of("cnn") == Budget(seconds=5)
    assert (given.objective, given.storage) == ("log_loss", "sqlite:///x.db")


def test_an_unknown_label_is_refused():
    with pytest.raises(ValidationError, match="unknown label 'tumour'"):
        Tuning(labels=("tumour",))


@pytest.mark.parametrize(
    ("word", "fault"),
    [
        ("acu", "unknown objective 'acu'"),
        ("recall", "won by a useless classifier"),
        ("auc,auc", "named twice"),
        ("", "unknown objective ''"),
    ],
)
def test_a_senseless_objective_is_refused(word, fault):
    with pytest.raises(HemoError, match=fault):
        objectives.parse(word)


def test_several_objectives_have_a_direction_each():
    names = objectives.parse("recall, specificity,seconds")
    assert objectives.directions(names) == ["maximize", "maximize", "minimize"]
