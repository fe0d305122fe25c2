"""What is compared: metrics of a family on a label, of a run, a training or a prediction table."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from hemo.evaluation import predictions
from hemo.evaluation.protocols import Protocol
from hemo.evaluation.summary import summarize
from hemo.training import Trained, Training, final_metrics


@dataclass(frozen=True)
class Result:
    """What a family came to on a label.

    Attributes
    ----------
    label, family
        What was learned, and by which family, or variant of it.
    metrics
        By the names they are logged by: `test/recall`, `test/recall_low`, `val/auc`, `threshold`, ...
    protocol, data_digest, split_digest
        Results that agree in these three were tested on the same slices.
    run_id
        The run in MLflow; without one, any name that is this result's alone.
    repeats
        How often patients were dealt: metrics are means over the deals.
    """

    label: str
    family: str
    metrics: Mapping[str, float]
    protocol: Protocol
    data_digest: str = ""
    split_digest: str = ""
    run_id: str = ""
    repeats: int = 1

    @property
    def name(self) -> str:
        """`family/label`."""
        return f"{self.family}/{self.label}"

    @property
    def digests(self) -> tuple[str, str, str]:
        """Protocol, data and split."""
        return self.protocol, self.data_digest, self.split_digest


def of_training(training: Training, trained: Trained) -> Result:
    """Return the result of a training: what its run in MLflow would say."""
    plan = training.plan
    tested = trained.summary(plan)
    metrics = final_metrics.finals(trained, plan, tested)
    return Result(
        training.label, training.word, metrics, plan.protocol, training.store.digest, plan.split_digest,
        training.name, plan.repeats,
    )  # fmt: skip


def of_table(
    label: str,
    family: str,
    table: pd.DataFrame,
    protocol: Protocol = Protocol.CV,
    *,
    draws: int = 2000,
    seed: int = 0,
) -> Result:
    """Return the result that a prediction table is.

    Parameters
    ----------
    label, family
        What the predictions are of, and what to call the classifier.
    table
        A prediction table (see `hemo.evaluation.predictions`).
    protocol
        How the slices were dealt between learning and testing.
    draws, seed
        Of the bootstrap over patients.
    """
    metrics: dict[str, float] = {}
    for prefix, part in (("test", "test"), ("val", "validation")):
        found = summarize(table, draws, seed, part)
        if found.counts.slices:
            metrics |= final_metrics.with_bounds(prefix, found) | final_metrics.counts(
                prefix, "slices", found
            )
    repeats = max(1, predictions.validate(table)["repeat"].nunique())
    return Result(label, family, metrics, protocol, run_id=f"{family}/{label}", repeats=repeats)
