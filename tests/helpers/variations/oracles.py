"""What independent readers make of a variation whose header is honest: SimpleITK, nibabel, Pillow."""

import io
import tempfile
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import SimpleITK
from numpy.typing import NDArray
from PIL import Image, ImageOps

from tests.helpers.variations.judge import difference
from tests.helpers.variations.kinds import Variation


def disagrees(kind: str, variation: Variation) -> str:
    """Return how another reader's word differs from the truth, "" where it does not or has none."""
    if not variation.honest or variation.must:
        return ""
    try:
        slices, positions = {"dicom": _simpleitk, "nifti": _nibabel, "picture": _pillow}[kind](variation)
    except (RuntimeError, OSError, EOFError, ValueError):  # it does not read such a file
        return ""
    for number, (one, truth) in enumerate(zip(slices, variation.slices, strict=True)):
        if fault := difference(np.maximum(one.astype(np.float64), -1024), truth, variation.tolerance):
            return f"slice {number}: {fault}"
    if positions and not np.allclose(positions, variation.positions or positions, atol=0.02):
        return f"at {positions}, not {variation.positions}"
    return ""


def _simpleitk(variation: Variation) -> tuple[list[NDArray[Any]], list[float]]:
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.dcm"
        path.write_bytes(variation.data)
        reader = SimpleITK.ImageFileReader()
        reader.SetImageIO("GDCMImageIO")
        reader.SetFileName(str(path))
        image = reader.Execute()
    known = reader.HasMetaDataKey("0020|0037")
    if known:
        image = SimpleITK.DICOMOrient(image, "LPS")
    normal = np.array(image.GetDirection()).reshape(3, 3)[:, 2]
    position = float(normal @ np.array(image.GetOrigin()))
    return list(SimpleITK.GetArrayFromImage(image)), [position] if known else []


def _nibabel(variation: Variation) -> tuple[list[NDArray[Any]], list[float]]:
    data = variation.data
    if data.startswith(b"\x1f\x8b"):
        import gzip

        data = gzip.decompress(data)
    kind = nibabel.Nifti2Image if data[4:8] == b"n+2\x00" else nibabel.Nifti1Image
    image = nibabel.as_closest_canonical(kind.from_bytes(data))
    voxels = image.get_fdata()[::-1, ::-1]
    heights = [float((image.affine @ [0, 0, k, 1])[2]) for k in range(voxels.shape[2])]
    return [voxels[:, :, k].T for k in range(voxels.shape[2])], [one - heights[0] for one in heights]


def _pillow(variation: Variation) -> tuple[list[NDArray[Any]], list[float]]:
    if not variation.gray:
        raise ValueError("no viewer shows HU")
    pages = []
    with Image.open(io.BytesIO(variation.data)) as image:
        if image.mode.startswith("I"):
            raise ValueError("Pillow does not show 16 bits as a viewer does")
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            shown = ImageOps.exif_transpose(image)
            pages.append(np.asarray(shown.convert("RGB").convert("L")))
    return pages, []
