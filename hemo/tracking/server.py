"""The MLflow UI of this machine's store: started, waited for, opened in a browser, ended."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

import mlflow

from hemo import console
from hemo.errors import HemoError

PATIENCE = 180.0
"""Seconds within which the server has to answer."""


def remote() -> str:
    """Return the address of the tracking server in use; empty if runs are kept without one."""
    uri = str(mlflow.get_tracking_uri())
    return uri if uri.startswith(("http://", "https://")) else ""


def check_port(port: int) -> None:
    """Raise HemoError if something listens on a port of this machine already."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if os.name == "posix":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise HemoError(
                f"--port {port}: taken, or not allowed: give another, such as --port {port % 60000 + 1024}"
            ) from None


def serve(port: int, first_link: str) -> None:
    """Run the MLflow UI on 127.0.0.1 until Ctrl-C, with a browser on `first_link` where there is a screen.

    Raises
    ------
    HemoError
        If the server does not answer in time, or ends by itself.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    console.err.print("starting the MLflow UI ...")
    try:
        with running(port) as server:
            console.err.print(f"MLflow UI on http://127.0.0.1:{port}: Ctrl-C ends it")
            console.unwatched()
            open_browser(first_link)
            raise HemoError(f"the MLflow UI ended by itself with status {server.wait()}: start it again")
    except KeyboardInterrupt:
        console.err.print("MLflow UI ended")


@contextmanager
def running(port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Start the MLflow UI of this machine's store, wait until it answers, and end it on leaving.

    Raises
    ------
    HemoError
        If it does not answer in time; its last words are in the message.
    """
    with tempfile.TemporaryFile("w+") as log:
        server = _start(port, log)
        try:
            _wait_until_it_answers(port, server, log)
            yield server
        finally:
            _end(server)


def open_browser(link: str) -> bool:
    """Open a link where there is a screen to show it on; tell whether it was opened."""
    if sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return webbrowser.open(link)
    return False


def _start(port: int, log: IO[str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    return subprocess.Popen(
        [*command, "--workers", "1"],
        # In the environment, since the store's address may hold a password and commands are seen by all.
        # Jobs are for language models and cost 230 MB each.
        env={
            **os.environ,
            "MLFLOW_BACKEND_STORE_URI": str(mlflow.get_tracking_uri()),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        },
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,  # Ctrl-C is ours alone; the whole session is ended in `_end`
    )


def _wait_until_it_answers(port: int, server: subprocess.Popen[bytes], log: IO[str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise HemoError(f"the MLflow UI did not start on port {port}: {_last_words(log)}")


def _last_words(log: IO[str]) -> str:
    log.seek(0)
    lines = [line.strip() for line in log if line.strip()]
    return lines[-1] if lines else "it said nothing"


def _end(server: subprocess.Popen[bytes]) -> None:
    """End the server and its workers: asked first, then by force, since they hold nothing unsaved."""
    _signal(server, "SIGTERM")
    with suppress(subprocess.TimeoutExpired):
        server.wait(5)
    _signal(server, "SIGKILL")
    server.wait()


def _signal(server: subprocess.Popen[bytes], name: str) -> None:
    """Signal the whole session; Windows has neither sessions nor signals."""
    with suppress(ProcessLookupError):
        if os.name == "posix":
            os.killpg(server.pid, getattr(signal, name))
        else:
            server.terminate()
