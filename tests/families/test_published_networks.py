"""Networks that PyTorch trained: their files' names and shapes, their maps, and what is refused."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from hemo.errors import HemoError
from hemo.families import _backbones
from hemo.families._architectures import ARCHITECTURES
from hemo.families._backbones import backbone

MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]) * 255, np.array([0.229, 0.224, 0.225]) * 255


PUBLISHED = {"dinov2s": "dinov2_vits14_pretrain.pth", "unet": "unet-e012d006.pt"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of published weights of a person who has none yet."""
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    (tmp_path / ".keras" / "models").mkdir(parents=True)
    return tmp_path / ".keras" / "models"


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    """Let no test have another's backbone."""
    backbone.cache_clear()
    yield
    backbone.cache_clear()


def as_photographs(x: np.ndarray) -> np.ndarray:
    return (x - MEAN) / DEVIATION


def standardised(x: np.ndarray) -> np.ndarray:
    return (x - x.mean((1, 2), keepdims=True)) / x.std((1, 2), keepdims=True)


def slices(size: int, n: int = 2) -> np.ndarray:
    return np.random.default_rng(size).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("name", "kind", "scaled", "size"),
    [
        ("dinov2s", "DinoV2", as_photographs, 98),
        ("dinov2s", "DinoV2", as_photographs, 224),
        ("dinov2s", "DinoV2", as_photographs, 518),  # the grid that its positions were learned on
        ("unet", "UNet", standardised, 96),
        ("unet", "UNet", standardised, 150),  # no multiple of 16
    ],
)
def test_maps_are_those_that_pytorch_computes(
    home: Path, name: str, kind: str, scaled: Any, size: int
) -> None:
    torch = pytest.importorskip("torch")
    from tests.helpers import torch_networks

    theirs = torch_networks.drawn(getattr(torch_networks, kind)())
    torch.save(theirs.state_dict(), home / PUBLISHED[name])
    images = slices(size, n=1 if size > 500 else 2)
    x = torch.tensor(scaled(images.astype(np.float64))).permute(0, 3, 1, 2)
    with torch.no_grad():
        expected = theirs.double()(x).numpy()  # float32 itself is apart from it by some 1e-5
    found = backbone(name, "imagenet", 0).maps(images, size).numpy()
    print(f"{name} {size}: deviation {expected.std():.2f}, apart {np.abs(found - expected).max():.1e}")
    assert found.shape == expected.shape
    assert expected.std() > 0.1
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def dinov2_arrays(seed: int = 0) -> dict[str, np.ndarray]:
    """Return arrays of the names and shapes of dinov2_vits14_pretrain.pth, drawn at random."""
    shapes = {
        "cls_token": (1, 1, 384),
        "pos_embed": (1, 1370, 384),
        "mask_token": (1, 384),
        "patch_embed.proj.weight": (384, 3, 14, 14),
        "patch_embed.proj.bias": (384,),
        "norm.weight": (384,),
        "norm.bias": (384,),
    }
    linear = {
        "attn.qkv": (1152, 384),
        "attn.proj": (384, 384),
        "mlp.fc1": (1536, 384),
        "mlp.fc2": (384, 1536),
    }
    for block in (f"blocks.{number}." for number in range(12)):
        for name, shape in linear.items():
            shapes |= {f"{block}{name}.weight": shape, f"{block}{name}.bias": shape[:1]}
        shapes |= {f"{block}norm{k}.{part}": (384,) for k in (1, 2) for part in ("weight", "bias")}
        shapes |= {f"{block}ls{k}.gamma": (384,) for k in (1, 2)}
    rng = np.random.default_rng(seed)
    return {name: rng.normal(0, 0.05, shape).astype(np.float32) for name, shape in shapes.items()}


def as_transformers_names_them(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the same arrays as facebook/dinov2-small has them."""
    first = {
        "cls_token": "embeddings.cls_token",
        "mask_token": "embeddings.mask_token",
        "pos_embed": "embeddings.position_embeddings",
        "patch_embed.proj.weight": "embeddings.patch_embeddings.projection.weight",
        "patch_embed.proj.bias": "embeddings.patch_embeddings.projection.bias",
    }
    renamed = {}
    for name, array in arrays.items():
        new = first.get(name, name).replace("blocks.", "encoder.layer.").replace(".ls", ".layer_scale")
        new = new.replace(".gamma", ".lambda1").replace(".attn.proj.", ".attention.output.dense.")
        new = "layernorm" + new.removeprefix("norm") if new.startswith("norm.") else new
        if ".attn.qkv." in new:
            for one, part in zip(("query", "key", "value"), np.split(array, 3), strict=True):
                renamed[new.replace("attn.qkv", f"attention.attention.{one}")] = part.copy()
        else:
            renamed[new] = array
    return renamed


def unet_arrays(seed: int = 0) -> dict[str, np.ndarray]:
    """Return arrays of the names and shapes of what is read of unet-e012d006.pt, drawn at random."""
    rng = np.random.default_rng(seed)
    blocks = {f"encoder{k}.enc{k}": 32 * 2 ** (k - 1) for k in (1, 2, 3, 4)} | {"bottleneck.bottleneck": 512}
    before, arrays = 3, {}
    for name, width in blocks.items():
        for place in (1, 2):
            arrays[f"{name}conv{place}.weight"] = rng.normal(0, 0.05, (width, before, 3, 3))
            for part in ("weight", "bias", "running_mean", "running_var"):
                arrays[f"{name}norm{place}.{part}"] = rng.uniform(0.5, 1.5, width)
            before = width
    return {name: array.astype(np.float32) for name, array in arrays.items()} | {
        "conv.bias": np.ones(1, "f4")
    }


def written(folder: Path, arrays: dict[str, np.ndarray]) -> str:
    safetensors.numpy.save_file(arrays, folder / "w.safetensors")
    return str(folder / "w.safetensors")


def test_weights_have_the_names_of_dinov2_or_of_transformers(tmp_path: Path) -> None:
    arrays = dinov2_arrays()
    parts = [backbone("dinov2s", written(tmp_path, arrays), 0)]
    backbone.cache_clear()
    parts.append(backbone("dinov2s", written(tmp_path, as_transformers_names_them(arrays)), 0))
    assert parts[0].digest == parts[1].digest
    assert parts[0].network.count_params() == sum(map(np.size, arrays.values())) - 384 - 24 * 384
    maps = parts[0].maps(slices(64), 64)
    assert maps.shape == (2, 5, 5, 384)
    assert np.isfinite(maps).all()


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_weights_that_are_not_there_are_told_with_their_address(home: Path, name: str) -> None:
    address = re.escape(ARCHITECTURES[name].published.address)  # type: ignore[union-attr]
    with pytest.raises(HemoError, match=rf"^{PUBLISHED[name]}: .* not in {home}: download {address} and put"):
        backbone(name, "imagenet", 0)


def test_sizes_that_are_no_multiple_of_a_patch_are_brought_to_the_nearest() -> None:
    import tensorflow as tf

    part = backbone("dinov2s", "none", 0)
    for size, nearest in ((32, 28), (100, 98), (106, 112)):
        images = slices(size, 1)
        resized = tf.image.resize(images.astype(np.float32), (nearest, nearest))
        np.testing.assert_allclose(part.maps(images, size), part.run(resized), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["dinov2s", "unet"])
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("missing", "it has no "),
        ("shape", r"is of shape \(.*\), not \("),
        ("another network", "it has no "),
        ("not a number", "has numbers that are not finite"),
        ("too large", "has numbers that are not finite"),
        ("cut short", "not a file of weights as PyTorch or safetensors write it"),
        ("text", "not a file of weights as PyTorch or safetensors write it"),
    ],
)
def test_another_file_is_refused_in_a_line_that_names_it(
    tmp_path: Path, name: str, fault: str, reason: str
) -> None:
    arrays = {"dinov2s": dinov2_arrays, "unet": unet_arrays}[name]()
    last = {"dinov2s": "norm.bias", "unet": "bottleneck.bottlenecknorm2.bias"}[name]
    if fault == "missing":
        del arrays[last]
    elif fault == "shape":
        arrays[last] = arrays[last][:-1].copy()
    elif fault in ("not a number", "too large"):
        arrays[last] = arrays[last].astype(np.float64)
        arrays[last][3] = np.nan if fault == "not a number" else 1e200
    elif fault == "another network":
        arrays = {"fc.weight": np.ones((2, 2), np.float32)}
    file = Path(written(tmp_path, arrays))
    if fault == "cut short":
        file.write_bytes(file.read_bytes()[:-100])
    elif fault == "text":
        file.write_text("no weights")
    with pytest.raises(HemoError, match=reason) as caught:
        backbone(name, str(file), 0)
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)


def test_a_network_with_registers_is_another(tmp_path: Path) -> None:
    arrays = dinov2_arrays() | {"register_tokens": np.zeros((1, 4, 384), np.float32)}
    with pytest.raises(HemoError, match="it is of another network: it has register_tokens too"):
        backbone("dinov2s", written(tmp_path, arrays), 0)


def test_the_segmenter_sees_a_slice_whatever_its_window(tmp_path: Path) -> None:
    part = backbone("unet", written(tmp_path, unet_arrays()), 0)
    images = slices(64) // 2
    brighter = images + np.uint8(100)
    assert part.maps(images, 64).shape == (2, 4, 4, 512)
    np.testing.assert_allclose(part.maps(brighter, 64), part.maps(images, 64), rtol=1e-3, atol=1e-4)
    assert np.isfinite(part.maps(np.zeros_like(images), 64)).all()


@pytest.mark.parametrize("name", ["dinov2s", "unet"])
def test_saved_with_a_classifier_they_are_what_they_were(tmp_path: Path, name: str) -> None:
    from hemo import families

    images, truth = slices(40, 8), np.arange(8) % 2
    params = {"backbone": name, "weights": "none", "size": 32, "C": 1.0}
    fitted = families.build("transfer", params).fit(images, truth)
    expected = fitted.predict_proba(images)
    fitted.save(tmp_path)
    _backbones._loaded.clear()
    loaded = type(fitted).load(tmp_path)
    np.testing.assert_allclose(loaded.predict_proba(images), expected, rtol=0, atol=1e-6)
    assert loaded.attribution(images[:1]).shape == (1, 40, 40)


@pytest.mark.parametrize("family", ["finetune", "multilabel", "end_to_end"])
@pytest.mark.parametrize("name", ["dinov2s", "unet"])
def test_their_last_blocks_or_all_of_them_can_be_trained(family: str, name: str) -> None:
    from hemo import families

    words = {"end_to_end": {"average": 0.0}}.get(family, {"blocks": 1, "copies": 0, "augmentation": 0.0})
    params = {"backbone": name, "weights": "none", "size": 32, "epochs": 1, "batch_size": 8, **words}
    images, truth = slices(40, 16), np.arange(16) % 2
    fitted = families.build(family, params, 0).fit(images, truth)
    assert np.isfinite(fitted.predict_proba(images)).all()
    assert fitted.attribution(images[:1]).shape == (1, 40, 40)
