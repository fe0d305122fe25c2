"""What a store says of the readers of its studies: who they are, by which rule they agree, and how far."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo.evaluation.agreement import COLUMNS, RULE, agreement
from hemo.labels import LabelTable


def readers_facts(table: LabelTable | None, row_patients: NDArray[np.object_]) -> dict[str, Any] | None:
    """Return what `store.json` says of a table's readers, None where it has not several.

    Parameters
    ----------
    table
        A label table.
    row_patients
        The patient of each of its rows, "" where no slice answers to it: such a row is not counted.

    Returns
    -------
    dict
        `rule`, `readers` (by label), `studies` and `agreement`: the rows of
        `hemo.evaluation.agreement.agreement`.
    """
    reads = None if table is None else table.reads
    if reads is None or max(map(len, reads.readers.values())) < 2:
        return None
    rows = np.flatnonzero(row_patients != "")
    votes = {label: given[rows] for label, given in reads.votes.items()}
    found = agreement(votes, reads.readers, row_patients[rows].tolist())
    records = found.astype(object).where(found.notna(), None).to_dict("records")
    return {
        "rule": RULE,
        "readers": {label: list(names) for label, names in reads.readers.items()},
        "studies": len(rows),
        "agreement": records,
    }


def agreement_table(facts: Mapping[str, Any]) -> pd.DataFrame | None:
    """Return the readers' agreement out of a store's facts; None where it had no several readers."""
    if "readers" not in facts:
        return None
    found = pd.DataFrame(facts["readers"]["agreement"], columns=COLUMNS)
    return found.astype({"value": float, "low": float, "high": float})
