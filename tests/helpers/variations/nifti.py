"""NIfTI variations: order on disk, transforms, types, scales, gzip, and what is no scan of a head."""

import gzip
from typing import Any, Final

import nibabel
import numpy as np
from numpy.typing import NDArray

from tests.helpers.variations.kinds import Draw, Variation, head

ORDERS: Final = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]


def nifti(draw: Draw) -> Variation:
    """Return a volume of a few slices."""
    count = draw.number(1, 4)
    slices = [head(draw, 72, 64) for _ in range(count)]
    step = float(draw.choice([2, 5]))
    variation = Variation(b"", [], list(slices), [step * k for k in range(count)], name="volume")
    voxels = np.stack(slices).transpose(2, 1, 0)[::-1, ::-1]  # to the right, to the front, up
    affine = np.diag([0.5, 0.5, step, 1.0])
    affine[:3, 3] = [-20, -30, float(draw.number(-99, 99))]
    voxels, slope, inter = _typed(draw, voxels, variation)
    kind = draw.choice([nibabel.Nifti1Image, nibabel.Nifti2Image])
    image = kind(voxels, affine)
    order, flips = draw.choice(ORDERS), [draw.choice([1, -1]) for _ in range(3)]
    image = image.as_reoriented(np.array(list(zip(order, flips, strict=True))))
    image = kind(np.asanyarray(image.dataobj), image.affine)
    image.header.set_slope_inter(slope, inter)
    variation.words += [kind.__name__, str(voxels.dtype), f"order {order} {flips}"]
    data = _transforms(draw, image, variation)
    if draw.number(0, 1):
        data = gzip.compress(data, 1, mtime=0)
    if draw.number(0, 30) == 0:
        data = data[: len(data) // 2]
        variation.exclude("^cut off|^damaged|^neither|^short volume")
        variation.words.append("cut off")
    variation.data = data
    return variation


def _typed(
    draw: Draw, voxels: NDArray[np.int16], variation: Variation
) -> tuple[NDArray[Any], float | None, float | None]:
    """Return voxels of some type with the scale that makes HU of them, or of what is no CT."""
    how = draw.choice(
        ["int16", "int16", "float32", "float64", "int32", "scaled", "scaled", "mask", "thin", "4D", "NaN"]
    )
    variation.words.append(how)
    if how in ("int16", "float32", "float64", "int32"):
        return voxels.astype(how), None, None
    if how == "scaled":
        stored = (voxels.astype(np.int32) + 1024).astype(np.uint16)
        return stored, 1.0, -1024.0
    if how == "mask":
        variation.exclude("^implausible HU: nothing below", "^constant", "^a mask")
        return (voxels > 60).astype(draw.choice([np.uint8, np.int16, np.float32])), None, None
    if how == "thin":
        variation.exclude("^its axial slices have")
        return voxels[draw.choice([slice(1), slice(30, 34), slice(0, 40)])].copy(), None, None
    if how == "4D":
        variation.exclude("^2 volumes in one file")
        return np.stack([voxels, voxels], axis=-1), None, None
    broken = voxels.astype(np.float32)
    broken[:3, :3] = np.nan
    variation.exclude("^pixels that are no numbers")
    return broken, None, None


def _transforms(draw: Draw, image: Any, variation: Variation) -> bytes:
    """Return the file with transforms that are valid, or of which one is, or none."""
    header, affine = image.header, image.affine
    how = draw.choice(["both", "both", "sform", "qform", "bad sform", "bad qform", "none", "conflict"])
    variation.words.append(f"transform: {how}")
    sform = 0 if how in ("qform", "none") else draw.choice([1, 2, 4])
    qform = 0 if how in ("sform", "none") else 1
    header.set_sform(affine, code=sform)
    header.set_qform(affine, code=qform)
    if how == "bad sform":
        header.set_sform(draw.choice([np.zeros((4, 4)), np.full((4, 4), np.nan), np.eye(4) * 40]), code=1)
        variation.honest = False
    if how == "bad qform":
        header["pixdim"][1:4] = [7, 7, 7]
        header["sform_code"], header["qform_code"] = 2, 0
        variation.honest = False
        header["pixdim"][1:4] = np.linalg.norm(affine[:3, :3], axis=0)
    if how == "conflict":
        header.set_qform(np.diag([-1, -1, 1, 1]) @ affine, code=1)
        variation.exclude("^its two orientations disagree")
    if how == "none":
        variation.honest = False
        variation.positions = None
        stored = np.asarray(image.dataobj)
        # Stored from right to left, back to front, feet to head; where that makes it thin, it is no scan.
        if stored.ndim == 3:
            given = header["scl_slope"], header["scl_inter"]
            slope, inter = given if np.isfinite(given).all() else (1, 0)
            variation.slices = [stored[:, ::-1, k].T * slope + inter for k in range(stored.shape[2])]
        variation.exclude(
            "^its axial slices have", "^pixels of", "^constant", "^implausible", "^no tissue", always=False
        )
        image = type(image)(stored, None, header)  # an affine would give it a code
    return image.to_bytes()
