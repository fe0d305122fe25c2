"""What a store says of its slices in `store.json`."""

from typing import Any

import numpy as np
import pandas as pd

from hemo.labels import LABELS, STUDY_LABELS, UNLABELLED
from hemo.slices.assemble import Assembled
from hemo.slices.ordering import count
from hemo.slices.study_labels import studies_of, study_counts


def facts_of(result: Assembled) -> dict[str, Any]:
    """Return what `store.json` says of the slices."""
    said = STUDY_LABELS[0] in result.index
    return {
        "slices": len(result.index),
        "patients": count(result.index["patient"]),
        "studies": count(result.index["study"]),
        "patients_known": result.patients_known,
        "labels": label_counts(result.index),
        **({"study_labels": study_counts(studies_of(result.index))} if said else {}),
        "excluded": {str(r): int(n) for r, n in result.exclusions["reason"].value_counts().items()},
        "unmatched": len(result.unmatched),
        "notes": result.notes,
        "thickness": None if np.isnan(result.thickness) else result.thickness,
        "digest": result.digest,
    }


def label_counts(index: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Return positive, negative and unlabelled slices and positive patients of each label."""
    counts = {}
    for label in LABELS:
        values = index[label].to_numpy()
        counts[label] = {
            "positive": int((values == 1).sum()),
            "negative": int((values == 0).sum()),
            "unlabelled": int((values == UNLABELLED).sum()),
            "patients": int(index["patient"][values == 1].nunique()),
        }
    return counts
