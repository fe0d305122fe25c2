"""Features and folds as tasks of their own: which there are, what waits for them, and that they are found."""

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hemo import cluster, config, families, tracking
from hemo.errors import HemoError
from hemo.families import _feature_cache, _lite0
from hemo.runs import ahead, recording, steps
from hemo.runs.ahead import FeaturesOf, FoldOf, dealt
from hemo.runs.steps import by_fit, make_trainings
from hemo.slices.pseudonyms import key_path, load_or_make_key
from hemo.slices.store import SliceStore
from hemo.slices.stored import StoredSlices
from hemo.training import Training
from tests.helpers.stores import bright_blood, write_store

COMMIT = "c" * 40
FOLDS = 3


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(tracking, "git_commit", lambda: COMMIT)
    monkeypatch.setenv("HEMO_CACHE", str(tmp_path / "cache"))
    images, patients, labels = bright_blood(patients=24, slices=4)
    found = write_store(tmp_path / "store", images, patients, labels)
    load_or_make_key(key_path(found.folder), make=True)
    return found


def trainings(store: SliceStore, words: tuple[str, ...], protocol: str = "cv") -> list[Training]:
    settings = config.load(None, {"folds": FOLDS, "protocol": protocol, "store": str(store.folder)})
    return make_trainings(settings, store, {word: {} for word in words}, ("any", "subdural"))


def test_with_fewer_workers_than_fits_a_task_is_a_fit(store):
    groups = by_fit(trainings(store, ("logreg", "multilabel")))
    assert dealt(groups, 3) == (groups, [(), (), ()])


def test_with_more_workers_than_fits_folds_are_tasks_that_their_fit_waits_for(store):
    groups = by_fit(trainings(store, ("logreg", "multilabel")))
    tasks, after = dealt(groups, 4)
    assert len(tasks) == len(groups) * (FOLDS + 1)
    for number, (task, waits) in enumerate(zip(tasks, after, strict=True)):
        if isinstance(task, FoldOf):
            assert waits == ()
        else:
            own = [tasks[one] for one in waits]
            assert own == [FoldOf(task, fold) for fold in range(FOLDS)]  # type: ignore[arg-type]
            assert max(waits) < number


def test_folds_that_are_finished_are_no_tasks_again(store):
    groups = by_fit(trainings(store, ("logreg",)))[:1]
    FoldOf(groups[0], 1).make()
    tasks, after = dealt(groups, 4)
    assert tasks == [FoldOf(groups[0], 0), FoldOf(groups[0], 2), groups[0]]
    assert after == [(), (), (0, 1)]


def test_a_fit_of_one_round_or_of_changed_code_keeps_no_folds(store, monkeypatch):
    groups = by_fit(trainings(store, ("logreg",), "holdout"))
    assert dealt(groups, 8)[0] == groups
    monkeypatch.setattr(tracking, "git_commit", lambda: COMMIT + tracking.CHANGED)
    groups = by_fit(trainings(store, ("logreg",)))
    assert dealt(groups, 8)[0] == groups


def test_features_that_several_fits_need_are_computed_first_each_slice_once(store, monkeypatch):
    monkeypatch.setattr(ahead, "LEAST", 20)
    groups = by_fit(trainings(store, ("boosted", "logreg", "sequence")))
    tasks, after = dealt(groups, 3)
    features = [task for task in tasks if isinstance(task, FeaturesOf)]
    assert [one.start for one in features] + [len(store)] == [0] + [one.stop for one in features]
    assert {training.family for training in features[0].trainings} == {"boosted", "sequence"}
    waits = {
        task[0].family: waits for task, waits in zip(tasks, after, strict=True) if isinstance(task, tuple)
    }
    assert waits == {"boosted": (0, 1, 2), "sequence": (0, 1, 2), "logreg": ()}
    assert dealt(groups, 1)[0] == groups, "alone, a fit computes what the next one finds"


BACKBONE = {"size": 32}
KEPT: list[tuple[str, dict[str, Any]]] = [
    ("boosted", {}),
    ("sequence", {}),
    ("mil", {"epochs": 1}),
    ("mil", {"epochs": 1, "features": "frozen", **BACKBONE}),
    ("transfer", BACKBONE),
    ("ensemble", {"members": {"boosted": {}, "transfer": BACKBONE}}),
]


@pytest.mark.skipif(not find_spec(_lite0.PACKAGE), reason="the published weights are not installed")
@pytest.mark.parametrize(("word", "params"), KEPT)
def test_fits_find_the_features_that_tasks_have_kept(store, word, params, tmp_path, monkeypatch):
    monkeypatch.setattr("hemo.slices.stored.are_few", lambda *_: False)
    one = replace(trainings(store, (word,))[0], params=params)
    half = len(store) // 2
    _feature_cache._kept.clear()
    for start in (0, half):
        FeaturesOf((one,), start, start + half).make()

    def files() -> set[Path]:
        return {*(tmp_path / "cache").rglob("*.npy")}

    kept = files()
    assert kept
    _feature_cache._kept.clear()
    images = StoredSlices(store, np.arange(len(store)))
    context = families.fit_context(word, one.study(np.arange(len(store))), None)
    families.build(word, {**families.get(word).defaults, **params}).fit(images, one.truth(), **context)
    assert files() == kept


def test_what_is_done_ahead_and_fails_is_said_and_left_to_its_training(store, monkeypatch, capsys):
    group = by_fit(trainings(store, ("logreg",)))[0]
    assert steps._do("0", "", steps.train_in_runs, FoldOf(group, 2)) == []
    assert recording.kept_of(group[0]).holds(0, 2)
    ended = [(FoldOf(group, 0), HemoError("no room")), (group, ["AUC 0.9"])]
    monkeypatch.setattr(cluster, "run_all", lambda *_: ended)
    assert steps.train_all(group, "0", "", 4, lambda outcomes, _: outcomes) == []
    said = capsys.readouterr().err
    assert "logreg/any: fold 1 failed: no room" in said
    assert "logreg/any: AUC 0.9" in said
