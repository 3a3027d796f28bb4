"""The chart's values.schema.json, made from its values.yaml and the model of the pipeline file: `make docs` writes it.

Every mapping of ours is closed, so that a value that is written wrongly is refused; what Kubernetes defines is open.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jobs.config import Pipeline
from k8s import chart

OPEN = frozenset(
    {
        *("affinity", "annotations", "commonAnnotations", "commonLabels", "containerSecurityContext", "nodeSelector"),
        *("podAnnotations", "podLabels", "podSecurityContext", "rayStartParams", "resources", "initResources"),
        *("operator", "scraper", "tmp", "labels"),
    }
)
"""Mappings whose keys Kubernetes or the user names."""

CHOICES = {
    "mode": ["standalone", "staged", "schedule"],
    "stages.mode": ["standalone", "staged"],
    "schedule.stages": ["standalone", "staged"],
    "image.pullPolicy": ["Always", "IfNotPresent", "Never"],
}
BLOCKS = {
    "type": "array",
    "items": {
        "type": "object",
        "additionalProperties": False,
        "required": ["cidr", "port"],
        "properties": {"cidr": {"type": "string"}, "port": {"type": "integer"}},
    },
}
DIGEST = {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"}


def schema() -> dict[str, Any]:
    """JSON Schema (draft 7) of the chart's values."""
    values = chart.defaults()
    made = _of(values, "")
    stage = _of(values["defaults"], "defaults")
    own = {"mode": {"enum": CHOICES["stages.mode"]}, "order": {"type": "integer"}, "entrypoint": {"type": "string"}}
    made["properties"] |= {
        "global": {"type": "object"},
        "pipeline": _pipeline(),
        "stages": {
            "type": "object",
            "propertyNames": {"pattern": "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"},
            "additionalProperties": {
                "type": ["object", "null"],
                "additionalProperties": False,
                "required": ["mode", "order", "entrypoint"],
                "properties": {**stage["properties"], **own},
            },
        },
    }
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values of the chart clinray", **made}


def _of(value: Any, path: str) -> dict[str, Any]:
    """The rule that a value of the chart's defaults stands for."""
    name = path.rsplit(".", 1)[-1]
    if path in CHOICES:
        return {"enum": CHOICES[path]}
    if path == "image.digest":
        return DIGEST
    if isinstance(value, dict):
        if name in OPEN:
            return {"type": "object"}
        inner = {key: _of(child, f"{path}.{key}" if path else key) for key, child in value.items()}
        return {"type": "object", "additionalProperties": False, "properties": inner}
    if isinstance(value, list):
        return BLOCKS if path.startswith("networkPolicy.") and not name.startswith("extra") else {"type": "array"}
    if isinstance(value, bool):
        return {"type": "boolean"}
    if isinstance(value, int):
        return {"type": "integer", "minimum": 0}
    if isinstance(value, float):
        return {"type": "number", "minimum": 0}
    return {"type": "string"}


def _pipeline() -> dict[str, Any]:
    """The pipeline file's own schema; what it needs is said by the templates, with a sentence."""
    made = Pipeline.model_json_schema()
    made.pop("required", None)
    made.pop("title", None)
    made.pop("description", None)
    text = json.dumps(made).replace("#/$defs/", "#/properties/pipeline/$defs/")
    return dict(json.loads(text))


def text() -> str:
    """The file's content."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Writes the file of a checkout."""
    (Path(__file__).parent / "chart" / "values.schema.json").write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
