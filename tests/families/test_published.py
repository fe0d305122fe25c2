"""Where published weights are looked for: what lies there is known by its digest."""

import dataclasses
import hashlib
from pathlib import Path

import pytest

from hemo.families import _architectures, _lite0, weights_places
from hemo.families._architectures import ARCHITECTURES
from hemo.families._published import WeightsPlace


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of weights of a person who has none yet."""
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    (tmp_path / ".keras" / "models").mkdir(parents=True)
    return tmp_path / ".keras" / "models"


def places() -> dict[str, WeightsPlace]:
    return {one.backbone: one for one in weights_places()}


def test_every_backbone_has_a_place_or_is_said_to_have_none(home: Path) -> None:
    found = places()
    assert list(found) == list(ARCHITECTURES)
    assert found["conv4"].state == "none published"
    files = {name: one.file for name, one in found.items() if name not in ("lite0", "conv4")}
    assert files["dinov2s"] == home / "dinov2_vits14_pretrain.pth"
    assert files["unet"] == home / "unet-e012d006.pt"
    assert {found[name].state for name in files} == {"missing"}
    assert len(set(files.values())) == len(files)


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
@pytest.mark.parametrize("digits", [8, None])
def test_a_file_is_known_by_its_digest_or_the_first_of_its_digits(
    home: Path, monkeypatch: pytest.MonkeyPatch, algorithm: str, digits: int | None
) -> None:
    published = ARCHITECTURES["unet"].published
    assert published is not None
    whole = hashlib.new(algorithm, b"weights").hexdigest()
    digest = f"{algorithm}:{whole[:digits]}"
    other = dataclasses.replace(
        ARCHITECTURES["unet"], published=dataclasses.replace(published, digest=digest)
    )
    monkeypatch.setitem(_architectures.ARCHITECTURES, "unet", other)
    (home / "unet-e012d006.pt").write_bytes(b"weights")
    assert (places()["unet"].state, places()["unet"].found) == ("there", whole)
    (home / "unet-e012d006.pt").write_bytes(b"other weights")
    assert places()["unet"].state == "another file"


def test_digests_are_whole_or_those_of_the_name() -> None:
    for architecture in ARCHITECTURES.values():
        if published := architecture.published:
            whole = {"sha256": 64, "md5": 32}[published.algorithm]
            assert len(published.digits) in (8, whole)
            assert int(published.digits, 16)
            assert published.license
            assert published.address.startswith("https://")


def test_a_package_that_is_not_installed_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_lite0, "PACKAGE", "no_such_package")
    lite0 = places()["lite0"]
    assert (lite0.state, lite0.file) == ("missing", None)
