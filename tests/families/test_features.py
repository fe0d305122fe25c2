"""What families on features share."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier

from hemo.errors import HemoError
from hemo.families import EstimatorClassifier

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 1), dtype=np.uint8)


class Trees(EstimatorClassifier):
    """Trees whose type skops does not know."""

    trusted = ("sklearn.tree._tree.Tree",)

    def estimator(self) -> Any:
        return ExtraTreesClassifier(3, random_state=self.seed)


def test_a_saved_estimator_with_a_type_that_is_not_listed_is_neither_written_nor_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = Trees({}).fit(IMAGES, np.arange(12) % 2)
    classifier.save(tmp_path)
    loaded = Trees.load(tmp_path)
    np.testing.assert_array_equal(loaded.predict_proba(IMAGES), classifier.predict_proba(IMAGES))
    monkeypatch.setattr(Trees, "trusted", ())
    with pytest.raises(HemoError, match=r"Trees: .*list sklearn\.tree\._tree\.Tree in `trusted`"):
        classifier.save(tmp_path)
    with pytest.raises(HemoError, match=r"estimator\.skops: .*Tree") as refused:
        Trees.load(tmp_path)
    assert "\n" not in str(refused.value)


def test_a_certain_probability_has_a_finite_logit() -> None:
    classifier = Trees({}).fit(IMAGES, np.arange(12) % 2)
    features = classifier.features(IMAGES)
    assert set(classifier.positive(features)) == {0.0, 1.0}
    assert np.isfinite(classifier.logit(features)).all()
