"""Prediction tables and trainings at hand are compared without a tracking server."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from hemo.comparison import differences, leaderboard, results
from hemo.comparison import tables as tables_for_people
from hemo.display import heatmaps, style
from hemo.errors import HemoError
from hemo.evaluation import predictions
from hemo.evaluation.operating_point import OperatingPointRule
from hemo.evaluation.predictions import study_table
from hemo.evaluation.protocols import Protocol
from hemo.evaluation.summary import summarize
from hemo.slices.split import make_split
from hemo.training import Plan, Training, final_metrics, train
from tests.helpers.registry_world import table
from tests.helpers.stores import bright_blood, write_store


@pytest.fixture
def tables():
    return {"good/any": table(4.0), "poor/any": table(0.5)}


def test_prediction_tables_are_compared_without_runs(tables):
    given = [results.of_table("any", name.split("/")[0], rows, draws=100) for name, rows in tables.items()]
    found = leaderboard.compare(given)
    board = {row["family"]: row for row in found.leaderboard.to_dict("records")}
    good = board["good"]
    assert (good["best"], board["poor"]["best"]) == (True, False)
    assert good["recall_low"] < good["recall"] <= good["recall_high"]
    assert good["patients"] == 40
    pairs = differences.differences(found.leaderboard, tables, draws=100, seed=0)
    assert (pairs.loc[pairs["metric"] == "auc", "low"] > 0).all()
    assert style.png(heatmaps.recall_heatmap(found.leaderboard, "by hand"))


def test_under_holdout_the_best_is_chosen_by_validation_patients():
    def both(tested, validated):
        rows = table(validated, seed=3).assign(part="validation")
        rows["slice_id"], rows["patient"] = "v" + rows["slice_id"], "v" + rows["patient"]
        return type(rows)({name: [*rows[name], *table(tested)[name]] for name in rows})

    given = [
        results.of_table("any", "lucky", both(5.0, 0.2), Protocol.HOLDOUT, draws=100),
        results.of_table("any", "chosen", both(1.0, 5.0), Protocol.HOLDOUT, draws=100),
    ]
    lucky, chosen = (
        leaderboard.compare(given).leaderboard.sort_values("family", ascending=False).to_dict("records")
    )
    assert (lucky["best"], chosen["best"]) == (False, True)
    assert lucky["recall"] > chosen["recall"]


def test_trainings_at_hand_are_compared_without_runs(tmp_path):
    store = write_store(tmp_path / "store", *bright_blood(20, 4, size=8))
    split = make_split(store.index, Protocol.CV, 0, folds=2)
    plan = Plan(split, "balanced", OperatingPointRule("youden"), 10, 0, draws=100)
    trainings = [Training(store, plan, word, "any", {}) for word in ("logreg", "sgd")]
    found = leaderboard.compare([results.of_training(one, train(one)) for one in trainings])
    assert set(found.leaderboard["family"]) == {"logreg", "sgd"}
    assert (found.data_digest, found.split_digest) == (store.digest, split.digest)
    assert found.leaderboard["best"].sum() == 1


def test_nothing_to_compare_is_one_line_with_the_remedy():
    with pytest.raises(HemoError, match="train first"):
        leaderboard.compare([])


def test_leaderboard_and_differences_need_no_mlflow():
    code = "import hemo.comparison.differences, sys; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_comparison_of_several_deals_says_that_metrics_are_means():
    one, other = table(2.0, seed=1), table(2.0, seed=2)
    both = pd.concat(
        [one.assign(repeat=0), other.assign(repeat=1, truth=one["truth"], patient=one["patient"])]
    )
    given = [results.of_table("any", family, both, draws=100) for family in ("a", "b")]
    found = leaderboard.compare(given)
    assert found.repeats == 2
    assert "mean of 2 deals" in found.caveat
    aucs = [
        results.of_table("any", "a", deal, draws=100).metrics["test/auc"] for deal in predictions.deals(both)
    ]
    assert found.leaderboard["auc"].tolist() == pytest.approx([np.mean(aucs)] * 2)
    assert "deals" not in leaderboard.compare([results.of_table("any", "a", one, draws=100)]).caveat


def by_study(name, quality):
    """Return the result of a family of which studies alone were judged."""
    found = summarize(table().iloc[:0], 100, by_study=study_table(table(quality)))
    logged = final_metrics.with_bounds("study", found.studies) | final_metrics.counts(
        "study", "studies", found.studies
    )
    return results.Result("any", name, logged, Protocol.CV, run_id=name)


def test_where_no_slice_was_judged_families_are_compared_by_studies_and_slices_are_absent():
    found = leaderboard.compare([by_study("logreg", 0.5), by_study("mil", 4.0)])
    board = found.leaderboard.set_index("family")
    assert board["best"].to_dict() == {"mil": True, "logreg": False}
    assert board["recall"].isna().all()
    assert set(board["level"]) == {"study"}
    assert leaderboard.led(found.leaderboard)["recall"].equals(found.leaderboard["study_recall"])
    assert (board["patients"] == 40).all()
    means = found.averages.set_index("family")
    assert means["auc"].to_dict() == board["study_auc"].to_dict()
    listed = tables_for_people.boards(found)
    assert list(listed) == ["any: studies, and the threshold"]
    assert "–" not in listed["any: studies, and the threshold"].rows.to_numpy().ravel().tolist()
    assert "Metrics of studies" in tables_for_people.markdown(found)


def test_metrics_of_slices_and_of_studies_are_not_averaged_together():
    of_slices = results.of_table("epidural", "mil", table(4.0), draws=100)
    found = leaderboard.compare([by_study("mil", 4.0), of_slices])
    assert found.averages[["family", "level", "labels"]].values.tolist() == [
        ["mil", "slice", 1],
        ["mil", "study", 1],
    ]


def test_what_was_judged_by_slice_is_not_set_against_what_was_judged_by_study():
    found = leaderboard.compare(
        [by_study("mil", 4.0), results.of_table("any", "logreg", table(4.0), draws=100)]
    )
    predicted = {"mil": study_table(table(4.0)), "logreg/any": table(4.0)}
    assert differences.differences(found.leaderboard, predicted, draws=50, seed=0).empty
