"""From an experiment in MLflow to what a comparison is made of."""

from collections.abc import Sequence

import pandas as pd

from hemo import tracking
from hemo.comparison import leaderboard
from hemo.comparison.leaderboard import Comparison
from hemo.comparison.results import Result
from hemo.tracking import Run


def compare(experiment: str, run_ids: Sequence[str] = ()) -> Comparison:
    """Compare the newest training run of each family and label of an experiment.

    Parameters
    ----------
    experiment
        Its id.
    run_ids
        See `hemo.comparison.leaderboard.compare`.
    """
    return leaderboard.compare([result(run) for run in tracking.training_runs(experiment)], run_ids)


def result(run: Run) -> Result:
    """Return what a training run came to."""
    _, data, split = run.digests
    return Result(run.label, run.word, run.metrics, run.protocol, data, split, run.run_id, run.repeats)


def predictions(board: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the prediction tables of a leaderboard's runs; of studies, where no slice was judged."""
    found = {}
    for run_id, level in zip(board["run_id"], board["level"], strict=True):
        studies = tracking.load_studies(run_id) if level == "study" else None
        found[run_id] = tracking.load_predictions(run_id) if studies is None else studies
    return found
