"""Hostile tables, experiment files, JSON, weights and requests."""

import asyncio
import base64
import io
import json
import pickle
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import Generator

from hemo import config
from hemo.errors import HemoError
from hemo.evaluation import predictions
from hemo.families._weight_files import MAGIC
from hemo.families._weight_files import read_weights as read_weight_file
from hemo.imaging import Reduction
from hemo.serving import limits
from hemo.slices.label_tables import read_labels
from hemo.slices.store import SliceStore
from tests.fire import scans
from tests.fire.mutate import mutated

ROOT = Path(__file__).parents[2]
CELLS = (
    "0", "1", "", "nan", "2", "-1", "1.0", "1,0", "inf", "9" * 5000, "1E+17", "=1+1", "[/red]", "\udce9",
    '"', '""', "\0", "a\nb", "../../etc/passwd", "ID_1_any", "é", "7" * 25, "1e400", "true",
)  # fmt: skip
HEADERS = (
    "ID,Label", "image,any,epidural,subdural", "PatientNumber,SliceNumber,any,epidural", "study,any,epidural",
    "volume,slice_number,any", "patient,image,any,intraventricular", "name,R1:ICH,R2:ICH,R3:ICH,R1:EDH",
    "image,No_Hemorrhage,any",
)  # fmt: skip


def table(rng: Generator) -> bytes:
    """Return a label table of any form, whose cells, separators, encoding or bytes are odd."""
    header = str(rng.choice(HEADERS))
    width = header.count(",") + 1
    rows = []
    for number in range(int(rng.integers(0, 8))):
        cells = [f"ID_{number}_any" if header == "ID,Label" else f"case-{number}"]
        cells += [str(int(rng.integers(2))) for _ in range(width - 1)]
        if rng.random() < 0.5:
            cells[int(rng.integers(len(cells)))] = CELLS[int(rng.integers(len(CELLS)))]
        rows.append(",".join(cells))
    text = str(rng.choice(["\n", "\r\n", "\r"])).join([header, *rows]) + "\n"
    text = text.replace(",", str(rng.choice([",", ",", ";", "\t", "|"])))
    data = text.encode(str(rng.choice(["utf-8", "utf-16", "utf-16-le", "cp1252", "utf-8-sig"])), "replace")
    return mutated(rng, data) if rng.random() < 0.4 else data


def experiment_file(rng: Generator) -> bytes:
    """Return an experiment file with faults, deep nesting, or what YAML makes of words."""
    fate = rng.random()
    if fate < 0.05:
        return b"[" * int(rng.integers(10, 100_000))
    if fate < 0.1:
        return b"\n".join(b" " * n + b"a:" for n in range(int(rng.integers(10, 1000))))
    if fate < 0.15:
        return b"a: &a [x,x,x]\n" + b"".join(
            b"b%d: &b%d [%s]\n" % (n, n, b",".join([b"*b%d" % (n - 1) if n else b"*a"] * 9))
            for n in range(12)
        )
    files = sorted((ROOT / "experiments").glob("*.yaml"))
    return mutated(rng, files[int(rng.integers(len(files)))].read_bytes())


STORE = {
    "schema": 2, "slice_ids": "keyed", "reduction": json.loads(json.dumps(Reduction().to_json())),
    "series": "all", "key": "0" * 16,
    "wanted_thickness": None, "slices": 2, "patients": 2, "patients_known": True,
    "digest": "0" * 32, "notes": {},
}  # fmt: skip


def store_facts(rng: Generator) -> bytes:
    """Return a store's facts with faults, or JSON that nests deeply."""
    if rng.random() < 0.05:
        return (b"[" if rng.random() < 0.5 else b'{"a":') * 200_000
    if rng.random() < 0.5:
        return mutated(rng, json.dumps(STORE).encode())
    odd: list[Any] = [None, [], {}, "x", -1, 1e400, "nan", True, [[]], {"a": 1}]
    facts = STORE | {str(name): odd[int(rng.integers(len(odd)))] for name in rng.choice(list(STORE), 2)}
    return json.dumps(facts).encode()


def weights(rng: Generator) -> bytes:
    """Return a legacy file of PyTorch's whose tensors may reach beyond their storages."""
    odd = [0, 1, 2, 3, 8, -1, -8, 1 << 20, 1 << 40, 1 << 62, -(1 << 62)]
    shape = tuple(int(rng.choice(odd[:5])) for _ in range(int(rng.integers(0, 4))))
    stride = tuple(int(rng.choice(odd)) for _ in range(len(shape) + int(rng.random() < 0.1)))
    offset = int(rng.choice(odd)) if rng.random() < 0.5 else 0
    if rng.random() < 0.5:
        data = torch_archive(offset, shape, stride, floats=int(rng.choice([24, 24, 24, 0])))
    else:
        data = torch_file(offset, shape, stride, int(rng.choice([24, 24, 24, 0, 1 << 40])))
    return mutated(rng, data) if rng.random() < 0.5 else data


def torch_file(offset: int, shape: tuple[int, ...], stride: tuple[int, ...], claimed: int = 24) -> bytes:
    """Return a legacy file of one tensor, whose storage of 24 numbers may claim to have others."""
    stream = io.BytesIO()
    for part in (MAGIC, 1001, {"little_endian": True}):
        pickle.dump(part, stream, 2)
    _dump(stream, offset, shape, stride)
    pickle.dump(["0"], stream, 2)
    stream.write(claimed.to_bytes(8, "little") + np.arange(24, dtype="<f4").tobytes())
    return stream.getvalue()


def torch_archive(
    offset: int,
    shape: tuple[int, ...],
    stride: tuple[int, ...],
    compression: int = zipfile.ZIP_STORED,
    floats: int = 24,
) -> bytes:
    """Return a file of PyTorch since 1.6 of one tensor, in whose storage there are so many numbers."""
    pickled, stream = io.BytesIO(), io.BytesIO()
    _dump(pickled, offset, shape, stride)
    with zipfile.ZipFile(stream, "w", compression) as archive:
        archive.writestr("w/data.pkl", pickled.getvalue())
        archive.writestr("w/byteorder", "little")
        archive.writestr("w/data/0", np.arange(floats, dtype="<f4").tobytes())
    return stream.getvalue()


def _dump(stream: io.BytesIO, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> None:
    """Write the dictionary of one tensor as torch does, without torch: by pickle's own words."""
    args = (offset, shape, stride)
    words = b"".join(pickle.dumps(one, 2)[2:-1] for one in args)
    stream.write(
        b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n("
        b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x18Nt"
        b"Q" + words + b"tRs."
    )


@cache
def _parquet() -> bytes:
    rows = pd.DataFrame(
        {
            "slice_id": list("abcd"),
            "patient": list("pqrs"),
            "study": list("pqrs"),
            "part": "test",
            "fold": 0,
            "repeat": 0,
            "truth": [0, 1, 0, 1],
            "probability": [0.1, 0.9, 0.2, 0.8],
            "threshold": 0.5,
            "negative_below": 0.5,
        }
    )
    stream = io.BytesIO()
    predictions.validate(rows).to_parquet(stream, index=False)
    return stream.getvalue()


def prediction_table(rng: Generator) -> bytes:
    """Return a prediction table with faults in its bytes."""
    data = _parquet()
    if rng.random() < 0.5:  # its description stands at its end
        return data[: len(data) // 2] + mutated(rng, data[len(data) // 2 :])
    return mutated(rng, data)


def request(rng: Generator) -> tuple[bytes, bytes]:
    """Return a body and its kind: JSON of pictures, or what is none."""
    image = (scans.dicom, scans.nifti, scans.picture, scans.other)[int(rng.integers(4))](rng)
    values: list[Any] = [
        base64.b64encode(image).decode(),
        "!",
        7,
        None,
        [],
        {"a": 1},
        "/etc/passwd",
        True,
        1e308,
    ]
    rows = [{"image": values[int(rng.choice([0, 0, 0, int(rng.integers(len(values)))]))]} for _ in range(3)]
    if rng.random() < 0.3:
        rows[0]["study"] = values[int(rng.integers(1, len(values)))]
    form: Any = [
        {"dataframe_records": rows},
        {"dataframe_split": {"columns": ["image"], "data": [[row["image"]] for row in rows]}},
        {"inputs": rows}, {"instances": rows}, rows, {"dataframe_records": rows, "params": {"x": 1}},
    ][int(rng.choice([0, 0, 0, int(rng.integers(6))]))]  # fmt: skip
    body = json.dumps(form).encode()
    if rng.random() < 0.4:
        body = mutated(rng, body)
    if rng.random() < 0.02:
        body = b'{"dataframe_records":' + b"[" * 200_000
    kinds = (b"application/json",) * 6 + (
        b"text/csv",
        b"application/octet-stream",
        b"application/json; charset=x",
        b"",
    )
    return body, kinds[int(rng.integers(len(kinds)))]


def _file(suffix: str, data: bytes) -> Path:
    path = Path(tempfile.gettempdir()) / f"fire-{suffix}"
    path.write_bytes(data)
    return path


def read_table(data: bytes) -> str:
    """Read a label table."""
    return _said(lambda: read_labels(_file("labels.csv", data)))


def read_experiment(data: bytes) -> str:
    """Read an experiment file."""
    return _said(lambda: config.load(_file("experiment.yaml", data)))


def read_store(data: bytes) -> str:
    """Open a store."""
    folder = Path(tempfile.gettempdir()) / "fire-store"
    folder.mkdir(exist_ok=True)
    (folder / "store.json").write_bytes(data)
    return _said(lambda: len(SliceStore.open(folder)))


def read_weights(data: bytes) -> str:
    """Read a file of weights."""
    return _said(lambda: read_weight_file(_file("weights.pth", data)))


def read_predictions(data: bytes) -> str:
    """Read a prediction table."""
    return _said(lambda: predictions.read(_file("predictions.parquet", data)))


def _said(call: Any) -> str:
    try:
        call()
    except HemoError as fault:
        text = str(fault)
        return f"refused: {text.partition(': ')[2] or text}"
    return "read"


@cache
def _app() -> Any:
    """Return MLflow's server of a model that reads its requests as the panel does, and judges nothing."""
    import mlflow
    from mlflow.models.signature import ModelSignature
    from mlflow.pyfunc import scoring_server
    from mlflow.types import ColSpec, DataType, Schema

    limits.protect_server()
    columns: list[Any] = [
        ColSpec(DataType.binary, "image"),
        ColSpec(DataType.string, "study", required=False),
    ]
    folder = Path(tempfile.mkdtemp()) / "model"
    code = folder.with_name("code.py")
    code.write_text(
        "import pandas as pd\nfrom mlflow.models import set_model\nfrom mlflow.pyfunc import PythonModel\n"
        "from hemo.imaging import Reduction\nfrom hemo.serving import inputs\n\n"
        "class Reads(PythonModel):\n"
        "    def predict(self, context, model_input, params=None):\n"
        "        parts = inputs.read_inputs(model_input, [Reduction(size=64)])\n"
        "        return pd.DataFrame({'error': [getattr(part, 'reason', '') for part in parts]})\n\n"
        "set_model(Reads())\n"
    )
    mlflow.pyfunc.save_model(
        folder,
        python_model=str(code),
        signature=ModelSignature(Schema(columns)),
        pip_requirements=[],
    )
    return scoring_server.init(mlflow.pyfunc.load_model(str(folder)))


def ask(given: tuple[bytes, bytes]) -> str:
    """Send a request to the server's application; an answer that is none, or says too much, is a fault."""
    body, kind = given
    status, answer = asyncio.run(_asked(body, kind))
    text = answer.decode("utf-8", "replace")
    if status == 200:
        return "read"
    if not 400 <= status < 500 or "Traceback" in text or "/hemo/" in text:
        raise AssertionError(f"{status}: {text[:300]}")
    return f"refused: {status} {text[:60]}"


async def _asked(body: bytes, kind: bytes) -> tuple[int, bytes]:
    sent: list[dict[str, Any]] = []
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return waiting.pop() if waiting else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": "/invocations", "raw_path": b"/invocations", "query_string": b"", "root_path": "",
        "headers": [(b"content-type", kind), (b"content-length", str(len(body)).encode())],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
    }  # fmt: skip
    await _app()(scope, receive, send)
    status = next(one["status"] for one in sent if one["type"] == "http.response.start")
    return status, b"".join(one.get("body", b"") for one in sent)
