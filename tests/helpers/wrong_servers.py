"""Small HTTP servers that are no MLflow, or refuse, on a free port of this machine."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWERS = {
    "refuses": (401, "text/plain", "You are not authenticated."),
    "refuses in JSON": (401, "application/json", '{"detail": "Unauthorized"}'),
    "forbids": (403, "text/html", "<h1>Forbidden</h1>"),
    "is a web page": (200, "text/html", "<html><body>Sign in</body></html>"),
    "is another service": (200, "application/json", '{"hello": ["world"]}'),
    "knows no such page": (404, "application/json", '{"detail": "Not Found"}'),
    "talks nonsense": (200, "application/json", '{"experiment": [1, 2'),
    "is out of order": (503, "text/plain", "try later"),
}
"""What each kind of server answers to everything: status, type, text."""


@contextmanager
def serving(kind: str) -> Iterator[str]:
    """Run a server of a kind of `ANSWERS`, and yield its address."""
    status, media, text = ANSWERS[kind]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.send_header("Content-Type", media)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        do_POST = do_PATCH = do_PUT = do_DELETE = do_GET

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def closed_port() -> int:
    """Return a port of this machine on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
