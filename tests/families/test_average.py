"""The average of weights: what it is of, where the network has it, and that a killed fit goes on with it."""

from contextlib import suppress

import numpy as np
import pytest

from hemo.families._average import weight_average
from hemo.families._compiled import in_order
from hemo.families._epochs import fit_epochs
from hemo.sealed import Sealed

X = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int8)


class Killed(BaseException):
    """What ends a fit at any place."""


def network(*, normal=False):
    import keras

    keras.utils.set_random_seed(0)
    layers = [keras.layers.BatchNormalization()] if normal else []
    model = keras.Sequential([keras.Input((3,)), *layers, keras.layers.Dense(1, "sigmoid")])
    model.compile(keras.optimizers.SGD(0.5), "binary_crossentropy")
    return model


def fitted(momentum=0.9, epochs=3, held=(X, 1 - Y), checkpoint=None, stop=99):
    model = network(normal=True)
    seen = []

    def on_epoch(epoch, metrics):
        if epoch == stop:
            raise Killed
        seen.append([np.asarray(one) for one in model.weights])

    average = weight_average(model, momentum)
    with suppress(Killed):
        fit_epochs(
            model,
            in_order(X, Y, 4),
            {"epochs": epochs, "patience": 9},
            validation=held,
            on_epoch=on_epoch,
            checkpoint=checkpoint,
            average=average,
        )
    return model, seen


def test_all_weights_are_averaged_over_the_steps_the_first_least():
    model = network(normal=True)
    steps = []
    average = weight_average(model, 0.3)
    average.set_model(model)
    expected = [np.asarray(one) for one in model.weights]
    for number in range(5):
        model.train_on_batch(X[number::5], Y[number::5])
        average.on_train_batch_end(number)
        kept = min(0.3, (2 + number) / (11 + number))
        steps.append(kept)
        pairs = zip(expected, model.weights, strict=True)
        expected = [kept * one + (1 - kept) * np.asarray(new) for one, new in pairs]
    assert steps[0] < 0.3 == steps[-1]
    last = model.get_weights()
    average.on_train_end()
    assert len(expected) == 6  # statistics of batch normalisation too
    for one, other, before in zip(model.get_weights(), expected, last, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)
        assert not np.allclose(one, before)


def test_a_network_is_judged_with_the_average_and_goes_on_without_it():
    _, judged = fitted(0.999)
    model, _ = fitted(0.999, epochs=1, held=None)
    for one, other in zip(model.get_weights(), judged[0], strict=True):
        np.testing.assert_array_equal(one, other)
    # Training goes on from the last step's weights: the average of all steps does not hang on being judged.
    unjudged, _ = fitted(0.999, held=None)
    for one, other in zip(unjudged.get_weights(), judged[-1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.mark.parametrize("held", [None, (X, Y), (X, 1 - Y)], ids=["unjudged", "better", "worse"])
def test_a_killed_fit_goes_on_with_its_average(tmp_path, held):
    whole, _ = fitted(held=held)
    checkpoint = Sealed(tmp_path / "epochs.npz", b"key")
    fitted(held=held, checkpoint=checkpoint, stop=2)
    for _ in range(2):  # the second time with no epoch left
        again, _ = fitted(held=held, checkpoint=checkpoint)
        for one, other in zip(whole.get_weights(), again.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
