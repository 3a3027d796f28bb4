"""The page of the pipeline file, made from the fields of its model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from jobs.config import KeySettings, Pipeline, StoreSettings

HEAD = """# The pipeline file

Made from the model of the pipeline by `make docs`; do not edit.

A YAML mapping, given as `clinray ingest FILE`. Flags are laid over it. A key that is not listed here is refused
(`PIPELINE_INVALID`, exit 2). Credentials are no settings: they come by boto3's chain.

Each key that is no mapping is a flag too, with dashes for underscores; that of `settle_seconds` is `--settle`.
`--endpoint`, `--region` and `--virtual-hosted` are laid over both stores; `--keys` sets `keys.folder`;
`--no-create-keys` sets `keys.create` to false; what names a key service can be set here alone. The flags `--cpus`,
`--dry-run`, `--quiet`, `--json` and `--log-format` are of one run and stand in no file.
"""

NESTED: Mapping[type[BaseModel], Mapping[str, str]] = {
    StoreSettings: {
        "endpoint": "URL of an S3-compatible service; else AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, else AWS",
        "region": "Region; else AWS_REGION, AWS_DEFAULT_REGION, the profile's, else us-east-1",
        "virtual_hosted": "The bucket stands in the host name; false: of AWS itself there, else in the path",
    },
    KeySettings: {
        "folder": "Folder of the key files; else CLINRAY_KEYS, else ~/.config/clinray",
        "kms_key": "KMS key that wraps the data key when it is made; a plain key is refused then",
        "kms_context": "Encryption context of the data key when it is made",
        "kms_endpoint": "Endpoint of the key service when the data key is made",
        "create": "Make key files that are missing",
    },
}
"""What the members of the nested mappings mean, in the order of their models."""


def pipeline_page() -> str:
    """docs/pipeline-file.md."""
    lines = [HEAD, "## Keys of the file", "", *_grid(_rows(Pipeline))]
    for name, model in (("source_store and lake_store", StoreSettings), ("keys", KeySettings)):
        lines += ["", f"## {name}", "", *_grid(_rows(model, NESTED[model]))]
    return "\n".join(lines) + "\n"


def _rows(model: type[BaseModel], meanings: Mapping[str, str] | None = None) -> Iterator[tuple[str, str, str, str]]:
    for name, field in model.model_fields.items():
        meaning = meanings[name] if meanings else field.description or "A mapping; see below"
        yield f"`{name}`", _kind(field.annotation), _default(field), meaning


def _kind(annotation: Any) -> str:
    """A type as people write it in YAML."""
    arguments = [a for a in get_args(annotation) if a is not type(None) and a is not Ellipsis]
    plain = {str: "text", int: "integer", float: "number", bool: "true or false"}
    if annotation in plain:
        return plain[annotation]
    if get_origin(annotation) is tuple:
        return f"list of {_kind(arguments[0])}"
    if all(isinstance(a, str) for a in arguments) and arguments:
        return " or ".join(f"`{a}`" for a in arguments)
    if len(arguments) == 1:
        return _kind(arguments[0])
    return "path" if getattr(annotation, "__name__", "") == "Path" else "mapping"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel) or value in (None, {}):
        return "–"
    if isinstance(value, tuple):
        return f"`[{', '.join(value)}]`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _grid(rows: Iterator[tuple[str, str, str, str]]) -> Iterator[str]:
    yield "| key | what it is | default | what it says |"
    yield "|---|---|---|---|"
    for row in rows:
        yield f"| {' | '.join(row)} |"
