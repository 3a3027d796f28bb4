"""A small Kubernetes API over HTTP: RayJobs whose status goes through a list of steps, pods and their logs."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import kubernetes

from k8s.cluster import Cluster

RAYJOBS = re.compile(r"/apis/ray\.io/v1/namespaces/lab/rayjobs(?:/([^/?]+))?")
EVENTS = "/api/v1/namespaces/lab/events"
PODS = re.compile(r"/api/v1/namespaces/lab/pods(?:/([^/?]+)/log)?")


class State:
    """What the server knows. scripts: statuses of a RayJob by name, each shown once, the last one for ever.
    events: null where they may not be read."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.scripts: dict[str, list[dict[str, Any] | None]] = {}
        self.default: list[dict[str, Any] | None] = [status("Complete", "SUCCEEDED")]
        self.pods: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] | None = []
        self.logs: dict[str, str] = {}
        self.pod_log = ""
        self.calls: list[tuple[str, str]] = []
        self.refuse = 0
        self.url = ""
        self.answers: list[tuple[str, re.Pattern[str], int, Any]] = []

    def add(self, job: dict[str, Any], *script: dict[str, Any] | None) -> None:
        name = job["metadata"]["name"]
        self.jobs[name] = job
        self.scripts[name] = list(script) or list(self.default)

    def answer(self, verb: str, path: str, code: int, content: Any) -> None:
        """What is said to requests of a path (a regular expression), before everything that was said of it so far.

        content: an object, or a function that makes one from the request's body.
        """
        self.answers.insert(0, (verb, re.compile(path), code, content))

    def answered(self, verb: str, path: str) -> tuple[int, Any] | None:
        plain = path.partition("?")[0]
        return next(((code, c) for v, p, code, c in self.answers if v == verb and p.fullmatch(plain)), None)

    def seen(self, name: str) -> dict[str, Any] | None:
        """The RayJob as a request finds it; a null in its script removes it."""
        job = self.jobs.get(name)
        if job is None:
            return None
        if job["spec"].get("suspend"):
            return {**job, "status": status("Suspended")}
        script = self.scripts[name]
        step = script.pop(0) if len(script) > 1 else script[0]
        if step is None:
            del self.jobs[name]
            return None
        return {**job, "status": step}


def status(deployment: str, job: str = "", **more: Any) -> dict[str, Any]:
    return {"jobDeploymentStatus": deployment, "jobStatus": job, **more}


def ray_job(name: str, stage: str = "ingest", *, suspend: bool = False) -> dict[str, Any]:
    labels = {"clinray.io/stage": stage, "clinray.io/release": "r"}
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": {"name": name, "labels": labels},
        "spec": {"suspend": suspend},
    }


@contextmanager
def api(state: State) -> Iterator[Cluster]:
    """A namespace "lab" of a cluster that is in this state."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(state))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    configuration = kubernetes.client.Configuration()
    configuration.host = f"http://127.0.0.1:{server.server_port}"
    configuration.retries = 0
    state.url = configuration.host
    try:
        yield Cluster(kubernetes.client.ApiClient(configuration), "lab")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(state: State) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *arguments: object) -> None:
            """Says nothing."""

        def _given(self, verb: str) -> bool:
            """Whether an answer was given for this request, which then has it."""
            state.calls.append((verb, self.path))
            found = state.answered(verb, self.path)
            if found is not None:
                body = self._body() if "Content-Length" in self.headers else None
                content = found[1](body) if callable(found[1]) else found[1]
                self._answer(found[0], content)
            return found is not None

        def do_GET(self) -> None:
            if self._given("GET"):
                return
            if state.refuse:
                self._answer(state.refuse, {})
            elif found := RAYJOBS.match(self.path):
                if found[1] is None:
                    self._answer(200, {"items": [job for name in list(state.jobs) if (job := state.seen(name))]})
                else:
                    job = state.seen(found[1])
                    self._answer(200 if job else 404, job or {})
            elif found := PODS.match(self.path):
                if found[1] is None:
                    self._answer(200, {"items": state.pods})
                else:
                    self._text(state.logs.get(found[1], state.pod_log))
            elif self.path.startswith(EVENTS):
                self._answer(200 if state.events is not None else 403, {"items": state.events})
            else:
                self._answer(404, {})

        def do_POST(self) -> None:
            if self._given("POST"):
                return
            job = self._body()
            name = job["metadata"]["name"]
            if name in state.jobs:
                self._answer(409, {})
                return
            state.add(job, *state.scripts.get(name, state.default))
            self._answer(201, job)

        def do_PATCH(self) -> None:
            if self._given("PATCH"):
                return
            name = str(RAYJOBS.match(self.path)[1])  # type: ignore[index]
            state.jobs[name]["spec"].update(self._body()["spec"])
            self._answer(200, state.jobs[name])

        def do_DELETE(self) -> None:
            if self._given("DELETE"):
                return
            name = str(RAYJOBS.match(self.path)[1])  # type: ignore[index]
            self._answer(200 if state.jobs.pop(name, None) else 404, {})

        def _body(self) -> Any:
            return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

        def _answer(self, code: int, content: Any) -> None:
            self._send(code, json.dumps(content).encode(), "application/json")

        def _text(self, text: str) -> None:
            self._send(200, text.encode(), "text/plain")

        def _send(self, code: int, body: bytes, kind: str) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
