"""Folders of small scans for tests of the slice store."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hemo.imaging.windows import WINDOWS, apply_window
from hemo.labels import LABELS
from hemo.slices.store import SliceStore
from tests.helpers.scans import head, make_dicom
from tests.helpers.stores import names


def dicom_folder(folder: Path, patients: int = 3, slices: int = 5, first: int = 0) -> dict[str, list[int]]:
    """Write studies as DICOM, file names in no order, and labels.csv (RSNA); return each slice's labels."""
    truth = {}
    for patient in range(first, first + patients):
        for number in range(slices):
            name = f"ID_{(patient * 977 + number * 631) % 4096:03x}{patient}{number}"
            study = folder / f"study{patient}"
            study.mkdir(parents=True, exist_ok=True)
            data = make_dicom(
                head(64, seed=100 * patient + number),
                SOPInstanceUID=f"1.2.3.{patient}.{number}",
                PatientID=f"MRN-{patient:04d}",
                PatientName=f"DOE^JANE{patient}",
                StudyInstanceUID=f"1.2.3.{patient}",
                ImagePositionPatient=["0", "0", str(5 * number)],
                ImageOrientationPatient=["1", "0", "0", "0", "1", "0"],
                PixelSpacing=["3", "3"],
            )
            (study / f"{name}.dcm").write_bytes(data)
            five = [int((patient + 2 * number) % 6 == k) for k in range(5)]
            truth[name] = [max(five), *five]
    return truth


def write_rsna(path: Path, truth: dict[str, list[int]]) -> Path:
    """Write labels in the RSNA form."""
    rows = [
        f"{name}_{label},{v}" for name, row in truth.items() for label, v in zip(LABELS, row, strict=True)
    ]
    path.write_text("\n".join(["ID,Label", *rows]) + "\n")
    return path


def ct_ich_folder(folder: Path, patients: int = 2, slices: int = 4) -> Path:
    """Write a folder in CT-ICH's form, brain and bone as JPEG; return its label table."""
    rows = ["PatientNumber,SliceNumber,Intraventricular,Intraparenchymal,Subarachnoid,Epidural,Subdural"]
    for patient in range(49, 49 + patients):
        for number in range(1, slices + 1):
            hu = head(96, seed=patient * 50 + number)
            for window in ("brain", "bone"):
                place = folder / "Patients_CT" / f"{patient:03d}" / window
                place.mkdir(parents=True, exist_ok=True)
                Image.fromarray(apply_window(hu, *WINDOWS[window])).save(place / f"{number}.jpg", quality=95)
            rows.append(f"{patient},{number},0,0,0,{int(number == 2)},0")
    table = folder / "hemorrhage_diagnosis.csv"
    table.write_text("\n".join(rows) + "\n")
    return table


def everything(folder: Path) -> bytes:
    """Return the content of all files of a folder, their names among them."""
    return b"".join(
        str(path.relative_to(folder)).encode() + path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    )


def as_truth(store: SliceStore) -> dict[str, list[int]]:
    """Return each slice's labels from a store's index."""
    values = store.index[list(LABELS)].to_numpy()
    assert values.dtype == np.int8
    return dict(zip(names(store), values.tolist(), strict=True))


def write_series(
    folder: Path,
    name: str,
    count: int = 5,
    *,
    step: float = 5.0,
    kernel: str = "H31s",
    seed: int = 0,
    **elements: Any,
) -> None:
    """Write one series of a study as DICOM."""
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(count):
        facts: dict[str, Any] = {
            "SOPInstanceUID": f"1.2.3.{seed}.{k}", "PatientID": "MRN-1", "StudyInstanceUID": "1.2.3",
            "SeriesInstanceUID": f"1.2.3.{seed}", "InstanceNumber": k + 1,
            "ImagePositionPatient": ["0", "0", str(step * k)],
            "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"],
            "SliceThickness": str(step), "ConvolutionKernel": kernel,
        } | elements  # fmt: skip
        (folder / f"{name}{k}.dcm").write_bytes(make_dicom(head(64, seed=100 * seed + k), **facts))
