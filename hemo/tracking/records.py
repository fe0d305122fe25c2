"""A run of MLflow as hemo's own record, so that what reads runs needs no MLflow."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hemo import families
from hemo.evaluation import protocols
from hemo.evaluation.protocols import Protocol
from hemo.tracking.tags import FILES_DIGEST

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun


@dataclass(frozen=True)
class Run:
    """A run as it was found.

    Attributes
    ----------
    run_id, name, experiment
        Which one it is, and the id of its experiment.
    tags, params, metrics
        What was logged to it; of a metric the last value.
    model_uri
        URI of the model that it logged last; empty where it logged none.
    store
        Folder of the slice store that it was trained on, as recorded; None where that is not known.
    """

    run_id: str
    name: str
    experiment: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    model_uri: str = ""
    store: Path | None = None

    @classmethod
    def of(cls, run: "MlflowRun") -> "Run":
        """Return the record of a run of MLflow."""
        inputs = run.inputs.dataset_inputs if run.inputs else []
        outputs = run.outputs.model_outputs if run.outputs else []
        return cls(
            run_id=run.info.run_id,
            name=run.info.run_name,
            experiment=run.info.experiment_id,
            tags=run.data.tags,
            params=run.data.params,
            metrics=run.data.metrics,
            model_uri=f"models:/{outputs[-1].model_id}" if outputs else "",
            store=Path(json.loads(inputs[0].dataset.source)["uri"]) if inputs else None,
        )

    @property
    def label(self) -> str:
        """What was learned."""
        return self.tags["label"]

    @property
    def word(self) -> str:
        """The family, with its variant: `logreg`, `logreg@saga`."""
        return families.word_of(self.tags)

    @property
    def title(self) -> str:
        """The family, with its variant, for people."""
        return families.title(self.word)

    @property
    def protocol(self) -> Protocol:
        """How it was trained and tested."""
        return protocols.parse(self.tags["protocol"])

    @property
    def digests(self) -> tuple[str, str, str]:
        """Protocol, data and split: runs that agree in all three were tested on the same slices."""
        return self.tags["protocol"], self.tags["data_digest"], self.tags["split_digest"]

    @property
    def recorded(self) -> bool:
        """Whether digests of its files were recorded (see `hemo.tracking.recorded`)."""
        return FILES_DIGEST in self.tags

    @property
    def repeats(self) -> int:
        """How often patients were dealt; runs before it was known say nothing, and dealt once."""
        return int(self.params.get("train.repeats", 1))

    def resolved(self) -> dict[str, str]:
        """Return the family's parameters as they were resolved, by name, as text."""
        return {name.removeprefix("hp."): v for name, v in self.params.items() if name.startswith("hp.")}
