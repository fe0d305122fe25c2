"""From an experiment in MLflow to what a comparison is made of."""

from collections.abc import Sequence

import pandas as pd

from hemo import console, tracking
from hemo.comparison import leaderboard
from hemo.comparison.leaderboard import Comparison
from hemo.comparison.results import Result
from hemo.digests import DiffersError
from hemo.tracking import Run


def compare(experiment: str, run_ids: Sequence[str] = ()) -> Comparison:
    """Compare the newest training run of each family and label of an experiment.

    A run of which a prediction table is not as it was recorded is left out, and named; the one before it
    takes its place.

    Parameters
    ----------
    experiment
        Its id.
    run_ids
        See `hemo.comparison.leaderboard.compare`.
    """
    results = [result(run) for run in tracking.training_runs(experiment)]
    while True:
        found = leaderboard.compare(results, run_ids)
        differ = {run_id: fault for run_id in found.leaderboard["run_id"] if (fault := _fault(run_id))}
        if not differ:
            return found
        for run_id, fault in differ.items():
            if run_id in run_ids:
                raise fault
            console.err.print(f"left out: {fault}", markup=False, soft_wrap=True)
        results = [one for one in results if one.run_id not in differ]


def _fault(run_id: str) -> DiffersError | None:
    """Return what is wrong with a run's prediction tables, if anything is."""
    try:
        tracking.load_predictions(run_id)
        tracking.load_studies(run_id)
    except DiffersError as fault:
        return fault
    return None


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
