"""A small Kubernetes API over HTTP: RayJobs whose status goes through a list of steps, pods and their logs.

A list shows the next step of a RayJob. A watch shows all steps up to a mark or the last one: GONE says that its version
is known no more, FAULT that the server fails, BROKEN breaks off inside an event. One that has nothing to show,
as at HOLD, lets its time pass; one that had ends at once, so that no time passes which its reader has not come to.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import kubernetes

from k8s.cluster import Cluster
from k8s.waiting import Clock

RAYJOBS = re.compile(r"/apis/ray\.io/v1/namespaces/lab/rayjobs(?:/([^/?]+))?")
EVENTS = "/api/v1/namespaces/lab/events"
PODS = re.compile(r"/api/v1/namespaces/lab/pods(?:/([^/?]+)/log)?")
HOLD, GONE, FAULT, BROKEN = "hold", "gone", "fault", "broken"
Step = dict[str, Any] | str | None


class Hours:
    """A clock whose time passes by sleeping and by the watches that let it pass."""

    def __init__(self) -> None:
        self.at = 0.0
        self.later: list[tuple[float, Callable[[], None]]] = []

    def at_seconds(self, at: float, act: Callable[[], None]) -> None:
        """What happens at a certain time."""
        self.later.append((at, act))

    def clock(self) -> Clock:
        return Clock(lambda: self.at, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.at += seconds
        for _, act in (due := [each for each in self.later if each[0] <= self.at]):
            act()
        self.later = [each for each in self.later if each not in due]


class State:
    """What the server knows. scripts: statuses of a RayJob by name, each shown once, the last one for ever;
    a null deletes it. refuse, refuse_watches: code of the answer to what is read, to watches alone. events: null where
    they may not be read. last_line: set where a log that is followed comes to its end."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.scripts: dict[str, list[Step]] = {}
        self.default: list[Step] = [status("Complete", "SUCCEEDED")]
        self.pods: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] | None = []
        self.logs: dict[str, str] = {}
        self.pod_log = ""
        self.last_line = threading.Event()
        self.last_line.set()
        self.calls: list[tuple[str, str]] = []
        self.refuse = 0
        self.refuse_watches = 0
        self.url = ""
        self.hours = Hours()
        self.version = 0
        self.shown: set[str] = set()
        self.answers: list[tuple[str, re.Pattern[str], int, Any]] = []

    def add(self, job: dict[str, Any], *script: Step) -> None:
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
            return self._versioned(job, status("Suspended"))
        script = self.scripts[name]
        while isinstance(script[0], str):
            script.pop(0)
        if len(script) == 1:
            self.shown.add(name)
        step = script.pop(0) if len(script) > 1 else script[0]
        if step is None:
            del self.jobs[name]
            return None
        return self._versioned(job, step)

    def _versioned(self, job: dict[str, Any], shown: Any) -> dict[str, Any]:
        self.version += 1
        return {**job, "metadata": {**job["metadata"], "resourceVersion": str(self.version)}, "status": shown}

    def labelled(self, selector: str) -> list[dict[str, Any]]:
        """The pods that a selector asks for; one without labels is found by each."""
        wanted = dict(part.split("=") for part in selector.split(",") if part)
        labels = ((pod, pod["metadata"].get("labels")) for pod in self.pods)
        return [pod for pod, own in labels if own is None or wanted.items() <= own.items()]

    def listed(self, name: str | None) -> dict[str, Any]:
        """The RayJobs, or the one of a name."""
        names = [own for own in self.jobs if name in (None, own)]
        items = [job for own in names if (job := self.seen(own))]
        return {"metadata": {"resourceVersion": str(self.version)}, "items": items}

    def watched(self, name: str, version: str, seconds: float) -> Iterator[dict[str, Any] | str]:
        """The events of a watch; BROKEN where it breaks off."""
        if version != str(self.version):
            yield _error(410)
            return
        quiet = True
        while name in self.jobs and name not in self.shown and not self.jobs[name]["spec"].get("suspend"):
            mark = self.scripts[name][0]
            if isinstance(mark, str):
                yield from {GONE: [_error(410)], FAULT: [_error(500)], BROKEN: [BROKEN], HOLD: []}[mark]
                quiet = quiet and mark == HOLD
                break
            before, found, quiet = self.jobs[name], self.seen(name), False
            yield {"type": "MODIFIED" if found else "DELETED", "object": found or before}
        if quiet:
            self.hours.sleep(seconds)


def _error(code: int) -> dict[str, Any]:
    return {"type": "ERROR", "object": {"kind": "Status", "code": code, "message": "not for users"}}


def status(deployment: str, job: str = "", **more: Any) -> dict[str, Any]:
    return {"jobDeploymentStatus": deployment, "jobStatus": job, **more}


DONE = status("Complete", "SUCCEEDED")
RUNNING = status("Running", "RUNNING")
LOST = status("Failed", "FAILED", reason="AppFailed")
REFUSED = status("Failed", "FAILED", message="failed with exit code 2")
DEFERRED = status("Failed", "FAILED", message="failed with exit code 3")


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
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"state": state}))
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


class Handler(BaseHTTPRequestHandler):
    state: State

    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing."""

    def _given(self, verb: str) -> bool:
        """Whether an answer was given for this request, which then has it."""
        self.state.calls.append((verb, self.path))
        found = self.state.answered(verb, self.path)
        if found is not None:
            body = self._body() if "Content-Length" in self.headers else None
            content = found[1](body) if callable(found[1]) else found[1]
            self._answer(found[0], content)
        return found is not None

    def do_GET(self) -> None:
        if self._given("GET"):
            return
        if self.state.refuse:
            self._answer(self.state.refuse, {})
        elif found := RAYJOBS.match(self.path):
            self._get_ray_jobs(found[1])
        elif found := PODS.match(self.path):
            self._get_pods(found[1])
        elif self.path.startswith(EVENTS):
            self._answer(200 if self.state.events is not None else 403, {"items": self.state.events})
        else:
            self._answer(404, {})

    def _get_ray_jobs(self, one: str | None) -> None:
        query = self._query()
        name = query.get("fieldSelector", "=").partition("=")[2] or None
        if "watch" in query and self.state.refuse_watches:
            self._answer(self.state.refuse_watches, {})
        elif "watch" in query:
            self._watch(self.state.watched(str(name), query["resourceVersion"], float(query["timeoutSeconds"])))
        elif one is None:
            self._answer(200, self.state.listed(name))
        else:
            job = self.state.seen(one)
            self._answer(200 if job else 404, job or {})

    def _get_pods(self, one: str | None) -> None:
        if one is None:
            self._answer(200, {"items": self.state.labelled(self._query().get("labelSelector", ""))})
        elif "follow=true" in self.path.lower():
            self._follow(self.state.logs.get(one, self.state.pod_log))
        else:
            self._text(self.state.logs.get(one, self.state.pod_log))

    def do_POST(self) -> None:
        if self._given("POST"):
            return
        job = self._body()
        name = job["metadata"]["name"]
        if name in self.state.jobs:
            self._answer(409, {})
            return
        self.state.add(job, *self.state.scripts.get(name, self.state.default))
        self._answer(201, job)

    def do_PATCH(self) -> None:
        if self._given("PATCH"):
            return
        name = str(RAYJOBS.match(self.path)[1])  # type: ignore[index]
        self.state.jobs[name]["spec"].update(self._body()["spec"])
        self._answer(200, self.state.jobs[name])

    def do_DELETE(self) -> None:
        if self._given("DELETE"):
            return
        name = str(RAYJOBS.match(self.path)[1])  # type: ignore[index]
        self._answer(200 if self.state.jobs.pop(name, None) else 404, {})

    def _query(self) -> dict[str, str]:
        return {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}

    def _body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def _watch(self, events: Iterator[dict[str, Any] | str]) -> None:
        self._send_chunks(
            "application/json",
            (b'{"type": "MOD' if event == BROKEN else json.dumps(event).encode() + b"\n" for event in events),
        )

    def _follow(self, text: str) -> None:
        """A log whose last line comes when the test lets it."""

        def lines() -> Iterator[bytes]:
            *first, last = text.encode().splitlines(keepends=True)
            yield from first
            self.state.last_line.wait(10)
            yield last

        self._send_chunks("text/plain", lines())

    def _send_chunks(self, kind: str, chunks: Iterator[bytes]) -> None:
        """A body as it comes; what is no whole line breaks it off."""
        self.protocol_version, self.close_connection = "HTTP/1.1", True
        self.send_response(200)
        for header in (("Content-Type", kind), ("Transfer-Encoding", "chunked"), ("Connection", "close")):
            self.send_header(*header)
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # of a reader that has seen enough
            for chunk in chunks:
                self.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
                if not chunk.endswith(b"\n"):
                    return
            self.wfile.write(b"0\r\n\r\n")

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
