"""Code file of every logged classifier: MLflow runs it when it loads one (no pickle)."""

from mlflow.models import set_model

from hemo.serving import ServedClassifier

set_model(ServedClassifier())
