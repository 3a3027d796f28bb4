"""The stages of a pipeline one after the other: each begins when the one before has succeeded."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connectors.errors import ConfigError
from k8s.cluster import Cluster
from k8s.outcome import SUCCEEDED, Outcome, of_status, outcome
from k8s.render import NAME_LENGTH
from k8s.waiting import Clock, Patience, Seen, wait

ATTEMPT = "clinray.io/attempt"
OF = "clinray.io/attempt-of"
SETTLED = (SUCCEEDED, "deferred")
"""Outcomes after which the next stage begins: what is committed can be worked on."""

RayJob = Mapping[str, Any]


@dataclass(frozen=True)
class Rules:
    """retries: further tries of a stage. timeout: seconds of one try. starting: of those until it runs."""

    retries: int = 2
    timeout: float = 86_400
    starting: float | None = None


@dataclass(frozen=True)
class StageResult:
    """stage: its name. job: the RayJob of the last try."""

    stage: str
    job: str
    outcome: Outcome
    attempts: int
    seconds: float


@dataclass(frozen=True)
class Owner:
    """Whose RayJobs these are: they go when it goes. None of a RayJob is owned where the uid is empty."""

    name: str = ""
    uid: str = ""

    def reference(self) -> list[dict[str, Any]]:
        if not self.uid:
            return []
        return [{"apiVersion": "batch/v1", "kind": "Job", "name": self.name, "uid": self.uid}]


@dataclass
class Runner:
    """Runs the RayJobs of a list in order. clock: tests bring their own."""

    cluster: Cluster
    rules: Rules
    seen: Seen
    owner: Owner = field(default_factory=Owner)
    clock: Clock = field(default_factory=Clock)

    def run(self, templates: Sequence[RayJob], suffix: str = "") -> list[StageResult]:
        """Results of the stages that ran; after one that did not settle no other begins.

        suffix: empty to resume the RayJobs of the templates' own names, else the first try is made under a fresh name.
        """
        there = self._there(templates)
        reached, attempt = self._reached(templates, suffix, there)
        results = [self._settled_before(template, suffix, there) for template in templates[:reached]]
        for index, template in enumerate(templates[reached:]):
            results.append(self._stage(template, suffix, attempt if index == 0 else 1))
            if results[-1].outcome.kind.name not in SETTLED:
                break
        return results

    def _there(self, templates: Sequence[RayJob]) -> Mapping[str, RayJob]:
        """The release's RayJobs by name."""
        release = templates[0]["metadata"]["labels"]["clinray.io/release"]
        return {job["metadata"]["name"]: job for job in self.cluster.ray_jobs(f"clinray.io/release={release}")}

    def _last_try(self, template: RayJob, suffix: str, there: Mapping[str, RayJob]) -> int:
        """The last try of a stage that began; 0 where none did, or none is there any more."""
        for attempt in range(self.rules.retries + 1, 0, -1):
            found = there.get(name_of_try(template, suffix, attempt))
            if found is not None and not found["spec"].get("suspend"):
                return attempt
        return 0

    def _reached(self, templates: Sequence[RayJob], suffix: str, there: Mapping[str, RayJob]) -> tuple[int, int]:
        """Index of the last stage that a runner before this one began, and its last try; (0, 1) where none did.

        What began proves that those in front settled: KubeRay removes finished RayJobs while the runner still works.
        """
        for index in range(len(templates) - 1, -1, -1):
            if attempt := self._last_try(templates[index], suffix, there):
                return index, attempt
        return 0, 1

    def _settled_before(self, template: RayJob, suffix: str, there: Mapping[str, RayJob]) -> StageResult:
        """A stage that a runner before this one brought to its end: what its RayJob shows, while that is there."""
        attempt = self._last_try(template, suffix, there) or 1
        name = name_of_try(template, suffix, attempt)
        shown = of_status(there[name].get("status") or {}) if name in there else None
        if shown is None or shown.kind.name not in SETTLED:
            shown = outcome(SUCCEEDED, "its job is gone: whether it left objects for the next run is not known")
        return StageResult(stage_of(template), name, shown, attempt, 0.0)

    def _stage(self, template: RayJob, suffix: str, first: int) -> StageResult:
        """A stage with its tries from a certain one on."""
        begun = self.clock.now()
        stage = stage_of(template)
        for attempt in range(first, self.rules.retries + 2):
            name = self._begin(template, suffix, attempt)
            patience = Patience(self.rules.timeout, self.rules.starting, accept_suspended=True)
            ended = wait(self.cluster, name, patience, self._watching(name), self.clock)
            self.seen(f"{name}: {ended.sentence}")
            if not ended.kind.try_again:
                break
        return StageResult(stage, name, ended, attempt, self.clock.now() - begun)

    def _watching(self, name: str) -> Seen:
        return lambda state: self.seen(f"{name} {state}")

    def _begin(self, template: RayJob, suffix: str, attempt: int) -> str:
        """The name of the RayJob of this try, which now runs."""
        own, name = str(template["metadata"]["name"]), name_of_try(template, suffix, attempt)
        if name == own:
            found = self.cluster.ray_job(own)
            if found is None:
                raise ConfigError("K8S_NO_JOB", f"there is no rayjob {own} to resume; was the release removed?")
            if found["spec"].get("suspend"):
                self.cluster.resume(own)
            return own
        self.cluster.create(fresh(template, name, attempt, self.owner))
        return name


def stage_of(template: RayJob) -> str:
    return str(template["metadata"]["labels"]["clinray.io/stage"])


def name_of_try(template: RayJob, suffix: str, attempt: int) -> str:
    """The template's own name for the first try of a run that resumes, else a fresh one."""
    own = str(template["metadata"]["name"])
    end = "-".join(filter(None, (suffix, f"r{attempt}" if attempt > 1 else "")))
    return fresh_name(own, end) if end else own


def fresh(template: RayJob, name: str, attempt: int, owner: Owner) -> dict[str, Any]:
    """A RayJob of another name that begins at once and goes with its owner."""
    made: dict[str, Any] = copy.deepcopy(dict(template))
    metadata = made["metadata"]
    metadata["name"] = name
    metadata["labels"] = {**metadata["labels"], ATTEMPT: str(attempt)}
    metadata["annotations"] = {**metadata.get("annotations", {}), OF: str(template["metadata"]["name"])}
    if owner.uid:
        metadata["ownerReferences"] = owner.reference()
    made["spec"]["suspend"] = False
    return made


def fresh_name(name: str, suffix: str) -> str:
    """The name with a suffix in at most 47 characters: what is cut is cut from the name's beginning."""
    room = NAME_LENGTH - len(suffix) - 1
    return f"{name[-room:].lstrip('-0123456789.')}-{suffix}"


def read_templates(path: Path) -> list[RayJob]:
    """The RayJobs of a file: a JSON list in the order of the stages. Raises ConfigError (K8S_TEMPLATES)."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not found or any(job["kind"] != "RayJob" for job in found):
            raise ValueError
    except (OSError, ValueError, TypeError, KeyError):
        raise ConfigError("K8S_TEMPLATES", f"{path} holds no list of rayjobs") from None
    return list(found)


def time_suffix(seconds: float | None = None) -> str:
    """Ten characters that differ from run to run: month to second."""
    return time.strftime("%m%d%H%M%S", time.gmtime(seconds))
