"""Fine-tuning: what is trained, what stays, and that it is never worse than where it starts."""

from pathlib import Path

import numpy as np
import pytest

from hemo import families
from hemo.errors import HemoError
from hemo.families import _stem_maps
from hemo.families._architectures import ARCHITECTURES
from hemo.families._backbones import backbone, build, split
from hemo.families.finetune import FineTuned

TINY = {"weights": "none", "size": 64, "blocks": 1, "copies": 1, "epochs": 2, "C": 1.0, "learning_rate": 1e-3}


def toy(n: int = 32, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % 2
    images = rng.normal(90, 20, (n, 24, 24, 1))
    images[truth == 1, 6:14, 6:14] += 70
    return images.clip(0, 255).astype(np.uint8), truth


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_frozen_part_and_tail_are_together_the_backbone(name: str) -> None:
    network = build(name)
    stem, tail = split(name, network, 2)
    for part, whole in zip([*stem.get_weights(), *tail.get_weights()], network.get_weights(), strict=True):
        np.testing.assert_array_equal(part, whole)
    x = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype(np.float32)
    parts = tail(stem(x, training=False), training=False)
    np.testing.assert_allclose(parts, network(x, training=False), rtol=1e-3, atol=1e-4)


def test_only_the_tail_and_the_head_learn() -> None:
    start = backbone("lite0", "none", 0).network.get_weights()
    classifier = families.build("finetune", TINY).fit(*toy())
    assert isinstance(classifier, FineTuned)
    frozen = classifier.stem_.get_weights()
    for before, after in zip(start, frozen, strict=False):
        np.testing.assert_array_equal(before, after)
    tail = classifier.tail_.get_weights()
    changed = [not np.array_equal(a, b) for a, b in zip(start[len(frozen) :], tail, strict=True)]
    assert any(changed)
    # The shared backbone itself is not touched.
    for before, after in zip(start, backbone("lite0", "none", 0).network.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_training_sees_the_network_that_predicts() -> None:
    images, truth = toy()
    given = {**TINY, "weights": "imagenet", "blocks": 3, "dropout": 0.0, "augmentation": 0.0, "epochs": 1}
    first: dict[str, float] = {}
    still = {**given, "optimizer": "sgd", "learning_rate": 1e-12, "batch_size": 8}
    families.build("finetune", still).fit(
        images, truth, validation=(images, truth), on_epoch=lambda epoch, figures: first.update(figures)
    )
    # Batch normalisation by the batch's statistics would make another network of the one in training.
    assert first["loss"] == pytest.approx(first["val_loss"], rel=1e-4)


def test_what_does_not_lower_the_validation_loss_is_not_kept() -> None:
    images, truth = toy()
    # A rate that destroys, so that every epoch is worse than the head on frozen features.
    bad = {**TINY, "optimizer": "sgd", "learning_rate": 1e3}
    classifier = families.build("finetune", bad).fit(images, truth, validation=toy(seed=1))
    assert classifier.convergence_["best_epoch"] == -1
    assert ((classifier.predict_proba(toy(seed=2)[0])[:, 1] > 0.5) == truth).mean() > 0.8


def test_frozen_maps_of_slices_are_computed_once_and_augmented_stem_maps_differ(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[int] = []
    cached_features = _stem_maps.cached_features

    def counted(images: np.ndarray, kind: str, compute, on_disk: bool = False) -> np.ndarray:
        def computed(new: np.ndarray) -> np.ndarray:
            seen.append(len(new))
            return compute(new)

        return cached_features(images, kind, computed, on_disk)

    monkeypatch.setattr(_stem_maps, "cached_features", counted)
    images, truth = toy(seed=5)
    for C in (1.0, 2.0):
        classifier = families.build("finetune", {**TINY, "C": C}).fit(images, truth)
    assert seen == [32, 0]
    assert isinstance(classifier, FineTuned)
    plain = _stem_maps.stem_maps(classifier.front_, images, "again")
    copies = [_stem_maps.stem_maps(classifier.front_, images, "", 0.5, seed) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(copies[0], copies[1])
    assert (copies[0] != copies[2]).any()
    assert (copies[0] != plain).any()


def test_a_saved_classifiers_backbone_is_the_start_of_another(tmp_path: Path) -> None:
    first = families.build("finetune", TINY).fit(*toy())
    assert isinstance(first, FineTuned)
    families.save(first, "finetune", tmp_path / "phantom")
    part = backbone("lite0", str(tmp_path / "phantom"), 0)
    expected = [*first.stem_.get_weights(), *first.tail_.get_weights()]
    for ours, theirs in zip(part.network.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_more_blocks_than_there_are_are_refused() -> None:
    with pytest.raises(HemoError, match="EfficientNet-Lite0: it has 16"):
        families.build("finetune", {**TINY, "blocks": 17}).fit(*toy())
    with pytest.raises(HemoError, match="parameter copies: '-1'"):
        families.build("finetune", {"copies": -1})
