"""What registered models, and the experiment of decisions, are called, and what can be verified."""

from pathlib import Path

from hemo.errors import HemoError

PANEL = "hemo-panel"
"""The registered model of all labels in one."""

PANEL_URI = f"models:/{PANEL}@production"
"""The panel in production, as MLflow loads and serves it."""

EXPERIMENT = "hemo-registry"
"""The MLflow experiment that holds the records of what was decided."""


def model_name(label: str) -> str:
    """Return the registered model of a label.

    >>> model_name("any")
    'hemo-any'
    """
    return f"hemo-{label}"


def store_of(target: str) -> Path | None:
    """Return the folder of a slice store that a target of `hemo verify` names; None: MLflow holds the target.

    Raises
    ------
    HemoError
        If it is neither.
    """
    if target in ("all", "panel") or target.startswith(("runs:/", "run:/", "models:/")):
        return None
    if not (Path(target) / "store.json").is_file():
        raise HemoError(
            f"{target}: no slice store: give its folder, runs:/ID, models:/NAME/VERSION, panel or all"
        )
    return Path(target)
