"""A label is added in one place: reading, training, comparing and serving follow it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.scans import head, make_dicom

PATCHED = """
import sys


def told(event, words):
    # Nobody has to have a network.
    address = words[1] if event == "socket.connect" else words[0] if event == "socket.getaddrinfo" else ""
    host = address[0] if isinstance(address, tuple) else address
    if event == "socket.connect" and isinstance(address, (str, bytes)):
        return  # a file
    if host not in ("", "127.0.0.1", "::1", "localhost"):
        print("network", event, address, flush=True)


sys.addaudithook(told)

import hemo.labels as labels

labels.SUBTYPES = (*labels.SUBTYPES, "chronic")
labels.LABELS = ("any", *labels.SUBTYPES)
labels.STUDY_LABELS = tuple(f"study_{label}" for label in labels.LABELS)

from hemo.cli import main

if __name__ == "__main__":
    for words in " ".join(sys.argv[1:]).split(" then "):
        print("command", words, flush=True)
        main(words.split(), standalone_mode=False)
"""


def write_scans(folder: Path) -> None:
    """Write 16 patients of four slices, some with something bright, and tables of six and of seven labels."""
    before = ["image,any,epidural"]
    rows = ["image,any,epidural,intraparenchymal,intraventricular,subarachnoid,subdural,chronic"]
    for patient in range(16):
        (folder / "scans" / f"p{patient}").mkdir(parents=True)
        for k in range(4):
            hu = head(64, seed=10 * patient + k)
            chronic, epidural = patient % 2 == 0 and k < 2, patient % 4 == 1
            before.append(f"{patient}_{k},{epidural:d},{epidural:d}")
            if chronic:
                hu[20:30, 20:30] = 75
            if epidural:
                hu[34:44, 34:44] = 75
            data = make_dicom(
                hu, PatientID=f"P{patient}", StudyInstanceUID=f"1.{patient}",
                SOPInstanceUID=f"1.{patient}.{k}",
                ImagePositionPatient=["0", "0", str(5 * k)],
                ImageOrientationPatient=["1", "0", "0", "0", "1", "0"],
            )  # fmt: skip
            (folder / "scans" / f"p{patient}" / f"{patient}_{k}.dcm").write_bytes(data)
            rows.append(f"{patient}_{k},{chronic or epidural:d},{epidural:d},0,0,0,0,{chronic:d}")
    (folder / "labels.csv").write_text("\n".join(rows))
    (folder / "before.csv").write_text("\n".join(before))


@pytest.fixture
def run(tmp_path):
    """Return a function that runs a command of a hemo with or without a seventh label."""
    write_scans(tmp_path)
    (tmp_path / "patched.py").write_text(PATCHED)
    # MLflow notes in the environment which store an earlier test has named: this one has its own.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    environment = {**inherited, "COLUMNS": "200", "PYTHONPATH": os.getcwd()}

    def start(*words: str, seventh: bool = True) -> str:
        program = ["patched.py"] if seventh else ["-m", "hemo"]
        done = subprocess.run(
            [sys.executable, *program, *words], cwd=tmp_path, env=environment, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        return done.stdout

    return start


def test_a_seventh_label_is_read_trained_compared_promoted_and_served(run):
    commands = (
        "preprocess --images scans --labels labels.csv --store store --size 32",
        "logreg --store store --label chronic",
        "compare",
        "promote --label chronic --override demonstration",
        "predict scans/p0",
    )
    said = run(*" then ".join(commands).split())
    stored, trained, compared, promoted, predicted = re.split(r"^command .*$", said, flags=re.MULTILINE)[1:]
    assert "network" not in said
    assert "logreg/chronic: AUC" in trained
    for part in (stored, compared, promoted, predicted):
        assert "chronic" in part


def test_in_a_store_that_was_made_before_a_label_is_unlabelled(run):
    words = ("--images", "scans", "--labels", "labels.csv", "--store", "store", "--size", "32")
    run("preprocess", *words, "--labels", "before.csv", seventh=False)
    info = run("store", "info", "store")
    assert "chronic" in info
    line = next(line for line in info.splitlines() if "chronic" in line)
    assert [cell.strip() for cell in line.split("│")[1:-1]] == ["chronic", "0", "0", "64", "0"]
    again = run("preprocess", *words)  # the same table again says what was not asked for then
    line = next(line for line in again.splitlines() if "chronic" in line)
    assert [cell.strip() for cell in line.split("│")[1:-1]] == ["chronic", "16", "48", "0", "8"]
