"""What an experiment file says about tuning."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from hemo.evaluation import objectives
from hemo.labels import LABELS

DEFAULT_TRIALS = 50


class Budget(BaseModel):
    """When a study ends: at whichever comes first; with neither given, after 50 trials.

    Attributes
    ----------
    trials
        Trials that ended with a value: pruned, failed and repeated ones do not count. None: no limit.
    seconds
        Time in which trials ran, over all starts of the study. None: no limit.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    trials: int | None = Field(None, ge=1)
    seconds: float | None = Field(None, gt=0)

    @model_validator(mode="before")
    @classmethod
    def _limit(cls, words: Any) -> Any:
        if isinstance(words, dict) and words.get("trials") is None and words.get("seconds") is None:
            return {**words, "trials": DEFAULT_TRIALS}
        return words


class Tuning(BaseModel):
    """The word `tuning` of an experiment file.

    Attributes
    ----------
    objective
        A word of `hemo.evaluation.objectives`, or several separated by commas.
    labels
        Labels to tune, in this order: the best settings of one are tried for the next.
    budget
        Of each study.
    budgets
        By family, where it differs.
    storage
        URL of Optuna's database; empty: `optuna.db` beside MLflow's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    objective: str = "auc"
    labels: tuple[str, ...] = LABELS
    budget: Budget = Budget()
    budgets: dict[str, Budget] = Field(default_factory=dict)
    storage: str = ""

    @field_validator("objective")
    @classmethod
    def _known_objective(cls, value: str) -> str:
        objectives.parse(value)
        return value

    @field_validator("labels")
    @classmethod
    def _known_labels(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [label for label in value if label not in LABELS]
        if unknown:
            raise ValueError(f"unknown label '{unknown[0]}': choose of {', '.join(LABELS)}")
        return value

    def budget_of(self, family: str) -> Budget:
        """Return the budget of a family's studies."""
        return self.budgets.get(family, self.budget)

    def overridden(
        self, *, trials: int | None, seconds: float | None, objective: str, storage: str
    ) -> "Tuning":
        """Return these settings with the words given on the command line in their place."""
        words: dict[str, Any] = self.model_dump()
        if trials is not None or seconds is not None:
            words |= {"budget": {"trials": trials, "seconds": seconds}, "budgets": {}}
        if objective:
            words["objective"] = objective
        if storage:
            words["storage"] = storage
        return Tuning.model_validate(words)
