"""The two networks: the paper's architectures, training and what is reported of it."""

import numpy as np
import pytest

from hemo import families
from hemo.errors import HemoError
from hemo.families.ann import DenseNetwork
from hemo.families.cnn import ConvolutionalNetwork


def network(name: str, shape: tuple[int, int, int] = (128, 128, 1), **params: object):
    classifier = families.build(name, params)
    classifier.build_network(shape)  # type: ignore[attr-defined]
    return classifier


def toy(n: int = 48, seed: int = 0, size: int = 16) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % 2
    images = rng.normal(90, 20, (n, size, size, 1))
    images[truth == 1, 4:10, 4:10] += 70
    return images.clip(0, 255).astype(np.uint8), truth


def test_the_dense_network_is_the_papers() -> None:
    classifier = network("ann")
    dense = [layer for layer in classifier.network_.layers if type(layer).__name__ == "Dense"]
    assert [layer.units for layer in dense] == [4096, 1024, 256, 64, 16, 4, 1]
    assert [layer.count_params() for layer in dense] == [67112960, 4195328, 262400, 16448, 1040, 68, 5]
    assert classifier.n_parameters == 71_588_249


def test_the_convolutional_network_is_the_papers() -> None:
    classifier = network("cnn")
    rows = [
        (type(layer).__name__, layer.output.shape[1:], layer.count_params())
        for layer in classifier.network_.layers
        if type(layer).__name__ in ("Conv2D", "MaxPooling2D", "Flatten", "Dense")
    ]
    assert rows == [
        ("Conv2D", (126, 126, 32), 320),
        ("MaxPooling2D", (63, 63, 32), 0),
        ("Conv2D", (61, 61, 64), 18496),
        ("MaxPooling2D", (30, 30, 64), 0),
        ("Conv2D", (28, 28, 128), 73856),
        ("Flatten", (100352,), 0),
        ("Dense", (1,), 100353),
    ]
    assert classifier.n_parameters == 193_025


@pytest.mark.parametrize("name", ["ann", "cnn"])
def test_training_is_the_papers_by_default(name: str) -> None:
    params = families.build(name).params
    assert (params["optimizer"], params["learning_rate"], params["momentum"]) == ("sgd", 0.01, 0.0)
    assert (params["patience"], params["l1"], params["l2"], params["augmentation"]) == (3, 0, 0, 0)


def test_an_optimizer_brings_its_own_rate() -> None:
    assert families.build("ann", {"optimizer": "adam"}).params["learning_rate"] == 0.001


def test_predictions_as_one_graph_are_those_of_layer_after_layer_also_after_another_fit() -> None:
    images, truth = toy()
    classifier = families.build("cnn", {"filters": (4, 8), "epochs": 1, "learning_rate": 0.1})
    for said in (truth, 1 - truth):
        classifier.fit(images, said)
        layers = classifier.network_(images.astype(np.float32), training=False).numpy()[:, 0]  # type: ignore[attr-defined]
        assert np.abs(classifier.predict_proba(images)[:, 1] - layers).max() < 1e-6


def test_early_stopping_keeps_the_weights_of_the_best_epoch() -> None:
    images, truth = toy()
    # A validation set whose truth is wrong: learning makes its loss worse, and the first epoch is the best.
    other, wrong = toy(seed=1)
    losses: list[float] = []
    classifier = families.build("ann", {"layers": [8], "epochs": 30, "learning_rate": 0.05})
    classifier.fit(images, truth, (other, 1 - wrong), lambda _, values: losses.append(values["val_loss"]))
    best = int(np.argmin(losses))
    assert classifier.convergence_ == {"converged": 1, "iterations": best + 4, "best_epoch": best}
    probability = classifier.predict_proba(other)[:, 1].clip(1e-7, 1 - 1e-7)
    loss = -np.mean(np.where(wrong == 0, np.log(probability), np.log1p(-probability)))
    assert loss == pytest.approx(losses[best], rel=1e-4)


def test_without_validation_all_epochs_are_run_and_nothing_is_called_converged() -> None:
    classifier = families.build("ann", {"layers": [4], "epochs": 3}).fit(*toy())
    assert classifier.convergence_ == {"converged": 0, "iterations": 3, "best_epoch": 2}


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop"])
def test_every_optimizer_trains_with_all_furniture(optimizer: str) -> None:
    params = {
        "filters": [4, 4],
        "optimizer": optimizer,
        "momentum": 0.5,
        "l1": 1e-5,
        "l2": 1e-4,
        "dropout": 0.2,
        "batch_norm": True,
        "augmentation": 1.0,
        "class_weight": "balanced",
        "activation": "gelu",
        "pooling": "average",
        "epochs": 1,
    }
    assert np.isfinite(families.build("cnn", params).fit(*toy()).predict_proba(toy()[0])).all()


def test_dropout_and_augmentation_repeat_under_the_same_seed() -> None:
    params = {"filters": [4], "dropout": 0.5, "augmentation": 1.0, "epochs": 2}
    repeats = [families.build("cnn", params, seed).fit(*toy()).predict_proba(toy()[0]) for seed in (3, 3, 4)]
    np.testing.assert_array_equal(repeats[0], repeats[1])
    assert (repeats[0] != repeats[2]).any()


def test_augmentation_and_optimizer_are_not_in_what_is_kept() -> None:
    params = {"layers": [4], "optimizer": "adam", "epochs": 1, "augmentation": 1.0}
    classifier = families.build("ann", params).fit(*toy())
    assert isinstance(classifier, DenseNetwork)
    assert not [layer for layer in classifier.network_.layers if type(layer).__name__.startswith("Random")]
    assert getattr(classifier.network_, "optimizer", None) is None
    assert classifier.n_parameters == 256 * 4 + 4 + 4 + 1


def test_integrated_gradients_add_up_to_the_difference_from_the_mean_slice() -> None:
    images, truth = toy()
    classifier = families.build("ann", {"layers": [16, 8], "epochs": 4}).fit(images, truth)
    assert isinstance(classifier, DenseNetwork)
    logit = np.log(classifier.predict_proba(images)[:, 1] / classifier.predict_proba(images)[:, 0])
    mean = classifier.network_(classifier.mean_image_[None]).numpy()[0, 0]
    difference = logit - np.log(mean / (1 - mean))
    np.testing.assert_allclose(classifier.attribution(images).sum(axis=(1, 2)), difference, atol=0.1)


def test_grad_cam_sees_only_what_speaks_for_blood() -> None:
    classifier = families.build("cnn", {"filters": [4, 8], "epochs": 6, "learning_rate": 0.05}).fit(*toy())
    assert isinstance(classifier, ConvolutionalNetwork)
    looked = classifier.attribution(toy(seed=1)[0])
    assert (looked >= 0).all()
    assert (looked > 0).any()


def test_too_deep_a_network_for_the_slices_is_refused() -> None:
    with pytest.raises(HemoError, match="5 convolutions are too many for the slices"):
        families.build("cnn", {"filters": [4] * 5}).fit(*toy())


@pytest.mark.parametrize(
    ("params", "fault"),
    [
        ({"optimizer": "lion"}, "optimizer: 'lion' is unknown"),
        ({"activation": "step"}, "activation: 'step' is unknown"),
        ({"epochs": 0}, "epochs: '0' is not above 0"),
        ({"learning_rate": -1.0}, "learning_rate: '-1.0' is not above 0"),
        ({"pooling": "median"}, "pooling: 'median' is unknown"),
    ],
)
def test_parameters_of_a_network_that_cannot_be_are_refused(params: dict, fault: str) -> None:
    with pytest.raises(HemoError, match=fault):
        families.build("cnn", params)
