"""Values → RayJobs, equal to those of the chart."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connectors.errors import ConfigError
from k8s import chart
from k8s.chart import Values
from k8s.expand import expand, merge, text
from k8s.go_json import go_json

NAME_LENGTH = 47
"""The longest name of a RayJob: KubeRay makes longer names from it, which have to stay within 63 characters."""

RELEASE_LENGTH = 53
RELEASE_NAME = re.compile(r"(?=.{1,53}$)[a-z]([a-z0-9-]*[a-z0-9])?")
"""Helm's names of releases, without those that begin with a digit: KubeRay takes none such."""

RayJob = dict[str, Any]


@dataclass(frozen=True)
class Release:
    """What makes a set of RayJobs one. revision: raised with each upgrade. service: who made it."""

    name: str
    namespace: str
    revision: int = 1
    service: str = "clinray"


def ray_jobs(values: Values, release: Release, *, suspend: bool | None = None) -> list[RayJob]:
    """The RayJobs of the release in the order in which they run. suspend: None as the mode wants it.

    Raises ConfigError where the values cannot be.
    """
    check(values)
    if not RELEASE_NAME.fullmatch(release.name):
        raise ConfigError(
            "VALUES_INVALID", f"release {release.name}: take small letters, digits and -, {RELEASE_LENGTH} at most"
        )
    mode = values["schedule"]["stages"] if values["mode"] == "schedule" else values["mode"]
    wanted = suspend if suspend is not None else values["mode"] == "staged" or values["runner"]["enabled"]
    return [ray_job(values, release, stage, suspend=wanted) for stage in stages(values, mode)]


def stages(values: Values, mode: str) -> list[str]:
    """Names of the stages of a mode in their order."""
    own = [(s["order"], name) for name, s in values["stages"].items() if s and s["mode"] == mode]
    return [name for _, name in sorted(own)]


def ray_job(values: Values, release: Release, stage: str, *, suspend: bool) -> RayJob:
    """The RayJob of one stage."""
    made = expand(chart.template("rayjob.yaml"), context(values, release, stage, suspend=suspend))
    return dict(made)


def context(values: Values, release: Release, stage: str, *, suspend: bool) -> dict[str, Any]:
    """What the shared templates are expanded against."""
    own = merge(values["defaults"], values["stages"][stage]) | {"name": stage}
    about = chart.about()
    base = {
        "release": {
            "name": release.name,
            "namespace": release.namespace,
            "revision": release.revision,
            "service": release.service,
        },
        "chart": {key: about[key] for key in ("name", "version", "appVersion")},
        "values": values,
        "stage": own,
        "pipeline": pipeline_text(values),
        "image": image(values),
    }
    cloud = values["serviceAccounts"]["ray"]["cloudIdentity"]
    job = {
        "name": job_name(release, stage, digest(values)),
        "digest": digest(values),
        "entrypoint": text(own["entrypoint"], base),
        "suspend": suspend,
        "serviceAccount": ray_service_account(values, release),
        "headToken": own["autoscaling"]["enabled"] or cloud,
        "workerToken": cloud,
    }
    return {**base, "job": job}


def pipeline_text(values: Values) -> str:
    """The pipeline file as Helm's toJson writes it."""
    return go_json(values["pipeline"])


def digest(values: Values) -> str:
    """Eight hexadecimal digits of the pipeline file's SHA-256."""
    return hashlib.sha256(pipeline_text(values).encode()).hexdigest()[:8]


def job_name(release: Release, stage: str, pipeline_digest: str) -> str:
    """<release>-<stage>-<revision>-<digest> in at most 47 characters; the end is never cut."""
    end = f"-{release.revision}-{pipeline_digest}"
    return f"{release.name}-{stage}"[: NAME_LENGTH - len(end)].removesuffix("-") + end


def image(values: Values) -> str:
    own = values["image"]
    if own["digest"]:
        return f"{own['repository']}@{own['digest']}"
    return f"{own['repository']}:{own['tag'] or chart.about()['appVersion']}"


def ray_service_account(values: Values, release: Release) -> str:
    own = values["serviceAccounts"]["ray"]
    return str(own["name"] or (f"{release.name}-ray" if own["create"] else "default"))


def check(values: Values) -> None:
    """What a release cannot do without. Raises ConfigError (VALUES_INVALID) with the chart's own sentence."""
    pipeline: Mapping[str, Any] = values["pipeline"]
    wants = {
        "source": "name the folder or s3:// prefix that is read",
        "lake": "name the s3:// prefix of the lake",
        "policy": "name a privacy policy, for example pseudonymised",
    }
    for key, what in wants.items():
        if not pipeline.get(key):
            raise ConfigError("VALUES_INVALID", f"pipeline.{key} is empty: {what}")
    for key in ("lake", "policy"):
        if "'" in pipeline[key]:
            raise ConfigError(
                "VALUES_INVALID", f"pipeline.{key} holds a quote, which ends it in a stage's command line"
            )
    allowed = pipeline.get("allow_identified")
    if pipeline["policy"] == "identified" and not allowed:
        raise ConfigError(
            "VALUES_INVALID",
            "the policy identified writes identified tables: say so with pipeline.allow_identified=true",
        )
    scheduled = values["mode"] == "schedule" and values["schedule"]["stages"] == "staged"
    if (values["mode"] == "staged" or scheduled) and not allowed:
        raise ConfigError(
            "VALUES_INVALID",
            "staged runs rest identified data between the stages: say so with pipeline.allow_identified=true",
        )
    runs = values["mode"] == "staged" or (values["mode"] == "standalone" and values["runner"]["enabled"])
    if values["kueue"]["queueName"] and runs:
        raise ConfigError(
            "VALUES_INVALID",
            "a queue and a runner would both start the RayJobs: "
            "leave out kueue.queueName, or staged mode and runner.enabled",
        )
