"""NIfTI volumes, slice by slice."""

import gzip
from io import BytesIO
from typing import Final

import numpy as np

from hemo.imaging.formats import GZIP_START
from hemo.imaging.hu import Scale, check_hu, to_hu
from hemo.imaging.raw import Excluded, Part, RawSlice

LARGEST: Final = 2 << 30
"""Bytes of a volume beyond which reading stops: a head is far below."""


def read_nifti(data: bytes, name: str = "") -> list[Part]:
    """Read a volume in HU as axial slices, oriented by its affine.

    Rows run from the front of the head to its back and columns from the patient's right to left, as in
    DICOM, whatever the order on disk. `number` counts slices as they lie on disk, from 1: that is how
    tables of volumes name them. The volume's name stands for patient and study.

    Returns
    -------
    One slice for each place along the body's axis, from the feet up; in the place of one that is unusable,
    the reason.

    Raises
    ------
    Excluded
        Where it is no volume or cannot be decoded.
    """
    import nibabel

    try:
        if data.startswith(GZIP_START):
            with gzip.GzipFile(fileobj=BytesIO(data)) as stream:
                data = stream.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise Excluded("larger than 2 GB, so no head")
        image = (nibabel.Nifti2Image if data[4:8] == b"n+2\x00" else nibabel.Nifti1Image).from_bytes(data)
        volume = np.asanyarray(image.dataobj)
        if volume.ndim == 4 and volume.shape[3] == 1:
            volume = volume[..., 0]
        if volume.ndim != 3 or not np.issubdtype(volume.dtype, np.number):
            raise Excluded(f"an array of {volume.ndim} dimensions and type {volume.dtype} is no volume")
        here = nibabel.io_orientation(image.affine)
        wanted = nibabel.orientations.axcodes2ornt(("L", "P", "S"))
        volume = nibabel.apply_orientation(volume, nibabel.orientations.ornt_transform(here, wanted))
        sizes = np.linalg.norm(image.affine[:3, :3], axis=0)
    except Excluded:
        raise
    except Exception as error:  # nibabel raises whatever it likes; one bad file stops nothing
        raise Excluded(f"cannot be decoded ({type(error).__name__})") from error

    across, down, along = (int(np.flatnonzero(here[:, 0] == axis)[0]) for axis in range(3))
    upwards = here[along, 1] > 0
    count = volume.shape[2]
    parts: list[Part] = []
    for index in range(count):
        number = index + 1 if upwards else count - index
        slice_id = f"{name}_{number}"
        pixels = np.ascontiguousarray(volume[:, :, index].T)
        try:
            hu = to_hu(pixels, Scale(slope=1.0, intercept=0.0))
            check_hu(hu)
        except Excluded as excluded:
            parts.append(Excluded(str(excluded), slice_id))
            continue
        parts.append(
            RawSlice(
                pixels=hu,
                hu=True,
                slice_id=slice_id,
                patient=name,
                study=name,
                position=index * float(sizes[along]),
                spacing=(float(sizes[down]), float(sizes[across])),
                number=number,
            )
        )
    return parts
