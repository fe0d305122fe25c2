"""A plain tuning script, as one is written in an afternoon: what `bench_tuning` compares with.

One process a study, Optuna's defaults with no pruner; each trial loads its data, fits all folds, and logs
parameters, metrics and a model by MLflow's fluent calls. Same family, data, folds and number of trials.

    python -m benchmarks.plain_tuning STORE FAMILY LABEL TRIALS OUT
"""

import json
import sys
import time
from collections.abc import Mapping

import mlflow
import numpy as np
import optuna
from sklearn.metrics import roc_auc_score

from hemo import families
from hemo.config import Experiment
from hemo.evaluation.protocols import Protocol
from hemo.runs.planning import make_plan
from hemo.slices.store import SliceStore
from hemo.training import Training
from hemo.tuning.folds import make_folds


def log_epoch(epoch: int, figures: Mapping[str, float]) -> None:
    mlflow.log_metrics(dict(figures), step=epoch)


def main(folder: str, family: str, label: str, trials: int, out: str) -> None:
    """Run the study and write a line a trial to `out`: seconds since the start, value."""
    began = time.time()
    mlflow.set_experiment("plain")

    def objective(trial: optuna.Trial) -> float:
        store = SliceStore.open(folder)
        plan = make_plan(Experiment(), store, Protocol.HOLDOUT)
        training = Training(store, plan, family, label, {})
        with mlflow.start_run():
            truth, probability = [], []
            params = families.get(family).suggest(trial)
            mlflow.log_params(params)
            for fold in make_folds(training):
                classifier = fold.learned.fit(family, params, log_epoch).classifier
                truth.append(fold.truth)
                probability.append(families.positive(classifier, family, fold.tested))
            value = float(roc_auc_score(np.concatenate(truth), np.concatenate(probability)))
            mlflow.log_metric("auc", value)
            if families.get(family).neural:
                mlflow.tensorflow.log_model(classifier.network_, name="model")  # type: ignore[attr-defined]
            else:
                mlflow.pyfunc.log_model(name="model", python_model=_Model(classifier))
        with open(out, "a", encoding="utf-8") as lines:
            lines.write(json.dumps([time.time() - began, value]) + "\n")
        return value

    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.NopPruner())
    study.enqueue_trial(dict(families.get(family).default_trial))
    # As in `hemo tune`, a trial that fails does not end the study.
    study.optimize(objective, n_trials=trials, catch=(Exception,))


class _Model(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined]
    def __init__(self, classifier: families.Classifier) -> None:
        self.classifier = classifier

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        return self.classifier.predict_proba(model_input)


if __name__ == "__main__":
    store, family, label, trials, out = sys.argv[1:]
    main(store, family, label, int(trials), out)
