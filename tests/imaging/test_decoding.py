"""What ends a decoder takes one file with it, and the next is read."""

import io
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image

from hemo.imaging import Excluded, decoding, read_one
from hemo.imaging.windows import apply_window
from tests.helpers.scans import head

GRAY = apply_window(head(), 40, 80)


def tiff():
    stream = io.BytesIO()
    Image.fromarray(GRAY).save(stream, "TIFF")
    return stream.getvalue()


def worker():
    assert decoding._worker is not None
    return decoding._worker


def test_a_decoder_that_is_killed_costs_no_file_but_its_own():
    read_one(tiff())
    process = worker().process
    os.kill(process.pid, signal.SIGSEGV)
    process.wait()
    np.testing.assert_array_equal(read_one(tiff()).pixels, GRAY)


@pytest.mark.parametrize(
    ("does", "reason"),
    [
        ("os.kill(os.getpid(), signal.SIGFPE)", "its decoder crashed"),
        ("time.sleep(60)", "takes more than 0.5 seconds to decode"),
        ("np.ones(1 << 36, np.uint8)", "takes too much memory to decode"),
        ("print('noise'); ValueError.x", r"cannot be decoded \(AttributeError\)"),
    ],
)
def test_a_decoder_that_crashes_hangs_or_claims_too_much_gives_a_reason(does, reason, monkeypatch):
    started = subprocess.Popen
    script = (
        "import os, signal, time, numpy as np\nfrom hemo.imaging import decoding_worker as worker\n"
        f"def bad(data):\n    {does}\nworker.DECODERS['tiff'] = bad\nworker.serve()"
    )
    monkeypatch.setattr(decoding, "_worker", None)
    monkeypatch.setattr(decoding, "SECONDS", 0.5 if "sleep" in does else 30)

    def start(words, **options):
        return started([sys.executable, "-c", script], **options)

    monkeypatch.setattr(decoding.subprocess, "Popen", start)
    if "sleep" in does:  # its start does not count
        decoding._worker = decoding._Worker()
        monkeypatch.setattr(decoding, "SECONDS", 30)
        with pytest.raises(Excluded):
            worker().ask("none", b"")
        monkeypatch.setattr(decoding, "SECONDS", 0.5)
    with pytest.raises(Excluded, match=reason):
        read_one(tiff())
    monkeypatch.setattr(decoding.subprocess, "Popen", started)
    monkeypatch.setattr(decoding, "SECONDS", 30)
    if "crash" in reason or "seconds" in reason:
        np.testing.assert_array_equal(read_one(tiff()).pixels, GRAY)
    worker().end()


def test_threads_share_the_decoder_without_mixing_their_files():
    results = {}

    def work(number):
        stream = io.BytesIO()
        Image.fromarray(np.roll(GRAY, number, 0)).save(stream, "TIFF")
        results[number] = [read_one(stream.getvalue()).pixels for _ in range(3)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, pictures in results.items():
        for pixels in pictures:
            np.testing.assert_array_equal(pixels, np.roll(GRAY, number, 0))


def test_the_decoder_ends_with_the_process_that_it_works_for():
    code = (
        "import io, sys, os\nfrom hemo.imaging import decoding, read_one\n"
        "read_one(sys.stdin.buffer.read())\nprint(decoding._worker.process.pid, flush=True)\nos._exit(1)"
    )
    done = subprocess.run([sys.executable, "-c", code], input=tiff(), capture_output=True)
    pid = int(done.stdout)
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if open(f"/proc/{pid}/stat").read().split()[2] == "Z":  # noqa: SIM115
            return
        threading.Event().wait(0.1)
    pytest.fail("the decoder outlives its owner")
