import base64
import json
import os
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zlib
from pathlib import Path

import cv2
import mlflow
import numpy as np
import pydicom.data
import pytest

from hemo import imaging
from hemo.registry import names, panel
from hemo.serving import Member
from tests.helpers.registry_world import empty_store


def png(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


def bomb() -> bytes:
    """Return a PNG whose header says 30,000 x 30,000, its pixels being 900 MB of zeros, compressed."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compressobj(1)
    data = b"".join(rows.compress(bytes(30_001)) for _ in range(30_000)) + rows.flush()
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture(scope="module")
def served(promoted_once, tmp_path_factory):
    """The panel of `any` and `epidural`, served by MLflow; returns its address and the loaded panel."""
    folder = tmp_path_factory.mktemp("served")
    monkeypatch = pytest.MonkeyPatch()
    empty_store(promoted_once / "mlflow.db", folder, monkeypatch)
    port = free_port()
    words = [
        "models",
        "serve",
        "-m",
        names.PANEL_URI,
        "--env-manager",
        "local",
        "-p",
        str(port),
        "--host",
        "127.0.0.1",
    ]
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": mlflow.get_tracking_uri(),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", *words], env=environment, cwd=folder, stdout=log, stderr=log,
        start_new_session=True,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{address}/ping", timeout=1)
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.2)
        yield address, panel.load()
    finally:
        os.killpg(process.pid, 15)
        process.wait()
        monkeypatch.undo()


def post(address: str, body: bytes, kind: str = "application/json") -> tuple[int, dict]:
    request = urllib.request.Request(f"{address}/invocations", body, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as fault:
        return fault.code, json.loads(fault.read())


def records(*images: bytes, **columns) -> bytes:
    rows = [
        {"image": base64.b64encode(image).decode()} | {name: values[row] for name, values in columns.items()}
        for row, image in enumerate(images)
    ]
    return json.dumps({"dataframe_records": rows}).encode()


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    return {
        "png": png(noise),
        "dicom": Path(str(pydicom.data.get_testdata_file("CT_small.dcm"))).read_bytes(),
    }


def test_dicom_and_png_over_http_get_the_probabilities_of_the_run_itself(served, files):
    address, loaded = served
    status, answer = post(address, records(files["dicom"], files["png"]))
    assert status == 200
    for row, data in enumerate((files["dicom"], files["png"])):
        for member in loaded.members:
            model = mlflow.artifacts.download_artifacts(f"models:/hemo-{member.label}/1")
            own = Member.load(Path(model) / "artifacts" / "classifier")
            slices = np.stack([image for _, image in imaging.read_reduced(data, own.reduction)])
            name = "any_own_probability" if member.label == "any" else f"{member.label}_probability"
            assert answer["predictions"][row][name] == pytest.approx(own.probability(slices)[0], abs=1e-6)
    first = answer["predictions"][0]
    assert first["any_probability"] >= first["epidural_probability"]
    assert first["any_version"] == "1"
    assert first["panel_version"] == "2"


def test_slices_that_carry_a_study_get_its_summary(served, files):
    address, _ = served
    status, answer = post(address, records(files["png"], files["dicom"], study=["one", "one"]))
    assert status == 200
    rows = answer["predictions"]
    largest = max(row["epidural_probability"] for row in rows)
    assert [row["study_epidural_probability"] for row in rows] == [largest, largest]
    assert [row["study"] for row in rows] == ["one", "one"]


def test_the_studys_own_identifier_never_comes_back(served, files):
    uid = pydicom.dcmread(str(pydicom.data.get_testdata_file("CT_small.dcm"))).StudyInstanceUID
    _, answer = post(served[0], records(files["dicom"]))
    assert str(uid) not in json.dumps(answer)
    assert answer["predictions"][0]["study"].startswith("study-")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "JSON"),
        (b"{}", "dataframe_records"),
        (records(b""), "row 0: image not usable: empty"),
        (records(b"just a text file\n" * 20), "row 0: image not usable: neither DICOM"),
        (json.dumps({"dataframe_records": [{"picture": "AAAA"}]}).encode(), "image"),
        (json.dumps({"dataframe_records": [{"image": "/etc/passwd"}]}).encode(), "image"),
        (json.dumps({"dataframe_records": [{"image": 7}]}).encode(), "image"),
        (json.dumps({"dataframe_records": []}).encode(), ""),
    ],
)
def test_bad_requests_get_a_status_of_4xx_with_a_message(served, body, words):
    status, answer = post(served[0], body)
    assert 400 <= status < 500, answer
    assert words in answer["message"]


def test_a_row_that_cannot_be_read_says_why_and_the_others_are_answered(served, files):
    status, answer = post(served[0], records(files["png"], files["dicom"][:2000], b"text", files["png"]))
    assert status == 200
    good, short, text, again = answer["predictions"]
    assert good["any_probability"] == again["any_probability"]
    assert [row["error"] for row in (good, again)] == ["", ""]
    assert short["error"] == "no pixel data"
    assert text["error"].startswith("neither DICOM")
    for row in (short, text):
        assert row["any_probability"] is None  # as JSON says it
        assert row["any_decision"] is None
        assert row["any_version"] == "1"


def test_a_slice_alone_is_said_to_be_judged_alone(served, files):
    _, alone = post(served[0], records(files["png"]))
    _, both = post(served[0], records(files["png"], files["png"], study=["one", "one"]))
    assert [row["slice_only"] for row in alone["predictions"] + both["predictions"]] == [True, False, False]
    assert both["predictions"][0]["study_seen"] == 2
    assert both["predictions"][0]["study_any_slices"] in ("", "0", "0; 1")


def test_a_png_bomb_gets_a_4xx_without_being_decoded(served):
    data = bomb()
    start = time.perf_counter()
    status, answer = post(served[0], records(data))
    assert status == 400
    assert "30000x30000" in answer["message"]
    assert time.perf_counter() - start < 10


def test_a_request_that_says_it_is_a_gigabyte_is_refused_before_it_is_sent(served):
    host, port = served[0].removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as line:
        line.sendall(
            b"POST /invocations HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
            b"Content-Length: 1073741824\r\n\r\n"
        )
        answer = line.recv(4096)
        while b"}" not in answer:
            answer += line.recv(4096)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"100 MB at most" in answer


def test_no_error_tells_of_the_servers_code_its_paths_or_the_request(served):
    deep = b'{"dataframe_records":' + b"[" * 200_000
    many = b'{"inputs": [' + b"1," * 300_000 + b"1]}"
    sent = [b"[1, 2]", deep, many, records(b"secret words" * 20), json.dumps({"inputs": {"a": 1}}).encode()]
    for body in (*sent, json.dumps({"dataframe_records": [{"image": "AAAA", "study": 7}]}).encode()):
        status, answer = post(served[0], body)
        assert status == 400
        assert set(answer) <= {"error_code", "message", "sqlstate", "error_class"}
        assert not any(word in str(answer) for word in ("Traceback", "site-packages", ".py", "secret"))


def test_a_path_in_csv_is_not_opened(served):
    status, answer = post(served[0], b"image\n/etc/hostname\n", "text/csv")
    assert 400 <= status < 500, answer
    assert "neither bytes" in answer["message"]
