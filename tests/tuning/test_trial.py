import gc

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState

from hemo import families
from hemo.config.tuning import Budget
from hemo.errors import HemoError
from hemo.evaluation.operating_point import OperatingPointRule
from hemo.evaluation.protocols import Protocol
from hemo.families._linear import LinearClassifier
from hemo.slices.split import make_split, rounds
from hemo.slices.store import SliceStore
from hemo.training import Plan, Training
from hemo.tuning import folds as folds_
from hemo.tuning.spec import StudySpec
from hemo.tuning.trial import DEFAULT, EXPERIMENT, FAULT, SETTINGS, Result, run_trial
from tests.helpers.present import present
from tests.tuning.conftest import spec_of_study

RULE = OperatingPointRule("sensitivity_at_least", 0.85)


def plan(store: SliceStore, sampling: str = "balanced") -> Plan:
    return Plan(make_split(store.index, Protocol.HOLDOUT, 0), sampling, RULE, 3145, 0)


def training_of(store: SliceStore, family: str = "logreg", label: str = "any", **params) -> Training:
    """Return what is tuned: a family with all its parameters."""
    base = {**families.get(family).defaults, **params}
    return Training(store, plan(store), family, label, base)


def spec_of(training: Training, *objectives: str) -> StudySpec:
    return StudySpec("study", "", training, objectives or ("auc",), Budget(), 1)


def study_of(directions=("maximize",), **words) -> optuna.Study:
    return optuna.create_study(directions=list(directions), pruner=optuna.pruners.NopPruner(), **words)


@pytest.fixture(scope="module")
def folds(blood):
    return folds_.make_folds(training_of(blood, "logreg"))


@pytest.fixture
def spec(blood):
    return spec_of(training_of(blood))


def test_no_fold_holds_a_slice_of_a_test_patient(blood):
    test = rounds(present(plan(blood).split), blood.index)[0].test
    used = np.concatenate(
        [np.concatenate([r.train, r.validation, r.test]) for r in folds_.tuning_rounds(plan(blood), blood)]
    )
    patient = blood.index["patient"].to_numpy()
    assert not set(patient[used]) & set(patient[test])
    assert set(used) == set(range(len(blood))) - set(test)


def test_every_slice_outside_the_test_part_is_predicted_once(blood):
    tested = np.concatenate([one.test for one in folds_.tuning_rounds(plan(blood), blood)])
    assert sorted(tested) == sorted(folds_.tuning_rows(present(plan(blood).split), blood))


def test_networks_stop_early_by_patients_that_they_do_not_learn_from(blood):
    fold = folds_.make_folds(training_of(blood, "ann"))[0]
    assert fold.learned.validation is not None
    linear = folds_.make_folds(training_of(blood, "logreg"))[0]
    assert linear.learned.validation is None
    assert len(linear.learned.y) == len(fold.learned.y) + len(fold.learned.validation[1])


def test_a_label_that_too_few_patients_have_is_refused(blood):
    index = blood.index.copy()
    blood = SliceStore(blood.folder, blood.facts)
    index["subdural"] = 0
    blood.__dict__["index"] = index
    with pytest.raises(HemoError, match="subdural: too few patients"):
        folds_.check_learnable(training_of(blood, label="subdural"))


def test_a_trial_gives_the_out_of_fold_figure_of_ordinary_fits(folds, spec):
    study = study_of()
    study.enqueue_trial(dict(families.get("logreg").default_trial))
    study.optimize(lambda trial: run_trial(trial, spec, folds, np.inf), 1)
    probability = []
    for fold in folds:
        classifier = families.build("logreg", {}, fold.learned.seed).fit(fold.learned.x, fold.learned.y)
        probability.append(classifier.predict_proba(fold.tested)[:, 1])
    from sklearn.metrics import roc_auc_score

    truth = np.concatenate([fold.truth for fold in folds])
    assert study.best_value == pytest.approx(roc_auc_score(truth, np.concatenate(probability)), abs=1e-3)
    found = present(Result.of(study.trials[0]))
    assert found.params == dict(families.get("logreg").defaults)
    assert set(found.folds) == {0, 1, 2, 3}


@pytest.mark.parametrize("family", ["logreg", "linear_svc", "sgd"])
def test_linear_trials_give_the_probabilities_of_fit_and_predict(folds, family):
    fold, learned = folds[0], folds[0].learned
    for params in ({}, {"components": 8}, {"scale": "unit"}):
        classifier = families.build(family, params, 0)
        assert isinstance(classifier, LinearClassifier)
        shared = classifier.fit_predict(learned.x, learned.y, fold.tested, {})
        fitted = families.build(family, params, 0).fit(learned.x, learned.y)
        np.testing.assert_allclose(shared, fitted.predict_proba(fold.tested)[:, 1], atol=1e-4)


def test_what_trials_share_is_computed_once(folds, spec, monkeypatch):
    from hemo.families import _rowspace

    calls = []
    features = _rowspace._features

    def counted(*given):
        calls.append(1)
        return features(*given)

    monkeypatch.setattr(_rowspace, "_features", counted)
    _rowspace._cache.clear()
    for fold in folds:
        fold.shared.clear()
    study = study_of()
    for C in (0.01, 0.1, 1.0):
        study.enqueue_trial({**families.get("logreg").default_trial, "C": C})
    study.optimize(lambda trial: run_trial(trial, spec, folds, np.inf), 3)
    assert len(calls) == len(folds)


def test_the_same_parameters_are_not_run_twice(folds, spec, monkeypatch):
    study = study_of()
    for _ in range(2):
        study.enqueue_trial(dict(families.get("logreg").default_trial))
    study.optimize(lambda trial: run_trial(trial, spec, folds, np.inf), 1)
    monkeypatch.setattr("hemo.tuning.trial._run_folds", lambda *_: pytest.fail("was run again"))
    study.optimize(lambda trial: run_trial(trial, spec, folds, np.inf), 1)
    first, second = study.trials
    assert second.value == first.value
    assert present(Result.of(second)).same_as == 0
    assert second.intermediate_values == first.intermediate_values


@pytest.mark.parametrize("told", [False, True], ids=["runs", "has told its result and not its end"])
def test_parameters_that_run_elsewhere_at_this_moment_are_not_run_twice(folds, spec, told):
    study = study_of()
    study.enqueue_trial(dict(families.get("logreg").default_trial))
    running = study.ask()
    params = {**spec.training.params, **families.get("logreg").suggest(running)}
    if told:
        Result(params).write(running)
    study.enqueue_trial(dict(families.get("logreg").default_trial))
    study.optimize(lambda trial: run_trial(trial, spec, folds, np.inf), 1)
    assert study.trials[1].state == TrialState.PRUNED
    assert present(Result.of(study.trials[1])).same_as == 0


def test_a_trial_that_the_end_cut_short_may_be_tried_again(folds, spec):
    study = study_of()
    for _ in range(2):
        study.enqueue_trial(dict(families.get("logreg").default_trial))
    study.optimize(lambda trial: run_trial(trial, spec, folds, 0), 1)
    assert present(Result.of(study.trials[0])).reason == "out of time"
    study.optimize(lambda trial: run_trial(trial, spec, folds, np.inf), 1)
    assert study.trials[1].state == TrialState.COMPLETE


def test_the_first_settings_are_neither_pruned_nor_cut_short(folds, spec):
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.ThresholdPruner(lower=2))
    study.enqueue_trial(dict(families.get("logreg").default_trial), user_attrs={SETTINGS: DEFAULT})
    study.optimize(lambda trial: run_trial(trial, spec, folds, 0), 1)
    assert study.trials[0].state == TrialState.COMPLETE
    study.optimize(lambda trial: run_trial(trial, spec, folds, np.inf), 1)
    assert study.trials[1].state == TrialState.PRUNED
    assert present(Result.of(study.trials[1])).metrics == {}


def test_a_fault_is_kept_with_the_trial(folds, spec, monkeypatch):
    def broken(*_):
        raise ValueError("two\nlines")

    monkeypatch.setattr("hemo.tuning.trial._run_folds", broken)
    study = study_of()
    study.optimize(lambda trial: run_trial(trial, spec, folds, np.inf), 1, catch=(Exception,))
    assert study.trials[0].user_attrs[FAULT] == "ValueError: two lines"


def test_several_objectives_are_traded(blood, folds):
    spec = spec_of(training_of(blood), "recall", "specificity", "parameters")
    study = study_of(("maximize", "maximize", "minimize"))
    study.optimize(lambda trial: run_trial(trial, spec, folds, np.inf), 2)
    recall, specificity, parameters = study.trials[0].values
    assert 0 <= recall <= 1
    assert 0 <= specificity <= 1
    assert parameters == 16 * 16 + 1


def test_an_experiments_own_parameters_are_drawn_from_no_distribution(blood, folds):
    study = study_of()
    study.enqueue_trial({}, user_attrs={SETTINGS: EXPERIMENT})
    own = spec_of(training_of(blood, C=0.5))
    study.optimize(lambda trial: run_trial(trial, own, folds, np.inf), 1)
    assert study.trials[0].params == {}
    assert present(Result.of(study.trials[0])).params["C"] == 0.5


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(st.integers(0, 9), st.floats(0, 1)),
    st.lists(st.dictionaries(st.sampled_from(["loss", "auc"]), st.floats(0, 1)), max_size=3),
)
def test_a_result_is_read_back_as_it_was_written(folds_found, epochs):
    result = Result({"layers": [4, 2], "C": 1.0}, {"auc": 0.5}, folds_found, epochs, 3, "worse")
    study = optuna.create_study()

    def objective(trial: optuna.Trial) -> float:
        result.write(trial)
        return 0.0

    study.optimize(objective, 1)
    assert present(Result.of(study.trials[0])) == result


def test_a_networks_graphs_do_not_outlive_its_trial(blood):
    def graphs() -> int:
        return sum(type(one).__name__ == "FuncGraph" for one in gc.get_objects())

    gc.unfreeze()  # those count that `tests/conftest.py` put aside
    before = graphs()  # other tests may have left some
    family = families.get("cnn")
    spec = spec_of(training_of(blood, "cnn", **{**family.tiny, "epochs": 1}))
    two = folds_.make_folds(training_of(blood, "cnn"))[:2]
    study = study_of()
    study.enqueue_trial({}, user_attrs={SETTINGS: EXPERIMENT})
    study.optimize(lambda trial: run_trial(trial, spec, two, np.inf), 1)
    assert study.trials[0].state == TrialState.COMPLETE
    assert graphs() <= before


@pytest.mark.no_cover
def test_one_worker_and_one_seed_give_the_same_trials_and_values(world):
    from hemo.tuning import storage as storages
    from hemo.tuning.worker import run_trials

    found = []
    for name in ("one", "two"):
        spec = spec_of_study(world.model_copy(update={"name": name}), budget={"trials": 13})
        run_trials(spec, 0)
        study = storages.load_study(storages.open_storage(spec.url), spec.study)
        found.append([(t.number, t.state, t.params, t.values, t.intermediate_values) for t in study.trials])
    assert found[0] == found[1]
    assert len(found[0]) >= 13
