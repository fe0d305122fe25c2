"""Code file of every logged panel: MLflow runs it when it loads one (no pickle)."""

from mlflow.models import set_model

from hemo.serving import ServedPanel

set_model(ServedPanel())
