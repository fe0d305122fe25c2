"""Backbones that see more than three channels: the same as before where the channels repeat three."""

import numpy as np
import pytest

from hemo.errors import HemoError
from hemo.families._backbones import as_asked, as_backbone, build
from hemo.families._channels import asked_channels, check_channels, inflated_weights


@pytest.mark.parametrize(
    "name", ["conv4", "resnet50", "convnexttiny", "dinov2s", "unet"]
)  # each is scaled otherwise
def test_channels_that_repeat_three_give_what_three_give(name: str) -> None:
    network, wide = build(name), build(name, channels=7)
    weights = inflated_weights(network.get_weights(), 3)
    wide.set_weights(weights)
    assert asked_channels(network.get_weights()) == 3
    assert asked_channels(weights) == wide.input_shape[-1] == 9
    x = np.random.default_rng(0).uniform(0, 255, (1, 32, 32, 3)).astype(np.float32)
    expected = network(x, training=False).numpy()
    found = wide(np.tile(x, 3), training=False).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_every_channel_is_seen_and_another_number_of_them_is_refused() -> None:
    wide = as_backbone("conv4", build("conv4", channels=5))
    images = np.full((1, 32, 32, 5), 100, np.uint8)
    for channel in range(5):
        other = images.copy()
        other[..., channel] = 0
        assert np.abs(wide.maps(other, 32) - wide.maps(images, 32)).max() > 0
    with pytest.raises(HemoError, match="learned from 4 to 6 channels, the slices have 3"):
        wide.maps(images[..., :3], 32)
    check_channels(3, 9, "one of three takes the first three")


def test_fewer_channels_are_filled_up_by_the_last() -> None:
    images = np.arange(2 * 4 * 4 * 2, dtype=np.uint8).reshape(2, 4, 4, 2)
    np.testing.assert_array_equal(as_asked(images, 4), images[..., [0, 1, 1]])
