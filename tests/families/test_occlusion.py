"""Where a classifier looks, asked by covering places."""

import numpy as np

from hemo.families._occlusion import occlusion_map


def test_only_the_brain_is_covered_and_what_fell_is_shown_at_the_spot() -> None:
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    radius = np.hypot(x, y)
    image = np.select([radius < 0.75, radius < 0.9], [100, 255], 0).astype(np.uint8)
    image[20:26, 34:40] = 180
    seen = []

    def logit(images: np.ndarray) -> np.ndarray:
        seen.append(images)
        return images[:, 20:26, 34:40, 0].mean(axis=(1, 2))

    found = occlusion_map(image[None, ..., None], logit)[0]
    assert all((images[:, radius >= 0.76] == image[radius >= 0.76, None]).all() for images in seen)
    assert not found[radius > 0.8].any()
    place = np.unravel_index(found.argmax(), found.shape)
    assert 16 <= place[0] < 32
    assert 32 <= place[1] < 48
    assert found[22, 37] > 2 * abs(found[50, 20])
