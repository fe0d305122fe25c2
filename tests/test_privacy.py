"""Identifiers planted wherever a hospital may have them are found nowhere outside the store."""

import io
import os
import tempfile
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pydicom
import pytest
from click.testing import CliRunner
from pydicom.datadict import DicomDictionary, keyword_for_tag
from pydicom.uid import UID, ExplicitVRLittleEndian

from hemo.cli import main
from hemo.imaging import Excluded, Reduction, read_parts
from hemo.slices.preprocess import preprocess
from tests.helpers.folders import ct_ich_folder
from tests.helpers.scans import head, make_dataset

NAME = "QXPLANTED"
NUMBER = "88.776655.443322"
"""Parts of all names and of all numbers that are planted: found in any case, in texts and in bytes."""

TEXTS = {"LO", "SH", "PN", "LT", "ST", "UT", "UC", "AE", "UI"}
READ = {
    *("Modality", "ImageType", "RescaleType", "SOPClassUID", "TransferSyntaxUID"),
    *("PhotometricInterpretation", "ConversionType"),
}
"""Fields by which a file is known to be a slice: what they say is planted in files that are left out."""


def planted(patient: int, number: int, bleeds: bool, **elements: str) -> bytes:
    """Return a slice of which every text field holds an identifier of its patient."""
    stored = (head(64, seed=100 * patient + number) + 1024).astype(np.int16)
    if bleeds:
        stored[24:40, 24:40] += 60
    dataset = make_dataset(stored, RescaleIntercept="-1024")
    with pydicom.config.disable_value_validation():
        for tag, (kind, many, *_) in DicomDictionary.items():
            keyword = keyword_for_tag(tag)
            if kind not in TEXTS or keyword in READ or not 0x0008 <= tag >> 16 <= 0x0040 or many == "0":
                continue
            value = f"1.2.{NUMBER}.{patient}" if kind == "UI" else f"{NAME}^{patient}"
            dataset.add(pydicom.DataElement(tag, kind, value))
        dataset.SOPInstanceUID = f"1.2.{NUMBER}.{patient}.{number}"
        dataset.InstanceNumber = str(number)
        dataset.ImagePositionPatient = [0, 0, 5.0 * number]
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)
        dataset.PixelData = stored.tobytes()
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
        stream = io.BytesIO()
        dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def content(path: Path) -> bytes:
    """Return a file's name and content in small letters; of a table, unpacked."""
    if path.suffix == ".parquet":
        return path.name.lower().encode() + pd.read_parquet(path).to_csv().lower().encode()
    return path.name.lower().encode() + (path.read_bytes().lower() if path.is_file() else b"")


def places(*folders: Path) -> dict[str, bytes]:
    """Return all files and folders below some."""
    return {str(path): content(path) for folder in folders for path in folder.rglob("*")}


def leaks(found: dict[str, bytes]) -> list[str]:
    """Return where an identifier is."""
    words = [word.lower().encode() for word in (NAME, NUMBER)]
    words += [word.decode().encode("utf-16-le") for word in words]
    return [path for path, content in found.items() if any(word in content for word in words)]


def commanded(*words: str) -> str:
    """Do a command and return what it says."""
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, (words, done.output, done.exception)
    return done.output


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Scans, folders, files and a table full of identifiers, the whole way to a prediction; its output."""
    folder = tmp_path_factory.mktemp("world")
    images, rows = folder / "in" / f"{NAME}_export", ["image,patient,any"]
    for patient in range(8):
        below = images / f"{NAME}_{patient}" / f"ct of {NAME} {NUMBER}.{patient}"
        below.mkdir(parents=True)
        for number in range(4):
            bleeds = patient % 2 == 0 and number > 1
            name = f"{NAME}_{patient}_{number}"
            (below / f"{name}.dcm").write_bytes(planted(patient, number, bleeds))
            rows.append(f"{name},{NAME}^{patient},{int(bleeds)}")
    for keyword in ("Modality", "RescaleType", "PhotometricInterpretation", "ImageType", "SOPClassUID"):
        value = f"1.2.{NUMBER}" if keyword == "SOPClassUID" else NAME
        (images / f"{NAME} {keyword}.dcm").write_bytes(planted(9, 0, False, **{keyword: value}))
    table = folder / "in" / f"{NAME}.csv"
    table.write_text("\n".join([*rows, f"{NAME}_gone,{NAME}^0,1"]))
    (folder / "tmp").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        patch.setenv("TMPDIR", str(folder / "tmp"))
        patch.setattr(tempfile, "tempdir", None)
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        mlflow.set_registry_uri(f"sqlite:///{folder}/mlflow.db")  # tests before may have set another
        own = ["--experiment", "small.yaml"]
        words = {
            "preprocess": ["--images", images, "--labels", table, "--size", "16", "--store", "store"],
            "logreg": ["--label", "any", *own],
            "compare": own,
            "promote": ["--label", "any", "--override", "to see what it writes", *own],
            "evaluate": ["--images", images, "--labels", table, "--workers", "1", "--draws", "100"],
            "stress": [
                "models:/hemo-any@production", "--images", images, "--labels", table, "--only", "flip=sides",
                "--draws", "100",
            ],
        }  # fmt: skip
        said = []
        (folder / "small.yaml").write_text("name: small\nstore: store\nfolds: 2\nworkers: 1\ndraws: 100\n")
        for command, more in words.items():
            said.append(commanded(command, *map(str, more)))
        scans = sorted(images.glob(f"{NAME}_0/*/*.dcm"))
        for number, scan in enumerate(scans):  # files are named in the answer, as they are called here
            (folder / f"{number}.dcm").symlink_to(scan)
        named = [str(folder / f"{number}.dcm") for number in range(len(scans))]
        said += [commanded("predict", *named, "--out", f"p.{form}") for form in ("csv", "json", "html")]
        for number in range(len(scans)):
            (folder / f"{number}.dcm").unlink()
        patch.setattr(tempfile, "tempdir", None)
        yield folder, said


def test_no_planted_identifier_reaches_the_database_an_artifact_or_a_page(world):
    folder, _ = world
    found = places(*(path for path in folder.iterdir() if path.is_dir() and path.name not in ("in", "store")))
    found |= {str(path): content(path) for path in folder.iterdir() if path.is_file()}
    assert any(path.endswith("predictions.parquet") for path in found)
    assert {"mlflow.db", "p.csv", "p.json", "p.html", "external.html", "stress.html"} <= {
        Path(path).name for path in found
    }
    assert leaks(found) == []


def test_what_comes_after_the_store_says_no_identifier(world):
    _, (prepared, *said) = world
    assert leaks({str(place): text.lower().encode() for place, text in enumerate(said)}) == []
    assert "Excluded" in prepared  # by reason: what was typed alone may be said again


def test_nothing_is_left_in_the_temporary_folder(world):
    folder, _ = world
    assert [path.name for path in (folder / "tmp").iterdir() if "cache" not in path.name] == []


def test_in_the_store_names_are_in_the_documented_places_alone(world):
    folder, _ = world
    found = {Path(path).name for path in leaks(places(folder / "store"))}
    shards = {name for name in found if name[:5].isdecimal()}
    assert found - shards <= {"index.parquet", "exclusions.csv", "unmatched.csv"}
    assert NAME not in (folder / "store" / "store.json").read_text()


@pytest.mark.parametrize("form", ["rsna", "wide", "wide with folders", "volume", "study", "ct-ich"])
def test_no_form_of_table_brings_an_identifier_into_what_leaves_the_store(tmp_path, form):
    images = tmp_path / "images"
    if form == "ct-ich":
        table = ct_ich_folder(images)
    else:
        for patient in range(2):
            (images / f"{NAME}_{patient}").mkdir(parents=True)
            for number in range(3):
                path = images / f"{NAME}_{patient}" / f"{NAME}_{patient}_{number}.dcm"
                path.write_bytes(planted(patient, number + 1, False))
        text = {
            "rsna": "ID,Label\n{0}_0_0_any,1\n{0}_1_1_any,0\n",
            "wide": "image,any\n{0}_0_0.dcm,1\n{0}_1_1.dcm,0\n",
            "wide with folders": "image,any\n{0}_0/{0}_0_0.dcm,1\n{0}_1/{0}_1_1.dcm,0\n",
            "volume": "volume,slice_number,any\n" + "".join(f"{{0}}_0,{n},0\n" for n in (1, 2, 3)),
            "study": "study,any\n{0}_0,1\n{0}_1,0\n",
        }[form]
        table = tmp_path / "labels.csv"
        table.write_text(text.format(NAME))
    store = preprocess(images, table, tmp_path / "store", Reduction(16)).store
    assert (store.index["any"] >= 0).any() or form == "study"
    said = {"index": store.index.to_csv(), "facts": str(store.facts), "counts": str(store.exclusion_counts())}
    assert leaks({name: text.lower().encode() for name, text in said.items()}) == []


@pytest.mark.parametrize("keyword", ["Modality", "RescaleType", "PhotometricInterpretation"])
def test_a_reason_repeats_no_text_of_a_header(keyword):
    with pytest.raises(Excluded) as refused:
        read_parts(planted(0, 0, False, **{keyword: NAME}))
    assert NAME not in str(refused.value)
    assert os.sep not in str(refused.value)
