"""MLflow as it is before anybody named a store."""

import mlflow


def forget_stores() -> None:
    """Let MLflow look for its stores anew: None is what it begins with, though its types do not say so."""
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
    mlflow.set_registry_uri(None)  # type: ignore[arg-type]
