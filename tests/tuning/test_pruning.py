import dataclasses

import optuna
import pytest
from optuna.trial import TrialState

from hemo import families
from hemo.tuning import folds as folds_
from hemo.tuning.pruning import FOLD_STEP, RUNGS, STARTUP, FoldAndEpochPruner
from hemo.tuning.trial import EXPERIMENT, SETTINGS, Result, run_trial
from tests.helpers.present import present


def study_of(*trials: dict[int, float]) -> optuna.Study:
    """Return a study of trials that reported values by step, and whose value is the last one."""
    study = optuna.create_study(direction="maximize", pruner=FoldAndEpochPruner())
    for values in trials:
        trial = study.ask()
        for step, value in values.items():
            trial.report(value, step)
            trial.should_prune()
        study.tell(trial, values[max(values)])
    return study


def folds(*values: float) -> dict[int, float]:
    return {FOLD_STEP + fold: value for fold, value in enumerate(values)}


def test_a_trial_below_the_best_in_two_folds_is_pruned():
    study = study_of(folds(0.8, 0.7, 0.9, 0.8))
    trial = study.ask()
    trial.report(0.7, FOLD_STEP)
    assert not trial.should_prune()
    trial.report(0.6, FOLD_STEP + 1)
    assert trial.should_prune()


def test_a_trial_that_wins_a_fold_goes_on():
    study = study_of(folds(0.8, 0.7, 0.9, 0.8))
    trial = study.ask()
    for fold, value in enumerate((0.7, 0.9)):
        trial.report(value, FOLD_STEP + fold)
        assert not trial.should_prune()


def test_epochs_of_the_best_trial_do_not_count_as_folds():
    epochs = dict.fromkeys(RUNGS, 0.99)
    study = study_of({**epochs, **folds(0.5, 0.5, 0.5, 0.6)})
    trial = study.ask()
    for rung in RUNGS:
        trial.report(0.995, rung)
        assert not trial.should_prune()
    for fold in range(2):
        trial.report(0.55, FOLD_STEP + fold)
        assert not trial.should_prune()


def test_after_the_first_rung_only_the_better_half_goes_on():
    study = study_of(*({RUNGS[0]: value, **folds(value)} for value in (0.9, 0.8, 0.7, 0.6)))
    for value, goes_on in ((0.65, False), (0.95, True)):
        trial = study.ask()
        trial.report(value, RUNGS[0])
        assert trial.should_prune() is not goes_on


def test_those_that_went_on_are_halved_again_at_the_second_rung():
    values = (0.9, 0.8, 0.7, 0.6)
    study = study_of(*({RUNGS[0]: value, RUNGS[1]: value, **folds(value)} for value in values))
    for value, goes_on in ((0.65, False), (0.95, True)):
        trial = study.ask()
        trial.report(0.99, RUNGS[0])
        assert not trial.should_prune()
        trial.report(value, RUNGS[1])
        assert trial.should_prune() is not goes_on


def test_the_first_few_trials_all_pass_the_first_rung():
    study = study_of({RUNGS[0]: 0.9, **folds(0.9)})
    for value in (0.1, 0.2, 0.3):
        trial = study.ask()
        trial.report(value, RUNGS[0])
        assert not trial.should_prune()


def test_with_no_trial_ended_nothing_is_pruned():
    trial = study_of().ask()
    assert not trial.should_prune()
    trial.report(0.1, FOLD_STEP)
    trial.report(0.1, FOLD_STEP + 1)
    assert not trial.should_prune()


@pytest.fixture(scope="module")
def network(blood):
    """A study of tiny networks: four of the first settings, and one that cannot learn."""
    from tests.tuning.test_trial import plan, spec_of, training_of

    training = training_of(blood, "ann", layers=(8,), learning_rate=0.05, epochs=RUNGS[0])
    training = dataclasses.replace(training, plan=plan(blood, "natural"))
    spec = spec_of(training)
    made = folds_.make_folds(training)
    study = optuna.create_study(direction="maximize", pruner=FoldAndEpochPruner())
    study.enqueue_trial({}, user_attrs={SETTINGS: EXPERIMENT})
    for _ in range(STARTUP - 1):  # taken over from the first, not run
        study.enqueue_trial({}, user_attrs={SETTINGS: EXPERIMENT})
    study.enqueue_trial({**families.get("ann").default_trial, "depth": 1, "width": 64, "sgd_rate": 1e-4})
    study.optimize(lambda trial: run_trial(trial, spec, made, float("inf")), STARTUP + 1)
    return study


def test_a_network_that_starts_badly_is_pruned_within_its_first_fold(network):
    bad = network.trials[-1]
    assert bad.state == TrialState.PRUNED
    assert max(bad.intermediate_values) < FOLD_STEP
    assert present(Result.of(bad)).reason == f"worse after {RUNGS[0]} epochs"


def test_the_epochs_of_a_networks_first_fold_are_kept(network):
    found = present(Result.of(network.trials[0]))
    assert 1 <= len(found.epochs) <= RUNGS[0]
    assert {"loss", "val_loss"} <= set(found.epochs[0])
    assert found.metrics["parameters"] == 256 * 8 + 8 + 8 + 1
