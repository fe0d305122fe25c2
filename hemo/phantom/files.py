"""Phantom studies on disk: CT Image Storage, plainly marked as synthetic, and the RSNA label table."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from hemo.executors import run_all
from hemo.labels import LABELS, SUBTYPES
from hemo.phantom.study import PhantomStudy, make_study, patient_seed, profile, studies_of
from hemo.version import __version__

MARK = "SYNTHETIC: drawn by a program, no scan of a person. Not for diagnosis."
INTERCEPT = -1024

TABLE_ORDER = (*SUBTYPES, "any")
"""The order of labels within a slice in RSNA's table."""

Row = tuple[str, str, int]
"""Slice, label, 0 or 1."""

Made = tuple[int, list[Row] | Exception]
"""Number of a patient, and its rows of the label table, or what went wrong."""

Progress = Callable[[Iterator[Made], int], Iterator[Made]]
"""Shows how far something is: wraps an iterator, given how many items it will yield."""


def uid(*parts: object) -> UID:
    """Return a DICOM unique identifier that depends on `parts` only (the UUID-derived root 2.25)."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return UID(f"2.25.{int.from_bytes(digest[:16], 'big')}")


def dataset(study: PhantomStudy, number: int) -> FileDataset:
    """Return one slice of a study as a DICOM data set."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = uid(study.study, study.slice_ids[number])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = uid("hemo")
    meta.ImplementationVersionName = f"hemo {__version__}"
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.ImageType = ["DERIVED", "SECONDARY", "AXIAL", "SYNTHETIC"]
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    ds.Modality = "CT"
    ds.Manufacturer = "SYNTHETIC (hemo phantom)"
    ds.ManufacturerModelName = f"phantom {study.style.name}"
    ds.StudyDescription = ds.SeriesDescription = "SYNTHETIC HEAD PHANTOM"
    ds.PatientName = study.patient.replace("_", "^")
    ds.PatientID = study.patient
    ds.PatientBirthDate = ds.PatientSex = ds.StudyDate = ds.StudyTime = ds.StudyID = ""
    ds.AccessionNumber = ds.ReferringPhysicianName = ""
    ds.BodyPartExamined = "HEAD"
    ds.PatientPosition = "HFS"
    ds.BurnedInAnnotation = "NO"
    ds.ImageComments = MARK
    ds.StudyInstanceUID = uid(study.study)
    ds.SeriesInstanceUID = uid(study.study, "series")
    ds.FrameOfReferenceUID = uid(study.study, "frame")
    ds.PositionReferenceIndicator = ""
    ds.SeriesNumber = 2
    ds.AcquisitionNumber = 1
    ds.InstanceNumber = number + 1
    ds.KVP = study.style.kvp
    ds.ConvolutionKernel = study.style.name.upper()
    ds.GantryDetectorTilt = study.tilt
    ds.SliceThickness = study.thickness
    ds.PixelSpacing = [study.pixel, study.pixel]
    ds.ImagePositionPatient = [float(value) for value in study.positions[number]]
    ds.ImageOrientationPatient = list(study.orientation)
    ds.SliceLocation = float(study.positions[number][2])
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = study.volume.shape[1:]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = INTERCEPT, 1, "HU"
    ds.WindowCenter, ds.WindowWidth = 40, 80
    ds.PixelData = (study.volume[number] - np.int16(INTERCEPT)).astype("<u2").tobytes()
    return ds


def write_study(study: PhantomStudy, out: Path) -> list[Row]:
    """Write a study into `out`/`<study>`/`<slice>.dcm` and return its rows of the label table.

    Slice identifiers are hashes: sorted names say nothing of anatomical order, only the header does.
    """
    folder = out / study.study
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    for number, (name, truth) in enumerate(zip(study.slice_ids, study.labels, strict=True)):
        dataset(study, number).save_as(folder / f"{name}.dcm", enforce_file_format=True)
        rows += [(name, label, int(truth[LABELS.index(label)])) for label in TABLE_ORDER]
    return rows


def write_patient(seed: int, index: int, size: int, slices: int, out: Path) -> list[Row]:
    """Make and write all studies of one patient; returns their rows of the label table."""
    patient = patient_seed(seed, index)
    rows: list[Row] = []
    for number in range(studies_of(patient)):
        study = make_study(patient, types=profile(seed, index), study=number, size=size, slices=slices)
        rows += write_study(study, out)
    return rows


def write(
    out: Path,
    *,
    patients: int,
    slices: int,
    size: int,
    seed: int,
    workers: int,
    progress: Progress | None = None,
) -> list[list[Row]]:
    """Write a phantom, studies and label table.

    The table comes last: a folder that has one is complete.

    Parameters
    ----------
    out
        Folder to write into; made where it is missing.
    patients, slices, size, seed
        How many patients, slices a study and pixels a side; the seed everything follows from.
    workers
        Parallel processes; they do not change a byte.
    progress
        Wraps an iterator that yields once for each patient done, given their total.

    Returns
    -------
    list of list of Row
        Each patient's rows of the label table.
    """
    out.mkdir(parents=True, exist_ok=True)
    one = partial(write_patient, seed, size=size, slices=slices, out=out)
    made = run_all(one, range(patients), workers)
    found: dict[int, list[Row]] = {}
    for index, rows in progress(made, patients) if progress else made:
        if isinstance(rows, Exception):
            raise rows
        found[index] = rows
    groups = [found[index] for index in range(patients)]
    _write_labels([row for rows in groups for row in rows], out / "labels.csv")
    return groups


def _write_labels(rows: Sequence[Row], file: Path) -> None:
    """Write RSNA's long form: `ID,Label`, a row a slice and label, slices sorted by identifier."""
    by_slice = sorted(rows, key=lambda row: row[0])
    lines = ["ID,Label", *(f"{name}_{label},{truth}" for name, label, truth in by_slice)]
    draft = file.with_suffix(".part")
    draft.write_text("\n".join(lines) + "\n", encoding="ascii")
    draft.replace(file)
