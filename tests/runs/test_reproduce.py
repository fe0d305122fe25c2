from dataclasses import replace
from typing import Any

import mlflow
import numpy as np
import pytest
from click.testing import CliRunner

from hemo import config, tracking
from hemo.commands import reproduce as command
from hemo.errors import HemoError
from hemo.evaluation import metrics, predictions
from hemo.runs import reproduce
from hemo.runs.steps import train_family
from hemo.tracking import trained_on
from tests.helpers.stores import bright_blood, write_store


def computed(table):
    return metrics.compute(table["truth"], table["probability"], table["threshold"])


@pytest.fixture(scope="module")
def run(trained, tmp_path_factory):
    """A real training run on a small store; returns its id and the store's folder."""
    from tests.helpers.registry_world import empty_store

    folder = tmp_path_factory.mktemp("reproduce")
    images, patients, labels = bright_blood(patients=16, slices=6)
    store = write_store(folder / "store", images, patients, labels)
    with pytest.MonkeyPatch.context() as patch:
        empty_store(trained[0] / "mlflow.db", folder, patch)
        words: dict[str, Any] = {
            "name": "real",
            "store": str(store.folder),
            "folds": 2,
            "draws": 100,
            "seed": 3,
            "repeats": 2,
        }
        settings = config.load(None, **words).model_copy(update={"families": {"logreg": {"C": 0.01}}})
        train_family(settings, "logreg", ("any",))
        (found,) = tracking.training_runs(tracking.find_experiment("real"))
        yield found, store.folder


def test_a_run_is_repeated_from_what_it_recorded(run):
    found = reproduce.reproduce(run[0].run_id)
    assert found.reproduced
    assert found.slices == 96
    assert found.largest < 1e-9


def test_settings_are_those_of_the_run(run):
    words = reproduce.settings(run[0], run[1], 2)
    assert words["families"]["logreg"]["C"] == 0.01
    assert (words["seed"], words["folds"], words["protocol"], words["repeats"]) == (3, 2, "cv", 2)
    once = replace(run[0], params={**run[0].params, "train.repeats": "1"})
    assert "repeats" not in reproduce.settings(once, run[1], 2)


def test_a_run_of_several_deals_records_them_and_says_that_its_metrics_are_means(run):
    table = tracking.load_predictions(run[0].run_id)
    assert table.groupby("repeat").size().to_dict() == {0: 96, 1: 96}
    assert run[0].repeats == 2
    assert run[0].metrics["test/slices"] == 96
    assert "each the mean of 2 deals" in run[0].tags["mlflow.note.content"]
    mean = np.mean([deal["auc"] for deal in (computed(part) for part in predictions.deals(table))])
    assert run[0].metrics["test/auc"] == pytest.approx(mean, abs=1e-4)


def test_another_threshold_or_probability_is_not_reproduced(run):
    table = tracking.load_predictions(run[0].run_id)
    other = table.assign(probability=np.clip(table["probability"] + 1e-3, 0, 1))
    assert not reproduce._compare(run[0], other, "c").reproduced
    assert not reproduce._compare(run[0], table.assign(threshold=0.9), "c").reproduced
    assert not reproduce._compare(run[0], table.assign(fold=np.int16(0)), "c").reproduced


def test_a_store_that_holds_other_data_is_refused(run, tmp_path):
    images, patients, labels = bright_blood(patients=4, slices=2)
    write_store(tmp_path / "other", images, patients, labels, digest="e" * 32)
    with pytest.raises(HemoError, match="holds other data"):
        reproduce.reproduce(run[0].run_id, tmp_path / "other")


def test_a_run_that_is_none_is_one_line_with_the_remedy(run):
    found = CliRunner().invoke(command.reproduce, ["0" * 32])
    assert "no such run" in str(found.exception)
    experiment = tracking.find_experiment("real")
    with tracking.start_run(experiment, "other", {"stage": "comparison"}) as other:
        mlflow.log_metric("x", 1)
    with pytest.raises(HemoError, match="not a training run"):
        reproduce.reproduce(other)


def test_a_commit_that_is_not_here_is_refused(run, monkeypatch):
    with pytest.raises(HemoError, match="is not at hand"), reproduce._code("f" * 40):
        pass


def test_the_store_of_a_run_is_found_where_it_lay_when_it_is_not_where_one_looks(run, tmp_path):
    assert trained_on.find(run[0], tmp_path).folder == run[1]
    moved = tracking.get_run(run[0].run_id)
    moved = replace(moved, tags={**moved.tags, "data_digest": "e" * 32})
    with pytest.raises(HemoError, match="holds other data"):
        trained_on.find(moved)
