"""NIfTI volumes, slice by slice."""

import gzip
import logging
import math
from io import BytesIO
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hemo.imaging.dicom_header import LARGEST_DECODED
from hemo.imaging.faults import reason
from hemo.imaging.hu import Scale, check_hu, to_hu
from hemo.imaging.orientation import refuse_steep, unit
from hemo.imaging.plausible import check_spacing
from hemo.imaging.raw import LARGEST_FILE, Excluded, Part, RawSlice
from hemo.imaging.signatures import GZIP_START

FIRST_HEADER: Final = 348
SECOND_HEADER: Final = 540
"""Bytes of the headers of NIfTI-1 and NIfTI-2."""

PIECE: Final = 1 << 20

_quiet = logging.Logger("nibabel's notes, which name no file")
_quiet.addHandler(logging.NullHandler())

SMALLEST: Final = 64
"""Rows or columns of an axial slice below which it is none, as in DICOM: a scout is one column wide."""

MISFIT: Final = 0.3
"""Part by which an affine's voxels may differ from the header's sizes, as those of tilted gantries do."""

UNORIENTED: Final = "no orientation in its header: stored from right to left, back to front, feet to head"

Affine = NDArray[np.float64]

Scaling = tuple[float | None, float | None]
"""Slope and intercept; None where there are none."""


def read_nifti(data: bytes, name: str = "") -> list[Part]:
    """Read a volume in HU as axial slices, oriented by its affine.

    Rows run from the front of the head to its back and columns from the patient's right to left, as in
    DICOM, whatever the order on disk. `number` counts slices as they lie on disk, from 1: that is how
    tables of volumes name them. The volume's name stands for patient, study and series.

    Returns
    -------
    list of RawSlice or Excluded
        One slice for each place along the body's axis, from the feet up; in the place of one that is
        unusable, the reason.

    Raises
    ------
    Excluded
        Where it is no volume, cannot be decoded, or its axial slices are no head's.
    """
    try:
        return _slices(*_volume(data), name)
    except Excluded:
        raise
    except Exception as error:  # nibabel raises whatever it likes; one bad file stops nothing
        raise Excluded(reason(error)) from error


def _volume(data: bytes) -> tuple[NDArray[Any], Scaling, Affine, tuple[str, ...]]:
    """Return the voxels as stored, how they are scaled, the valid affine in mm, and what was assumed.

    What the header claims is checked before as much is inflated or asked for.
    """
    import nibabel

    packed = data.startswith(GZIP_START)
    stream: Any = gzip.GzipFile(fileobj=BytesIO(data)) if packed else BytesIO(data)
    start = stream.read(SECOND_HEADER)
    kinds = {FIRST_HEADER: nibabel.Nifti1Header, SECOND_HEADER: nibabel.Nifti2Header}
    length = SECOND_HEADER if start[4:8] == b"n+2\x00" else FIRST_HEADER
    # The four zeros say that no extension follows, which would be read in whatever size it claims.
    header = kinds[length].from_fileobj(BytesIO(start[:length] + bytes(4)), check=False)
    header.check_fix(logger=_quiet)
    shape, kind = _shape(header)
    offset = int(header.get_data_offset())
    count = math.prod(shape)
    if (
        offset + count * kind.itemsize > LARGEST_FILE
        or count * min(max(kind.itemsize, 2), 4) > LARGEST_DECODED
    ):
        raise Excluded(f"claims {' x '.join(map(str, shape))} voxels of {8 * kind.itemsize} bits: too many")
    needed = offset + count * kind.itemsize
    if packed:
        stream.seek(0)
        data = stream.read(needed)
        behind = 0
        while piece := stream.read(PIECE):  # to its end, where its checksum is
            behind += len(piece)
            if behind > LARGEST_FILE - needed:
                raise Excluded("holds much more than the volume of its header")
    if len(data) < needed:
        held, said = max(0, len(data) - offset), needed - offset
        raise Excluded(f"cut off: holds {held} bytes of the {said} that its header says")
    affine, notes = _affine(header)
    volume = np.frombuffer(data, kind, count, offset).reshape(shape, order="F")
    affine[:3] *= {"meter": 1000.0, "micron": 0.001}.get(header.get_xyzt_units()[0], 1.0)
    return volume, header.get_slope_inter(), affine, notes


def _shape(header: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return how many voxels a header claims along each axis, and their type."""
    shape = tuple(header.get_data_shape())
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) == 4:
        raise Excluded(f"{shape[3]} volumes in one file: give one a file")
    kind = header.get_data_dtype()
    if kind.fields:
        raise Excluded("color volume")
    if len(shape) != 3 or not np.issubdtype(kind, np.number) or np.issubdtype(kind, np.complexfloating):
        raise Excluded(f"an array of {len(shape)} dimensions and type {kind} is no volume")
    if min(shape) < 1 or kind.itemsize > 8:
        raise Excluded(f"{' x '.join(map(str, shape))} voxels of {8 * kind.itemsize} bits are no volume")
    return shape, kind


def _affine(header: Any) -> tuple[Affine, tuple[str, ...]]:
    """Return the transform from voxels to the patient (RAS+) that is valid, and what was assumed.

    Of two that are, they must show the same sides, and the sform counts, as it does for other readers.

    Raises
    ------
    Excluded
        Where two transforms that are as good as each other disagree.
    """
    from nibabel.spatialimages import HeaderDataError

    sizes = np.abs(np.asarray(header["pixdim"][1:4], float))
    found: dict[str, Affine] = {}
    codes = {"sform": int(header["sform_code"]), "qform": int(header["qform_code"])}
    for kind, get in (("sform", header.get_sform), ("qform", header.get_qform)):
        try:
            affine = np.asarray(get(), float) if codes[kind] > 0 else np.zeros((4, 4))
        except (ValueError, HeaderDataError):  # a quaternion that is none
            continue
        if _valid(affine, sizes):
            found[kind] = affine
    if len(found) == 2:
        sides = [_axes(affine) for affine in found.values()]
        if sides[0] != sides[1]:
            said = " and ".join(f"{kind} {''.join(axes)}" for kind, axes in zip(found, sides, strict=True))
            raise Excluded(f"its two orientations disagree ({said})")
    for kind, other in (("sform", "qform"), ("qform", "sform")):
        if kind in found:
            bad = codes[other] > 0 and other not in found
            return found[kind], (f"its {other} is not valid: sides by its {kind}",) if bad else ()
    if any(code > 0 for code in codes.values()):
        raise Excluded("its orientation is not valid")
    return np.asarray(header.get_base_affine(), float), (UNORIENTED,)


def _valid(affine: Affine, sizes: NDArray[np.float64]) -> bool:
    """Tell whether an affine is one, and of voxels of about the header's sizes, where it has any."""
    if not np.isfinite(affine).all():
        return False
    norms = np.linalg.norm(affine[:3, :3], axis=0)
    if norms.min() <= 0 or abs(np.linalg.det(affine[:3, :3] / norms)) < 0.1:
        return False
    return bool((sizes <= 0).any() or (abs(norms / sizes - 1) < MISFIT).all())


def _axes(affine: Affine) -> tuple[str, ...]:
    import nibabel

    return tuple(nibabel.aff2axcodes(affine))


def _slices(
    volume: NDArray[Any], scaling: Scaling, affine: Affine, notes: tuple[str, ...], name: str
) -> list[Part]:
    """Return the axial slices of a volume, from the feet up."""
    import nibabel
    from nibabel.volumeutils import apply_read_scaling

    here = nibabel.io_orientation(affine)
    if np.isnan(here).any():
        raise Excluded("its orientation is not valid")
    wanted = nibabel.orientations.axcodes2ornt(("L", "P", "S"))
    volume = nibabel.apply_orientation(volume, nibabel.orientations.ornt_transform(here, wanted))
    across, down, along = (int(np.flatnonzero(here[:, 0] == axis)[0]) for axis in range(3))
    x, y, z = np.cross(affine[:3, across] * -here[across, 1], affine[:3, down] * -here[down, 1])
    normal = (-float(x), -float(y), float(z))  # from RAS+ to the patient coordinates of DICOM
    refuse_steep(normal)
    rows, columns, count = volume.shape[1], volume.shape[0], volume.shape[2]
    if min(rows, columns) < SMALLEST:
        raise Excluded(f"its axial slices have {rows}x{columns} pixels, so it is no scan of a head in them")
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    spacing = (float(sizes[down]), float(sizes[across]))
    check_spacing(spacing)
    upwards = here[along, 1] > 0
    parts: list[Part] = []
    for index in range(count):
        number = index + 1 if upwards else count - index
        slice_id = f"{name}_{number}"
        try:
            pixels = np.ascontiguousarray(apply_read_scaling(volume[:, :, index].T, *scaling))
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
                series=name,
                position=index * float(sizes[along]),
                spacing=spacing,
                number=number,
                normal=unit(normal),
                notes=notes,
            )
        )
    return parts
