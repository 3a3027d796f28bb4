"""Values that the files for CI do not have: chart and client make the same of them, or refuse them both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from test_chart import CHART, KUBERNETES, helm, rendered

from connectors.errors import ConfigError
from k8s import chart
from k8s.render import Release, ray_jobs

PIPELINE = {"source": "s3://raw/hl7/", "lake": "s3://research/lake", "policy": "pseudonymised"}
EVERYTHING: dict[str, Any] = {
    "defaults": {
        "autoscaling": {"enabled": True, "idleTimeoutSeconds": 0},
        "env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        "envFrom": [{"configMapRef": {"name": "c"}}],
        "volumes": [{"name": "v", "emptyDir": {}}],
        "volumeMounts": [{"name": "v", "mountPath": "/v"}],
        "worker": {
            "replicas": 0,
            "minReplicas": 0,
            "maxReplicas": 1000000,
            "rayStartParams": {"resources": '"{\\"x\\": 1}"'},
        },
        "head": {"podLabels": {"team": "lab"}, "tolerations": [{"operator": "Exists"}], "sidecars": [{"name": "s"}]},
    },
    "stages": {"ingest": {"activeDeadlineSeconds": 12345678, "worker": {"resources": {"limits": {"cpu": 2}}}}},
    "image": {"digest": "sha256:" + "0" * 64},
    "imagePullSecrets": [{"name": "pull"}],
    "storage": {"existingSecret": "s3", "sessionTokenName": "TOKEN"},
    "tls": {"caConfigMap": "ca"},
    "kueue": {"queueName": "q"},
    "commonLabels": {"owner": "é<&>"},
    "metrics": {"scrapeAnnotations": False},
    "serviceAccounts": {"ray": {"cloudIdentity": True, "annotations": {"a": "b"}}},
}
EQUAL: dict[str, dict[str, Any]] = {
    "everything": EVERYTHING,
    "numbers": {"pipeline": {"max_quarantine": 0.00001, "settle_seconds": 86400.0, "min_score": 90.5}},
    "null_in_the_pipeline": {"pipeline": {"max_quarantine": None}},
    "retried": {"runner": {"enabled": True}},
    "without_a_list": {"defaults": {"env": None, "worker": {"priorityClassName": None}}},
    "without_a_stage": {"stages": {"verify": None}, "mode": "staged", "pipeline": {"allow_identified": True}},
    "own_stage": {
        "stages": {
            "export": {
                "mode": "standalone",
                "order": 20,
                "entrypoint": "echo '{values.pipeline.lake}' {release.revision}",
            }
        }
    },
    "own_account": {"serviceAccounts": {"ray": {"create": False, "name": "mine"}}},
}


def written(own: dict[str, Any], folder: Path) -> Path:
    path = folder / "values.yaml"
    made = {**own, "pipeline": {**PIPELINE, **own.get("pipeline", {})}}
    path.write_text(yaml.safe_dump(made, allow_unicode=True), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", EQUAL)
def test_chart_and_client_render_the_same(name: str, tmp_path: Path) -> None:
    path = written(EQUAL[name], tmp_path)
    theirs = {o["metadata"]["name"]: o for o in rendered(path) if o["kind"] == "RayJob"}
    mine = ray_jobs(chart.values([path]), Release("lab", "research", 1, "Helm"))
    assert {job["metadata"]["name"]: job for job in mine} == theirs


REFUSED: dict[str, dict[str, Any]] = {
    "no_source": {"pipeline": {"source": ""}},
    "no_lake": {"pipeline": {"lake": ""}},
    "no_policy": {"pipeline": {"policy": ""}},
    "identified": {"pipeline": {"policy": "identified"}},
    "staged": {"mode": "staged"},
    "scheduled_stages": {"mode": "schedule", "schedule": {"stages": "staged"}},
    "quoted_lake": {"pipeline": {"lake": "s3://research/the lab's"}},
    "quoted_policy": {"pipeline": {"policy": "own'"}},
    "queue_and_runner": {"kueue": {"queueName": "lab"}, "runner": {"enabled": True}},
    "queue_and_stages": {"kueue": {"queueName": "lab"}, "mode": "staged", "pipeline": {"allow_identified": True}},
}


@pytest.mark.parametrize("name", REFUSED)
def test_chart_and_client_refuse_with_one_sentence(name: str, tmp_path: Path) -> None:
    path = written(REFUSED[name], tmp_path)
    with pytest.raises(ConfigError) as refused:
        ray_jobs(chart.values([path]), Release("lab", "research"))
    run = helm("template", "lab", str(CHART), "--kube-version", KUBERNETES, "-f", str(path))
    assert run.returncode != 0
    assert refused.value.message in run.stderr


def test_a_null_is_refused_where_a_text_is_wanted(tmp_path: Path) -> None:
    path = written({"pipeline": {"lake": None}}, tmp_path)
    with pytest.raises(ConfigError, match=r"pipeline\.lake: is not of type string"):
        chart.values([path])
