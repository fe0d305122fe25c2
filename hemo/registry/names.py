"""What registered models, and the experiment of decisions, are called."""

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
