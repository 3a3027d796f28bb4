"""The chart: lint, its own tests, refusals, Pod Security, and equality with what the client renders."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.errors import ConfigError
from jobs import metrics
from k8s import chart, schema
from k8s.expand import lookup, names_in
from k8s.render import Release, context, ray_jobs

CHART = Path(__file__).parents[2] / "helm" / "clinray"
CI = sorted(CHART.glob("ci/*-values.yaml"))
KUBERNETES = "1.34"
GET = "is not installed: get it from helm.sh, or where its project publishes it"


def tool(*names: str) -> str:
    """The path of a program, or a skip that says how to get it."""
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"{names[0]} {GET}")
    return found


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([tool("helm"), *arguments], capture_output=True, text=True, check=False)


def rendered(values: Path, *settings: str) -> list[dict[str, Any]]:
    flags = [flag for setting in settings for flag in ("--set", setting)]
    run = helm("template", "lab", str(CHART), "-n", "research", "--kube-version", KUBERNETES, "-f", str(values), *flags)
    assert run.returncode == 0, run.stderr
    return [document for document in yaml.safe_load_all(run.stdout) if document]


@pytest.mark.parametrize("values", CI, ids=lambda path: path.stem)
def test_lint_finds_nothing(values: Path) -> None:
    run = helm("lint", "--strict", str(CHART), "--kube-version", KUBERNETES, "-f", str(values))
    assert run.returncode == 0, run.stdout


def test_the_charts_own_tests_pass() -> None:
    own = shutil.which("helm-unittest")
    if own is None and "unittest" not in helm("plugin", "list").stdout:
        pytest.skip(f"helm-unittest {GET}")
    command = [own] if own else [tool("helm"), "unittest"]
    run = subprocess.run([*command, str(CHART)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


def test_the_schema_follows_from_the_values_and_the_pipeline() -> None:
    assert (CHART / "values.schema.json").read_text(encoding="utf-8") == schema.text()


WRONG = [
    ("foo=1", "values: foo is no value of the chart"),
    ("pipeline.polcy=x", "pipeline: polcy is no value of the chart"),
    ("defaults.worker.replica=2", "defaults.worker: replica is no value of the chart"),
    ("mode=twice", "mode: is none of standalone, staged, schedule"),
    ("image.pullPolicy=Sometimes", "image.pullPolicy: is none of Always, IfNotPresent, Never"),
    ("image.digest=latest", "image.digest: is not written like ^(sha256:[0-9a-f]{64})?$"),
    ("defaults.worker.replicas=many", "defaults.worker.replicas: is not of type integer"),
]


@pytest.mark.parametrize(("setting", "sentence"), WRONG)
def test_a_value_that_is_wrong_is_refused_by_the_client(setting: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        chart.values([CI[0]], [setting])
    assert refused.value.message == sentence


@pytest.mark.parametrize("setting", [setting for setting, _ in WRONG])
def test_a_value_that_is_wrong_is_refused_by_helm(setting: str) -> None:
    run = helm(
        "template",
        "lab",
        str(CHART),
        "--kube-version",
        KUBERNETES,
        "-f",
        str(CHART / "ci" / "standalone-values.yaml"),
        "--set",
        setting,
    )
    assert run.returncode != 0
    assert "values don't meet the specifications of the schema" in run.stderr


@pytest.mark.parametrize("values", CI, ids=lambda path: path.stem)
def test_chart_and_client_render_the_same_rayjobs(values: Path) -> None:
    objects = rendered(values)
    release = Release("lab", "research", 1, "Helm")
    theirs = [o for o in objects if o["kind"] == "RayJob"]
    scheduled = [o for o in objects if o["kind"] == "CronJob"]
    for cron in scheduled:
        metadata = cron["spec"]["jobTemplate"]["spec"]["template"]["metadata"]
        theirs = json.loads(metadata["annotations"]["clinray.io/rayjobs"])
    mine = ray_jobs(chart.values([values]), release, suspend=True if scheduled else None)
    assert theirs
    assert {j["metadata"]["name"]: j for j in mine} == {j["metadata"]["name"]: j for j in theirs}


@pytest.mark.parametrize("values", CI, ids=lambda path: path.stem)
def test_every_name_of_the_template_is_in_the_context(values: Path) -> None:
    made = chart.values([values])
    stage = next(name for name, own in made["stages"].items() if own["mode"] == "standalone")
    around = context(made, Release("lab", "research"), stage, suspend=False)
    parents = {name.rpartition(".")[0] or name for name in names_in(chart.template("rayjob.yaml"))}
    assert [name for name in sorted(parents) if lookup(name, around) is None] == []


def pods(node: Any) -> Iterator[Mapping[str, Any]]:
    """Every pod's spec below a rendered object, RayJobs inside annotations too."""
    if isinstance(node, dict):
        if "containers" in node:
            yield node
        for key, child in node.items():
            yield from pods(json.loads(child) if key == "clinray.io/rayjobs" else child)
    elif isinstance(node, list):
        for child in node:
            yield from pods(child)


VOLUMES = frozenset(
    {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
)


def breaches(pod: Mapping[str, Any]) -> Iterator[str]:
    """What the Pod Security Standard `restricted` forbids."""
    own = pod.get("securityContext", {})
    if not own.get("runAsNonRoot") or own.get("runAsUser") == 0:
        yield "may run as root"
    if own.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "has no seccomp profile"
    for flag in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(flag):
            yield flag
    for volume in pod.get("volumes", []):
        if not set(volume) - {"name"} <= VOLUMES:
            yield f"volume {volume['name']}"
    for container in [*pod["containers"], *pod.get("initContainers", [])]:
        inner = container.get("securityContext", {})
        if inner.get("allowPrivilegeEscalation") is not False:
            yield f"{container['name']} may gain rights"
        if inner.get("capabilities", {}).get("drop") != ["ALL"] or inner.get("capabilities", {}).get("add"):
            yield f"{container['name']} keeps capabilities"
        if inner.get("readOnlyRootFilesystem") is not True:
            yield f"{container['name']} may write its root"
        if "limits" not in container.get("resources", {}):
            yield f"{container['name']} has no limits"


@pytest.mark.parametrize("values", CI, ids=lambda path: path.stem)
def test_every_pod_passes_restricted(values: Path) -> None:
    found = [pod for o in rendered(values) for pod in pods(o)]
    assert len(found) >= 4
    assert [breach for pod in found for breach in breaches(pod)] == []


def test_no_secret_stands_in_what_is_rendered() -> None:
    kinds = {o["kind"] for values in CI for o in rendered(values)}
    assert "Secret" not in kinds


def test_dashboard_and_alerts_name_metrics_that_exist() -> None:
    own = {f"ray_{name}" for name in metrics.metrics()}
    dashboard = (CHART / "files" / "dashboard.json").read_text(encoding="utf-8")
    alerts = (CHART / "templates" / "observability" / "alerts.yaml").read_text(encoding="utf-8")
    shown = set(re.findall(r"ray_clinray_[a-z_]+", dashboard + alerts))
    assert shown <= own
    assert own - shown == {"ray_clinray_commits_total"}


def test_a_wheel_takes_the_chart_with_it() -> None:
    root = CHART.parents[1]
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = settings["tool"]["setuptools"]["package-data"]["k8s"]
    taken = {path.relative_to(root / "k8s").as_posix() for pattern in patterns for path in (root / "k8s").glob(pattern)}
    read = {
        "chart/Chart.yaml",
        "chart/values.yaml",
        "chart/values.schema.json",
        "chart/files/rayjob.yaml",
        "outcomes.csv",
    }
    assert read <= taken


def test_the_charts_page_is_made_from_its_values(tmp_path: Path) -> None:
    program = tool("helm-docs")
    copy = tmp_path / "clinray"
    shutil.copytree(CHART, copy)
    subprocess.run([program, "--chart-search-root", str(copy), "--log-level", "error"], check=True, capture_output=True)
    assert (copy / "README.md").read_text(encoding="utf-8") == (CHART / "README.md").read_text(encoding="utf-8")
