"""Reading scans against the bare decoders, against a loop of Pillow, and against MONAI.

`python -m benchmarks.bench_reading [--memory]`. The fastest DICOM library and MONAI take part where they are
installed: `pip install dicomsdl monai itk torch`, best in a folder that PYTHONPATH names.
All figures are ratios within one run, of CPU time where one process is compared with one, so that other work
on the machine does not matter.
"""

import importlib.util
import io
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import psutil
import pydicom
import simplejpeg
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from hemo.console import out
from hemo.display.terminal import table
from hemo.imaging.reduction import Reduction
from hemo.imaging.windows import WINDOWS, apply_window
from hemo.slices.preprocess import preprocess
from hemo.slices.shards import ShardTask, keep_memory, write_shard
from hemo.slices.sources import find_sources

FILES = 120
"""Different slices; the others are links to them."""

SHARD = 1024
"""Slices in a shard here. A large store's have 8,192, so that what a shard costs whatever it holds, some 5 ms
for its record and for the disk, weighs less there than here."""

SIZE = 128
REPEATS = 5
TURNS = 3
MANY = 40_000


def head(seed: int) -> NDArray[np.int16]:
    """Return a slice of 512x512 in HU: a skull, a brain with texture, noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-1:1:512j, -1:1:512j]
    radius = np.hypot(y / 0.85, x / 0.7)
    texture = cv2.resize(rng.normal(0, 6, (64, 64)), (512, 512), interpolation=cv2.INTER_CUBIC)
    hu = np.where(radius < 1, 32 + texture, -1000)
    hu = np.where((radius > 0.88) & (radius < 0.98), 1300, hu)
    return np.asarray(hu + rng.normal(0, 8, hu.shape)).round().astype(np.int16)


def dicom_bytes(hu: NDArray[np.int16], number: int) -> bytes:
    """Return a DICOM file with a header like RSNA's: short, intercept -1024."""
    data = pydicom.Dataset()
    data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, f"1.2.3.{number}"
    data.Modality, data.PatientID, data.StudyInstanceUID = "CT", f"p{number // 30}", f"1.2.4.{number // 30}"
    data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, number % 30 * 5], [1, 0, 0, 0, 1, 0]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns = hu.shape
    data.PixelSpacing = [0.49, 0.49]
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation = 15, 1
    data.RescaleIntercept, data.RescaleSlope = -1024, 1
    data.PixelData = (hu + np.int16(1024)).tobytes()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = CTImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    stream = io.BytesIO()
    data.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def make_files(folder: Path) -> None:
    """Write the same slices as DICOM, as PNG and as JPEG (RGB, as the seed paper's images were)."""
    for kind in ("dicom", "png", "jpeg"):
        (folder / kind).mkdir(parents=True)
    for number in range(FILES):
        hu = head(number)
        picture = Image.fromarray(np.dstack([apply_window(hu, *WINDOWS["brain"])] * 3))
        (folder / "dicom" / f"ID_{number:05d}.dcm").write_bytes(dicom_bytes(hu, number))
        picture.save(folder / "png" / f"ID_{number:05d}.png")
        picture.save(folder / "jpeg" / f"ID_{number:05d}.jpg", quality=90)


def shrunk(pixels: NDArray[np.generic]) -> NDArray[np.generic]:
    return cv2.resize(pixels, (SIZE, SIZE), interpolation=cv2.INTER_AREA)


def floor_dicom_pydicom(path: Path) -> None:
    data = pydicom.dcmread(path)
    shrunk(data.pixel_array.astype(np.float32) * float(data.RescaleSlope) + float(data.RescaleIntercept))


def floor_dicom_dicomsdl(path: Path) -> None:
    dicomsdl = importlib.import_module("dicomsdl")
    shrunk(dicomsdl.open(str(path)).pixelData())


def floor_png(path: Path) -> None:
    shrunk(cv2.cvtColor(imagecodecs.png_decode(path.read_bytes()), cv2.COLOR_RGB2GRAY))


def floor_jpeg(path: Path) -> None:
    shrunk(simplejpeg.decode_jpeg(path.read_bytes(), colorspace="GRAY")[..., 0])


def floor_jpeg_scaled(path: Path) -> None:
    shrunk(
        simplejpeg.decode_jpeg(path.read_bytes(), colorspace="GRAY", min_height=SIZE, min_width=SIZE)[..., 0]
    )


def pillow_loop(path: Path) -> None:
    np.asarray(Image.open(path).convert("L").resize((SIZE, SIZE)))


def monai_pipeline(sample: Path) -> Callable[[Path], object]:
    monai = importlib.import_module("monai.transforms")
    importlib.import_module("torch").set_num_threads(1)
    level, width = WINDOWS["brain"]
    scale = monai.ScaleIntensityRange(level - width / 2, level + width / 2, 0, 255, clip=True)
    load = monai.LoadImage(image_only=True)
    size = (SIZE, SIZE, -1)[: load(str(sample)).ndim]  # some of its readers give a third axis
    pipeline = monai.Compose([load, monai.EnsureChannelFirst(), scale, monai.Resize(size)])
    return lambda path: pipeline(str(path))


def cpu_per_file(works: Mapping[str, Callable[[], object]], files: int) -> dict[str, float]:
    """Return the least CPU time a file of several runs, in ms; the works take turns."""
    least = dict.fromkeys(works, float("inf"))
    for _ in range(REPEATS):
        for name, work in works.items():
            start = time.process_time()
            work()
            least[name] = min(least[name], (time.process_time() - start) / files * 1e3)
    return least


def loop(work: Callable[[Path], object], paths: list[Path]) -> Callable[[], None]:
    def run() -> None:
        for path in paths:
            work(path)

    return run


def shard(folder: Path, images: Path, crop: bool) -> Callable[[], None]:
    """Return what a worker of `preprocess` does for these files, all bookkeeping included."""
    sources = tuple(find_sources(images, ("brain",)))
    reduction = Reduction(size=SIZE, crop=crop)
    folder.mkdir(exist_ok=True)
    return lambda: write_shard(ShardTask(0, folder, sources, reduction, b"k" * 32))


def compare(folder: Path) -> dict[str, float]:
    """Print CPU time a file and ratios; return the ratios by name."""
    cv2.setNumThreads(1)
    keep_memory()
    floors: dict[str, dict[str, Callable[[Path], object]]] = {
        "dicom": {"pydicom, resize": floor_dicom_pydicom},
        "png": {"imagecodecs, resize": floor_png, "Pillow loop": pillow_loop},
        "jpeg": {
            "simplejpeg, resize": floor_jpeg,
            "simplejpeg at a quarter, resize": floor_jpeg_scaled,
            "Pillow loop": pillow_loop,
        },
    }
    if importlib.util.find_spec("dicomsdl"):
        floors["dicom"]["dicomsdl, resize"] = floor_dicom_dicomsdl
    if importlib.util.find_spec("monai"):
        floors["dicom"]["MONAI"] = monai_pipeline(next((folder / "dicom").iterdir()))
    rows, ratios = [], {}
    for kind, others in floors.items():
        images = folder / f"{kind} shard"
        link_many(folder / kind, images, SHARD)
        paths = sorted(images.iterdir())
        works = {name: loop(work, paths) for name, work in others.items()}
        for crop in (False, True):
            works[f"crop {crop}"] = shard(folder / "out", images, crop)
        times = cpu_per_file(works, len(paths))
        whole, cropped = times.pop("crop False"), times.pop("crop True")
        rows.append((f"{kind}: hemo preprocess", f"{whole:.3f}", "", ""))
        rows.append((f"{kind}: hemo preprocess, head-cropped", f"{cropped:.3f}", "", ""))
        for name, other in times.items():
            ratios[f"{kind}: {name}"] = whole / other
            rows.append((f"{kind}: {name}", f"{other:.3f}", f"{whole / other:.2f}", f"{cropped / other:.2f}"))
    header = ["", "CPU ms a file", "hemo takes times", "head-cropped"]
    out.print(table("Reading 512x512 slices to 128x128, one process", header, rows))
    for name in ("dicomsdl", "monai"):
        if not importlib.util.find_spec(name):
            out.print(
                f"{name} is not installed and left out: `pip install dicomsdl monai itk torch` adds it."
            )
    return ratios


def workers(folder: Path) -> float:
    """Return how many times faster two workers are than one, on many links to the DICOM files.

    As many as take some ten seconds, a twentieth of RSNA's: to start a worker takes a third of a second. The
    least of several times of each, which take turns: another guest of the machine disturbs two more than one.
    """
    many, store = folder / "many", folder / "store"
    link_many(folder / "dicom", many, MANY)
    least = {1: float("inf"), 2: float("inf")}
    for _ in range(TURNS):
        for count in least:
            start = time.perf_counter()
            preprocess(many, None, store, Reduction(size=SIZE), workers=count)
            least[count] = min(least[count], time.perf_counter() - start)
            shutil.rmtree(store)
    ratio = least[1] / least[2]
    out.print(f"Two workers: {ratio:.2f} times one ({least[1]:.1f} s, {least[2]:.1f} s, least of {TURNS})")
    return ratio


def link_many(source: Path, target: Path, count: int) -> None:
    target.mkdir()
    paths = sorted(source.iterdir())
    for number in range(count):
        (target / f"{number:06d}{paths[0].suffix}").hardlink_to(paths[number % len(paths)])


def peak(images: Path, store: Path) -> float:
    """Return the peak memory in MB of a process that builds a store."""
    import resource

    preprocess(images, None, store, Reduction(size=SIZE))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def memory(folder: Path, counts: tuple[int, int] = (2_000, 50_000)) -> list[float]:
    """Print and return the peak memory for few and many slices, each in a process of its own."""
    peaks = []
    for count in counts:
        link_many(folder / "jpeg", folder / f"links{count}", count)
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            peaks.append(pool.submit(peak, folder / f"links{count}", folder / f"memory{count}").result())
    out.print(f"Peak memory: {peaks[0]:.0f} MB for {counts[0]:,} slices, {peaks[1]:.0f} MB for {counts[1]:,}")
    return peaks


def main(words: list[str]) -> None:
    """Run the comparisons; with --memory the long one too."""
    folder = Path(tempfile.mkdtemp(prefix="hemo-bench-"))
    try:
        make_files(folder)
        compare(folder)
        workers(folder)
        if "--memory" in words:
            memory(folder)
    finally:
        shutil.rmtree(folder)
    out.print(f"{psutil.cpu_count()} cores, load {psutil.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main(sys.argv[1:])
