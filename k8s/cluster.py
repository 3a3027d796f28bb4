"""The few calls of the Kubernetes API that Clinray makes, with its errors as our own."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kubernetes
import urllib3
import yaml
from kubernetes.client.exceptions import ApiException

from connectors.errors import AccessError, ConfigError, TransientError

GROUP, VERSION, PLURAL = "ray.io", "v1", "rayjobs"
REQUEST_SECONDS = 30
SILENT_SECONDS = 86_400
"""That a log may be silent while it is followed: as long as a run may take."""
GONE = 410
"""The API's answer to a watch from a version that it knows no more."""
NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Cluster:
    """One namespace of a cluster. Methods raise AccessError where the API refuses or cannot be reached, TransientError
    where it does not answer."""

    api: Any
    namespace: str

    @property
    def _custom(self) -> Any:
        return kubernetes.client.CustomObjectsApi(self.api)

    @property
    def core(self) -> Any:
        return kubernetes.client.CoreV1Api(self.api)

    def ray_job(self, name: str) -> Object | None:
        """The RayJob, or None where there is none."""
        with said(f"rayjob {name}"):
            try:
                found: Object = self._custom.get_namespaced_custom_object(
                    GROUP, VERSION, self.namespace, PLURAL, name, _request_timeout=REQUEST_SECONDS
                )
            except ApiException as error:
                if error.status == 404:
                    return None
                raise
        return found

    def ray_jobs(self, selector: str = "") -> Sequence[Object]:
        """The RayJobs with certain labels, by name."""
        with said("rayjobs"):
            found = self._custom.list_namespaced_custom_object(
                GROUP, VERSION, self.namespace, PLURAL, label_selector=selector, _request_timeout=REQUEST_SECONDS
            )
        return sorted(found["items"], key=lambda job: str(job["metadata"]["name"]))

    def listed(self, name: str) -> tuple[Object | None, str]:
        """A RayJob, or None, and the version of the list that it was found by, from which a watch goes on."""
        with said(f"rayjob {name}"):
            found = self._custom.list_namespaced_custom_object(
                GROUP,
                VERSION,
                self.namespace,
                PLURAL,
                field_selector=f"metadata.name={name}",
                _request_timeout=REQUEST_SECONDS,
            )
        return next(iter(found["items"]), None), str(found["metadata"]["resourceVersion"])

    @contextlib.contextmanager
    def watched(self, name: str, version: str, seconds: int) -> Iterator[Iterator[Object | None]]:
        """The RayJob at each change after a version, None where it was deleted, until the API ends the watch: after so
        many seconds, where it knows that version no more, or where the connection breaks."""
        with said(f"watch of rayjob {name}"):
            try:
                answer = self._custom.list_namespaced_custom_object(
                    GROUP,
                    VERSION,
                    self.namespace,
                    PLURAL,
                    field_selector=f"metadata.name={name}",
                    resource_version=version,
                    timeout_seconds=seconds,
                    watch=True,
                    _preload_content=False,
                    _request_timeout=(REQUEST_SECONDS, seconds + REQUEST_SECONDS),
                )
            except ApiException as error:
                if error.status != GONE:
                    raise
                answer = None
        try:
            yield _changes(name, answer or ())
        finally:
            if answer is not None:
                answer.close()

    def create(self, job: Object) -> bool:
        """Makes a RayJob. Returns False where one of its name is there."""
        name = job["metadata"]["name"]
        with said(f"rayjob {name}"):
            try:
                self._custom.create_namespaced_custom_object(
                    GROUP, VERSION, self.namespace, PLURAL, job, _request_timeout=REQUEST_SECONDS
                )
            except ApiException as error:
                if error.status == 409:
                    return False
                raise
        return True

    def resume(self, name: str) -> None:
        """Lets a suspended RayJob begin."""
        with said(f"rayjob {name}"):
            self._custom.patch_namespaced_custom_object(
                GROUP,
                VERSION,
                self.namespace,
                PLURAL,
                name,
                {"spec": {"suspend": False}},
                _request_timeout=REQUEST_SECONDS,
            )

    def delete(self, name: str) -> bool:
        """Removes a RayJob with all that KubeRay made for it. Returns False where it is gone already."""
        with said(f"rayjob {name}"):
            try:
                self._custom.delete_namespaced_custom_object(
                    GROUP,
                    VERSION,
                    self.namespace,
                    PLURAL,
                    name,
                    propagation_policy="Foreground",
                    _request_timeout=REQUEST_SECONDS,
                )
            except ApiException as error:
                if error.status == 404:
                    return False
                raise
        return True

    def delete_jobs(self, selector: str) -> None:
        """Removes the Jobs with certain labels, and their pods."""
        with said("jobs"):
            kubernetes.client.BatchV1Api(self.api).delete_collection_namespaced_job(
                self.namespace,
                label_selector=selector,
                propagation_policy="Background",
                _request_timeout=REQUEST_SECONDS,
            )

    def pods(self, selector: str) -> Sequence[Any]:
        """Pods with certain labels."""
        with said("pods"):
            found = self.core.list_namespaced_pod(
                self.namespace, label_selector=selector, _request_timeout=REQUEST_SECONDS
            )
        return list(found.items)

    def mount_failures(self, pods: Collection[str]) -> Sequence[str]:
        """What the events of some pods say of volumes that cannot be mounted: the only place where a Secret that does
        not exist is named. Nothing where events may not be read: the runner has no right to."""
        with said("events"):
            try:
                found = self.core.list_namespaced_event(
                    self.namespace, field_selector="reason=FailedMount", _request_timeout=REQUEST_SECONDS
                )
            except ApiException as error:
                if error.status in (403, 404):
                    return []
                raise
        return sorted({event.message for event in found.items if event.involved_object.name in pods})

    def log(self, pod: str, container: str | None = None, lines: int = 200) -> str:
        """The last lines of a container's log; empty where there is none yet."""
        with said(f"log of pod {pod}"):
            try:
                text = self.core.read_namespaced_pod_log(
                    pod, self.namespace, container=container, tail_lines=lines, _request_timeout=REQUEST_SECONDS
                )
            except ApiException as error:
                if error.status in (400, 404):
                    return ""
                raise
        return str(text)

    def followed_log(self, pod: str, container: str, lines: int) -> Iterator[str]:
        """The last lines of a container's log and those it gets, as they come, until it ends; none where it has not
        begun."""
        with said(f"log of pod {pod}"):
            try:
                answer = self.core.read_namespaced_pod_log(
                    pod,
                    self.namespace,
                    container=container,
                    tail_lines=lines,
                    follow=True,
                    _preload_content=False,
                    _request_timeout=(REQUEST_SECONDS, SILENT_SECONDS),
                )
            except ApiException as error:
                if error.status in (400, 404):
                    return
                raise
            with contextlib.closing(answer):
                for line in answer:
                    yield line.decode("utf-8", "replace").rstrip("\r\n")


def _changes(name: str, lines: Iterable[bytes]) -> Iterator[Object | None]:
    """The RayJobs of a watch's events. What breaks off is a watch that has ended: the list behind it tells the rest."""
    try:
        for line in lines:
            if not line.endswith(b"\n"):
                return
            event = json.loads(line)
            if event["type"] == "ERROR":
                code = event["object"].get("code")
                if code == GONE:
                    return
                with said(f"watch of rayjob {name}"):
                    raise ApiException(status=code)
            if event["type"] in ("ADDED", "MODIFIED", "DELETED"):
                yield None if event["type"] == "DELETED" else event["object"]
    except urllib3.exceptions.HTTPError:
        return


@contextlib.contextmanager
def said(what: str) -> Iterator[None]:
    """The API's errors as ours, without the text of its answer."""
    try:
        yield
    except ApiException as error:
        if error.status in (401, 403):
            raise AccessError("K8S_REFUSED", f"the cluster refuses {what}; ask for the right (RBAC)") from None
        if error.status in (400, 404, 422):
            raise ConfigError("K8S_INVALID", f"the cluster takes no {what} ({error.status})") from None
        raise TransientError("K8S_UNAVAILABLE", f"the cluster answered {error.status} for {what}") from None
    except urllib3.exceptions.HTTPError:
        raise TransientError("K8S_UNAVAILABLE", f"the cluster does not answer for {what}") from None


def connect(namespace: str | None, environment: Mapping[str, str] = os.environ) -> Cluster:
    """The cluster of the pod this runs in, else of the kubeconfig. namespace: None for the one that is set there.

    Raises AccessError (K8S_CONFIG).
    """
    configuration = kubernetes.client.Configuration()
    configuration.retries = 3
    try:
        if "KUBERNETES_SERVICE_HOST" in environment and "KUBECONFIG" not in environment:
            kubernetes.config.load_incluster_config(client_configuration=configuration)
            own = NAMESPACE_FILE.read_text(encoding="utf-8").strip()
        else:
            kubernetes.config.load_kube_config(client_configuration=configuration)
            _, active = kubernetes.config.list_kube_config_contexts()
            own = active["context"].get("namespace", "default")
    except (kubernetes.config.ConfigException, yaml.YAMLError, OSError, KeyError, TypeError):
        raise AccessError("K8S_CONFIG", "no cluster: set KUBECONFIG, or run inside a pod with a token") from None
    return Cluster(kubernetes.client.ApiClient(configuration), namespace or own)
