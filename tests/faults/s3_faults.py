"""A small HTTP layer in front of an S3 server that breaks what a test tells it to break, and nothing else."""

from __future__ import annotations

import http.client
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import unquote, urlsplit

Action = Literal[
    "500", "503", "501", "404", "403", "301", "archived", "truncate", "reset", "lost", "change", "unconditional"
]

BODIES = {
    "500": (500, "InternalError"),
    "501": (501, "NotImplemented"),
    "503": (503, "SlowDown"),
    "403": (403, "AccessDenied"),
    "301": (301, "PermanentRedirect"),
    "archived": (403, "InvalidObjectState"),
    "404": (404, "NoSuchKey"),
}
CONDITIONS = ("if-match", "if-none-match")


@dataclass
class Fault:
    """What happens to requests of `method` whose decoded path contains `part`.

    after: how many such requests go through unharmed first. times: how many are then harmed; None: all.
    truncate: half of the body, then the connection ends. reset: no answer. lost: the request goes on, its answer does
    not come back. change: `change` is called, then the request goes on. unconditional: If-Match and If-None-Match are
    taken out.
    """

    action: Action
    part: str = ""
    method: str = "GET"
    after: int = 0
    times: int | None = None
    change: Callable[[], object] | None = None
    seen: int = 0

    def strikes(self, method: str, path: str) -> bool:
        if method != self.method or self.part not in unquote(path):
            return False
        self.seen += 1
        return self.seen > self.after and (self.times is None or self.seen <= self.after + self.times)


@dataclass
class FaultLayer:
    """endpoint: where clients go, or their proxy. requests: (method, decoded path with query) in order of arrival; of
    those to a proxy the whole URL stands for the path (RFC 9112, 3.2.2).
    """

    endpoint: str
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, fault: Fault) -> None:
        with self.lock:
            self.faults.append(fault)

    def clear(self) -> None:
        with self.lock:
            self.faults.clear()
            self.requests.clear()

    def struck(self, method: str, path: str) -> Fault | None:
        with self.lock:
            self.requests.append((method, unquote(path)))
            return next((f for f in self.faults if f.strikes(method, path)), None)

    def count(self, method: str, part: str) -> int:
        with self.lock:
            return sum(m == method and part in path for m, path in self.requests)


@contextmanager
def fault_layer(behind: str, tls: ssl.SSLContext | None = None) -> Iterator[FaultLayer]:
    """A layer in front of the server at `behind`, on a free port of loopback; with TLS where a context is given."""
    target = urlsplit(behind)
    layer = FaultLayer("")

    class Handler(_Handler):
        pass

    Handler.layer, Handler.host, Handler.port = layer, target.hostname or "", target.port or 80
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    layer.endpoint = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield layer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    layer: FaultLayer
    host: str
    port: int

    def log_message(self, format: str, *args: object) -> None:
        return

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.layer.struck(self.command, self.path)
        action = fault.action if fault else ""
        if action in BODIES:
            self._refuse(*BODIES[action])
        elif action == "reset":
            self._reset()
        else:
            if fault and fault.change:
                fault.change()
            self._forward(body, action)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _handle  # noqa: N815

    def _refuse(self, status: int, code: str) -> None:
        text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>told to</Message></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def _forward(self, body: bytes, action: str) -> None:
        left_out = CONDITIONS if action == "unconditional" else ()
        headers = {k: v for k, v in self.headers.items() if k.lower() not in left_out}
        connection = http.client.HTTPConnection(self.host, self.port)
        path = self.path.removeprefix(f"http://{self.headers['Host']}")
        connection.request(self.command, path, body, headers)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        if action == "lost":
            self._reset()
        else:
            self._answer(answer, data, truncate=action == "truncate")

    def _answer(self, answer: http.client.HTTPResponse, data: bytes, *, truncate: bool) -> None:
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "connection", "transfer-encoding", "date", "server"):
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        if truncate:
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            self._reset()
        else:
            self.wfile.write(data)
