from types import SimpleNamespace
from typing import Any

import mlflow
import pytest

from hemo import tracking
from hemo.runs import steps


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    return tracking.experiment_id("made up")


def test_a_task_that_is_done_again_takes_what_its_lost_worker_had_finished(experiment, monkeypatch):
    group: Any = tuple(
        SimpleNamespace(name=f"multilabel/{label}") for label in ("any", "epidural", "subdural")
    )
    trained: list[list[str]] = []

    def train(_: str, parent: str, left: Any) -> list[str]:
        trained.append([one.name for one in left])
        return [f"{one.name} trained" for one in left]

    monkeypatch.setattr(steps, "train_in_runs", train)
    with tracking.root_run(experiment, "root", {}) as root:
        with tracking.start_run(experiment, "multilabel/epidural", {"stage": "train"}, root):
            pass
        below = {"mlflow.parentRunId": root, "stage": "train"}
        lost = tracking.client().create_run(experiment, tags=below, run_name="multilabel/any").info.run_id
        answers = steps.train_again(experiment, root, group)
        assert answers[0] == "multilabel/any trained"
        assert "a worker that was lost" in str(answers[1])
        assert trained == [["multilabel/any", "multilabel/subdural"]]
        assert tracking.client().get_run(lost).info.status == "KILLED"
        with tracking.start_run(experiment, "cnn/any", {"stage": "train"}, root):
            pass
        steps.train_again(experiment, root, (SimpleNamespace(name="cnn/any"),))  # type: ignore[arg-type]
        assert len(trained) == 1


def test_what_is_trained_now_is_said_while_people_wait(monkeypatch):
    said: list[str] = []
    monkeypatch.setattr(steps.console, "step", said.append)
    one, two, three = (SimpleNamespace(name=f"{name}/any", word=name) for name in ("cnn", "sgd", "ann"))
    tasks: Any = [(one,), (two, two), (three,)]
    outcomes = steps._said([(tasks[1], []), (tasks[0], []), (tasks[2], [])], tasks, 2)
    assert [task for task, _ in outcomes] == [tasks[1], tasks[0], tasks[2]]
    assert said == ["cnn/any and sgd", "cnn/any and ann/any", "ann/any", ""]


def test_of_many_that_are_under_way_the_first_are_named_and_the_others_counted():
    tasks: Any = [(SimpleNamespace(name=f"{name}/any"),) for name in "abcde"]
    assert steps._names(tasks) == "a/any and b/any and c/any and 2 more"
