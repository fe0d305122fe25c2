from types import SimpleNamespace
from typing import Any

import mlflow
import numpy as np
import pandas as pd

from hemo import families, tracking
from hemo.evaluation.operating_point import OperatingPointRule
from hemo.imaging import Reduction
from hemo.runs import logged_model
from hemo.training import Plan, Training
from tests.helpers.registry_world import empty_store


def test_an_ensemble_of_trees_and_linear_models_is_served_without_tensorflow():
    light: dict[str, Any]
    heavy: dict[str, Any]
    light, heavy = ({"members": {name: {}}} for name in ("sequence", "transfer"))
    assert not any("tensorflow" in line for line in logged_model.requirements("ensemble", light))
    assert any("tensorflow" in line for line in logged_model.requirements("ensemble", heavy))
    assert any("tensorflow" in line for line in logged_model.requirements("cnn", {"filters": (4,)}))


def test_what_reads_the_trees_is_needed_where_there_are_trees_and_nowhere_else():
    trees: dict = {"members": {"boosted": {}}}
    linear: dict = {"members": {"sequence": {}}}
    for family, params, needed in [
        ("boosted", {}, True),
        ("logreg", {}, False),
        ("ensemble", trees, True),
        ("ensemble", linear, False),
    ]:
        lines = logged_model.requirements(family, params)
        assert any(line.startswith("treelite==") for line in lines) is needed


def test_a_registered_classifier_judges_pictures_of_a_study_together(trained, tmp_path, monkeypatch):
    empty_store(trained[0] / "mlflow.db", tmp_path, monkeypatch)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (40, 32, 32, 1), dtype=np.uint8)
    classifier = families.build("lesions", {"trees": 5}).fit(images, np.arange(40) % 2)
    fitted: Any = SimpleNamespace(
        classifier=classifier, calibrator=None, threshold=0.5, negative_below=None, studies=None
    )
    plan = Plan(None, "natural", OperatingPointRule("fixed", 0.5), 0, 0)
    store: Any = SimpleNamespace(
        reduction=Reduction(size=32, crop=False), folder=tmp_path, digest="d1", thickness=5.0, synthetic=True
    )
    monkeypatch.setattr(logged_model, "_tested", lambda *_: np.zeros(0, bool))
    monkeypatch.setattr(logged_model.unlike, "of_store", lambda *_: None)
    with tracking.start_run(tracking.experiment_id("own"), "lesions/any", {"stage": "train"}):
        logged = logged_model.log(tmp_path, fitted, Training(store, plan, "lesions", "any", {}))
    model = mlflow.pyfunc.load_model(logged.model_uri)
    pictures = list(images[:3, :, :, 0])
    alone = model.predict(pd.DataFrame({"image": pictures}))
    together = model.predict(pd.DataFrame({"image": pictures, "study": ["one"] * 3}))
    known = families.positive(classifier, "lesions", images[:3], np.zeros(3, int))
    np.testing.assert_allclose(together["probability"], known, atol=1e-6)
    assert not together["slice_only"].any()
    assert alone["slice_only"].all()
    assert alone["probability"].isna().all()  # in another place it would be another
    assert alone["unanswered"].str.contains("send the whole study").all()
    assert together["synthetic"].all()
