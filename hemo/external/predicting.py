"""What a registered classifier predicts of a store that it was not made of."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo.evaluation import predictions
from hemo.evaluation.triage import Thresholds
from hemo.serving import Member
from hemo.serving.answers import stands_alone
from hemo.slices.store import SliceStore
from hemo.slices.stored import StoredSlices


def predict(member: Member, store: SliceStore) -> pd.DataFrame:
    """Return the prediction table of a member on the slices of a store that have its label."""
    truth = store.index[member.label].to_numpy()
    rows = np.flatnonzero(truth >= 0)
    table = store.index.iloc[rows][["slice_id", "patient", "study"]].reset_index(drop=True)
    probability = member.calibrated(_scores(member, store, truth >= 0)[0][rows])
    return _table(table, truth[rows], probability, member.at)


def predict_studies(member: Member, store: SliceStore) -> pd.DataFrame:
    """Return the prediction table of a member on the studies of a store that have its label.

    A row a study, called by the first of its slices' ids, with the member's score and operating point for
    studies; its truth is that of `SliceStore.studies`.
    """
    truth = store.studies.set_index("study")[member.label]
    wanted = store.index["study"].map(truth).to_numpy() >= 0
    slices = store.index[wanted]
    raw, attention = (values[wanted] for values in _scores(member, store, wanted))
    heeded = None if np.isnan(attention).any() else attention
    probability = member.study_probability(raw, slices["study"].to_numpy(), heeded)
    table = slices.groupby("study", sort=False).agg(
        slice_id=("slice_id", "min"), patient=("patient", "first")
    )
    known = truth.loc[table.index].to_numpy(np.int8)
    return _table(table.reset_index(), known, probability, member.study_at)


def _scores(
    member: Member, store: SliceStore, wanted: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what a member gives for slices before calibration, and its attention; NaN where there is none.

    There is none of stacks without a slice that is wanted, and no attention of what judges slices only. The
    only slice of its stack is judged as where it is served, if the member says anything of it there.
    """
    raw, attention = np.full((2, len(store)), np.nan)
    rows = np.flatnonzero(np.isin(store.stack, store.stack[wanted]))
    found = member.scores(StoredSlices(store, rows), store.stack[rows])
    raw[rows] = found.probability
    if found.attention is not None:
        attention[rows] = found.attention
    lone = rows[stands_alone(store.stack[rows])]
    if (by_itself := member.alone(StoredSlices(store, lone))) is not None:
        raw[lone] = by_itself
    return raw, attention


def _table(
    table: pd.DataFrame, truth: NDArray[np.int8], probability: NDArray[np.float64], at: Thresholds
) -> pd.DataFrame:
    """Return a prediction table of what was tested."""
    return predictions.validate(
        table.assign(part="test", fold=np.int16(-1), truth=truth, probability=probability, **at._asdict())
    )
