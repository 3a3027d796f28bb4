"""Releases of the chart in a namespace of a real cluster, by the same commands that people type."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm/clinray"
VALUES = Path(__file__).with_name("values.yaml")
IMAGE = os.environ.get("CLINRAY_IMAGE", "localhost/clinray:dev")
OWN_IMAGE = dict(zip(("repository", "tag"), IMAGE.rsplit(":", 1), strict=True))
BUNDLE_BYTES = 500_000
RELEASE_LABEL = "clinray.io/release"

Object = dict[str, Any]


def run(
    *command: str, stdin: str | None = None, check: bool = True, seconds: float = 600
) -> subprocess.CompletedProcess:
    """A command's result. Raises AssertionError with what it said where it fails and should not."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=seconds, cwd=ROOT, check=False)
    assert not check or done.returncode == 0, f"{' '.join(command)}: {done.stderr[-3000:]}{done.stdout[-1000:]}"
    return done


def until(found: Callable[[], Any], seconds: float, what: str) -> Any:
    """What `found` gives as soon as it is something. Raises AssertionError where the time is over before that."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if result := found():
            return result
        time.sleep(0.2)
    raise AssertionError(f"{what}: not within {seconds:.0f} s")


@dataclass(frozen=True)
class Outcome:
    """What `python -m k8s wait` says: its exit code, its word for the outcome, and the details."""

    exit: int
    outcome: str
    detail: str


@dataclass(frozen=True)
class Namespace:
    """A namespace that enforces Pod Security `restricted`."""

    name: str

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> subprocess.CompletedProcess:
        return run("kubectl", "-n", self.name, *arguments, stdin=stdin, check=check)

    def apply(self, manifest: Object) -> None:
        self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(manifest))

    def get(self, kind: str, selector: str = "") -> list[Object]:
        chosen = ["-l", selector] if selector else []
        return list(json.loads(self.kubectl("get", kind, *chosen, "-o", "json").stdout)["items"])

    def names(self, kind: str, selector: str = "") -> list[str]:
        return sorted(found["metadata"]["name"] for found in self.get(kind, selector))

    def helm(self, *arguments: str, stdin: str | None = None, check: bool = True) -> subprocess.CompletedProcess:
        return run("helm", "-n", self.name, *arguments, stdin=stdin, check=check)

    def install(self, release: str, values: Object, check: bool = True, chart: Path = CHART) -> str:
        """Installs or upgrades a release with values laid over the tests' own. What helm says."""
        own = ["upgrade", "--install", release, str(chart), "-f", str(VALUES), "-f", "-"]
        done = self.helm(*own, stdin=yaml.safe_dump({"image": OWN_IMAGE, **values}), check=check)
        return str(done.stdout + done.stderr)

    def uninstall(self, release: str) -> None:
        self.helm("uninstall", release, "--wait", "--timeout", "300s")

    def ray_jobs(self, release: str) -> list[str]:
        return self.names("rayjobs.ray.io", f"{RELEASE_LABEL}={release}")

    def wait(self, job: str, *flags: str) -> Outcome:
        done = self.client("wait", job, "--timeout", "600", "--json", *flags)
        said = json.loads(done.stdout)
        return Outcome(done.returncode, said["outcome"], said["detail"])

    def client(self, *arguments: str) -> subprocess.CompletedProcess:
        """`python -m k8s`."""
        return run(sys.executable, "-m", "k8s", *arguments, "-n", self.name, check=False, seconds=900)

    def summary(self, job: str) -> Object:
        """The JSON object that a run writes at its end, from the log of its submitter."""
        log = self.kubectl("logs", f"job/{job}", "--tail=-1").stdout
        return json.loads([line for line in log.splitlines() if line.startswith('{"run_id"')][-1])

    def job_log(self, job: str) -> str:
        """What the pods of a Job have said, in the order in which they were made."""
        pods = self.get("pods", f"batch.kubernetes.io/job-name={job}")
        pods.sort(key=lambda pod: pod["metadata"]["creationTimestamp"])
        return "".join(self.kubectl("logs", pod["metadata"]["name"], check=False).stdout for pod in pods)

    def job_ended(self, job: str, seconds: float = 600) -> str:
        """Complete or Failed: the condition with which a Job ended."""

        def ended() -> str:
            found = json.loads(self.kubectl("get", "job", job, "-o", "json").stdout)
            kinds = [c["type"] for c in found["status"].get("conditions", []) if c["status"] == "True"]
            return next((kind for kind in kinds if kind in ("Complete", "Failed")), "")

        return str(until(ended, seconds, f"end of job {job}"))

    def ray_pod(self, job: str, kind: str, seconds: float = 300) -> str:
        """The running pod of a RayJob's cluster: kind head or worker."""

        def running() -> str:
            clusters = [
                j["status"].get("rayClusterName")
                for j in self.get("rayjobs.ray.io")
                if j["metadata"]["name"] == job and "status" in j
            ]
            pods = self.get("pods", f"ray.io/cluster={clusters[0]},ray.io/node-type={kind}") if any(clusters) else []
            ready = [pod["metadata"]["name"] for pod in pods if pod["status"]["phase"] == "Running"]
            return ready[0] if ready else ""

        return str(until(running, seconds, f"{kind} of {job}"))

    def delete_pod(self, pod: str) -> None:
        """Ends a pod without notice."""
        self.kubectl("delete", "pod", pod, "--grace-period=0", "--force", "--wait=false")

    def execute(self, place: str, *command: str, stdin: bytes = b"") -> str:
        """What a command says that runs in a container."""
        called = ["kubectl", "-n", self.name, "exec", "-i", place, "--", *command]
        done = subprocess.run(called, input=stdin, capture_output=True, timeout=600, check=False)
        assert done.returncode == 0, f"{place}: {done.stderr.decode()[-3000:]}"
        return done.stdout.decode()


def job(name: str, arguments: Sequence[str]) -> Object:
    """A Job that runs something in our image as every pod of ours runs: restricted, with a read-only root. It reaches
    the S3 of the namespace and has the release's keys at /keys."""
    container = {
        "name": name,
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "args": list(arguments),
        "env": [{"name": "AWS_ENDPOINT_URL", "value": "http://s3:5000"}, {"name": "AWS_REGION", "value": "us-east-1"}],
        "envFrom": [{"secretRef": {"name": "clinray-s3"}}],
        "resources": {"requests": {"cpu": "50m", "memory": "256Mi"}, "limits": {"cpu": "1", "memory": "2Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, {"name": "keys", "mountPath": "/keys"}],
    }
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "fsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [
            {"name": "tmp", "emptyDir": {}},
            {"name": "keys", "secret": {"secretName": "clinray-keys", "defaultMode": 0o440}},
        ],
    }
    spec = {"backoffLimit": 0, "template": {"spec": pod}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


def pipeline(source: str, lake: str, **more: Any) -> Object:
    """A pipeline file: small bundles, so that a run has many."""
    return {"source": source, "lake": lake, "policy": "pseudonymised", "bundle_bytes": BUNDLE_BYTES, **more}


def documents(text: str) -> list[Object]:
    """The objects of a YAML stream."""
    return [found for found in yaml.safe_load_all(text) if found]


def pod_templates(objects: Sequence[Object]) -> Iterator[tuple[str, Object]]:
    """Every pod that rendered objects would make: its place and its template."""
    for found in objects:
        if found["kind"] == "Pod":
            yield f"pod {found['metadata']['name']}", found
        for place, template in _templates_in(found.get("spec", {}), found["kind"]):
            yield f"{place} of {found['metadata']['name']}", template


def _templates_in(node: Any, place: str) -> Iterator[tuple[str, Object]]:
    if isinstance(node, dict):
        for key, child in node.items():
            if key in ("template", "submitterPodTemplate") and "containers" in child.get("spec", {}):
                yield f"{place}.{key}", child
            elif key not in ("metadata",):
                yield from _templates_in(child, f"{place}.{key}")
    elif isinstance(node, list):
        for child in node:
            yield from _templates_in(child, place)
