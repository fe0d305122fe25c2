"""The experiment file as validated types: it lists only what differs from the defaults below."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    field_validator,
    model_validator,
)

from hemo import memory
from hemo.cluster import Cluster, check_word
from hemo.config.cluster import Slurm
from hemo.config.tuning import Tuning
from hemo.errors import HemoError
from hemo.evaluation.operating_point import OperatingPointRule
from hemo.evaluation.protocols import Protocol

GateMetric = Literal[
    "recall_at_specificity_80", "recall_at_specificity_90", "specificity_at_recall_80",
    "specificity_at_recall_90", "auc", "average_precision", "recall", "specificity",
]  # fmt: skip
"""Metrics by which the gate may compare a candidate with what is in production."""


PAPER_FAMILIES = ("logreg", "linear_svc", "sgd", "ann", "cnn")
"""The seed paper's, trained where an experiment names none."""

FamilyWord = Annotated[str, StringConstraints(pattern=r"^\w+(@[\w.-]+)?$")]
"""A family, or a variant of it."""


def _parsed_rule(value: Any) -> Any:
    try:
        return OperatingPointRule.parse(value) if isinstance(value, str) else value
    except HemoError as fault:
        raise ValueError(str(fault)) from None


Rule = Annotated[OperatingPointRule, BeforeValidator(_parsed_rule), PlainSerializer(str, return_type=str)]
"""Of an operating point; in the file a word such as `sensitivity_at_least:0.85`."""


def _known_amount(value: Any) -> str:
    try:
        memory.parse(str(value))
    except HemoError as fault:
        raise ValueError(str(fault)) from None
    return str(value)


Memory = Annotated[str, BeforeValidator(_known_amount)]
"""An amount of it, such as `4 GB`."""


def _known_cluster(value: Any) -> str:
    try:
        return check_word(str(value)) if value and value != NONE else ""
    except HemoError as fault:
        raise ValueError(str(fault)) from None


NONE = "none"
"""Stands for no cluster on a command line, whatever an experiment file says."""

ClusterWord = Annotated[str, BeforeValidator(_known_cluster)]
"""A cluster: `slurm`, or `dask://HOST:PORT`; empty for none."""


class Part(BaseModel):
    """A part of an experiment file: unknown words are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Phantom(Part):
    """The synthetic head-CT studies that stand in where no `images` are given.

    Attributes
    ----------
    patients
        How many; most of them bleed.
    slices
        Of each study.
    size
        Height and width of a slice in pixels.
    """

    patients: int = Field(60, ge=3)
    slices: int = Field(16, ge=4)
    size: int = Field(256, ge=64)


class Reduction(Part):
    """How a slice becomes a small array (see `hemo.imaging.Reduction`).

    Attributes
    ----------
    size
        Height and width of the result in pixels.
    windows
        The channels: `brain`, `subdural`, `bone`, `gray`, or level and width in HU (`40/80`).
    crop
        Whether to cut the head out first.
    resampling
        `area` (the mean over each target pixel's area) or `paper` (the seed paper's).
    neighbours
        How many slices of the study on each side join as further channels.
    hu_offset
        What is added to the gray of 16-bit pictures that hold Hounsfield units to give them; without it such
        pictures are left out.
    standard
        Whether slices are brought to one look: inverted gray, page, frame, text and holder undone; goes with
        the window `gray`.
    """

    size: int = Field(128, ge=16, le=1024)
    windows: tuple[str, ...] = ("brain",)
    crop: bool = True
    resampling: Literal["area", "paper"] = "area"
    neighbours: int = Field(0, ge=0, le=5)
    hu_offset: int | None = Field(None, ge=-65_535, le=65_535)
    standard: bool = False


class Gate(Part):
    """What a classifier must show before it is promoted; metrics are of patients kept from training.

    Attributes
    ----------
    level
        What is judged, and compared with what is in production: `study`, whole studies by their own score and
        operating point (slices, where studies are not whole), `slice`, or `both`.
    min_positive_patients
        Fewer patients with the label among those tested say too little.
    min_recall_low, min_specificity_low
        Least lower bound of the 95% interval at the operating point. A classifier that calls nearly
        everything (or nothing) positive fails one of the two.
    min_auc_low
        The lower bound of the AUC has to lie above this: 0.5 is chance.
    min_calibration_slope, max_calibration_slope
        1 is ideal; below 1 probabilities are overconfident, at 0 they say nothing.
    figure, second_figure
        A candidate replaces what is in production if it is better in the first metric, or not worse by
        more than `margin` and better in the second: paired over patients, by the lower bound of the
        95% interval of the difference.
    margin
        Largest loss in the first metric that counts as not inferior.
    max_stress_drop
        Largest fall of the AUC under any change that occurs in practice, as `hemo stress` has found it out of
        sample on all patients; None: not asked for.
    """

    level: Literal["study", "slice", "both"] = "study"
    min_positive_patients: int = Field(10, ge=1)
    min_recall_low: float = Field(0.5, ge=0, le=1)
    min_specificity_low: float = Field(0.5, ge=0, le=1)
    min_auc_low: float = Field(0.5, ge=0, le=1)
    min_calibration_slope: float = Field(0.1, gt=0)
    max_calibration_slope: float = Field(10, gt=0)
    figure: GateMetric = "recall_at_specificity_80"
    second_figure: GateMetric = "auc"
    margin: float = Field(0.02, ge=0, le=1)
    max_stress_drop: float | None = Field(None, ge=0, le=1)


class Experiment(Part):
    """One experiment: data, protocol, families and gate.

    Attributes
    ----------
    name
        The MLflow experiment.
    description
        What it is about, for people: shown with the runs.
    images, labels
        Folder of scans and label table; empty: the phantom is made.
    store
        Folder of the slice store; empty: `data/NAME/store`.
    phantom, reduction, gate, tuning
        Sections of their own, below.
    protocol
        `cv` (folds by patient, for small stores), `holdout` (train, validation, test by patient) or
        `paper` (split by slice, threshold 0.5: for comparison with the seed paper only).
    folds
        Of `cv`.
    repeats
        How often patients are dealt to folds, each time anew, with seeds of its own; only under `cv`. Metrics
        are means over the deals, with intervals that know of patients and of deals. `hemo tune` and
        `hemo audit` deal once.
    sampling
        Slices learned from: `balanced` (half positive) or `natural` prevalence.
    positives
        Positive slices of a label's sample under `paper`.
    operating_point, study_operating_point
        Rules that fit the thresholds of slices and of whole studies off-test (see
        `hemo.evaluation.operating_point`): `sensitivity_at_least:0.85`, `specificity_at_least:0.8`, `youden`,
        `fixed:0.5`; `triage:npv=0.97,ppv=0.9` fits two, and leaves what lies between unsure (see
        `hemo.evaluation.triage`).
    calibration
        `none`, `sigmoid` or `isotonic`: whether probabilities are calibrated, off-test, as part of the
        classifier. Not by default: balanced samples make probabilities too high, but decisions and ranking
        are right without, and under `cv` calibrating fold by fold lowers pooled ranking metrics where few
        patients have a label (see `hemo.evaluation.decisions`). Under `holdout` it costs nothing.
    families
        Families by name, each with the parameters that differ from its defaults. A family may be there
        several times, as variants: `logreg@saga: {solver: saga}`.
    draws
        Of patients, for intervals by bootstrap.
    seed
        The one that all others come from.
    workers
        Processes at a time; under `cluster: slurm`, jobs.
    cluster
        Where trainings, trials and shards are made: `slurm`, or `dask://HOST:PORT` of a scheduler that runs;
        empty: in processes of this machine.
    slurm
        What each job asks for, a section of its own.
    memory
        What each process may take, such as `4 GB`. Slices that would take more are read as they are asked
        for; what cannot learn so learns from fewer, or from principal components, and says so.
    """

    name: str = Field("hemo", pattern=r"^[\w][\w .-]*$")
    description: str = ""
    images: str = ""
    labels: str = ""
    store: str = ""
    phantom: Phantom = Phantom()
    reduction: Reduction = Reduction()
    protocol: Protocol = Protocol.CV
    folds: int = Field(5, ge=2)
    repeats: int = Field(1, ge=1)
    sampling: Literal["balanced", "natural"] = "balanced"
    positives: int = Field(3145, ge=2)
    operating_point: Rule = OperatingPointRule("sensitivity_at_least", 0.85)
    study_operating_point: Rule = OperatingPointRule("sensitivity_at_least", 0.9)
    calibration: Literal["none", "sigmoid", "isotonic"] = "none"
    families: dict[FamilyWord, dict[str, Any]] = Field(
        default_factory=lambda: {name: dict[str, Any]() for name in PAPER_FAMILIES}
    )
    gate: Gate = Gate()
    tuning: Tuning = Tuning()
    draws: int = Field(2000, ge=100)
    seed: int = Field(0, ge=0)
    workers: int = Field(2, ge=1)
    memory: Memory = memory.DEFAULT
    cluster: ClusterWord = ""
    slurm: Slurm = Slurm()

    @field_validator("families", mode="before")
    @classmethod
    def _fill_empty(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: params or {} for name, params in value.items()}
        return value

    @model_validator(mode="after")
    def _deal_anew_under_cv(self) -> Self:
        if self.repeats > 1 and self.protocol is not Protocol.CV:
            raise ValueError(
                f"repeats: {self.repeats} goes with protocol cv only: under {self.protocol} the classifier "
                "that is kept is the one tested, and another deal would test it on what it learned from: use "
                "protocol cv, or repeats: 1"
            )
        return self

    @property
    def folder(self) -> Path:
        """Folder of what this experiment makes of its data."""
        return Path("data") / self.name

    @property
    def place(self) -> Cluster | None:
        """Where its tasks are done; None for processes of this machine."""
        if not self.cluster:
            return None
        asked = self.slurm.directives(f"hemo {self.name}", memory.parse(self.memory))
        folder = Path(f"{self.store_folder}.jobs").absolute()
        return Cluster(self.cluster, folder, asked, self.slurm.prologue)

    @property
    def dataset(self) -> str:
        """Name of the data for people."""
        return self.name if self.images or self.store else "phantom"

    @property
    def store_folder(self) -> Path:
        """Folder of the slice store."""
        return Path(self.store) if self.store else self.folder / "store"
