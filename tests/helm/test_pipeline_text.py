"""The text of the pipeline file, byte for byte as the chart writes it: names and digests of runs depend on it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from k8s.go_json import go_json

CASES = [
    (1.0, "1"),
    (0.0, "0"),
    (-0.5, "-0.5"),
    (0.00001, "0.00001"),
    (0.0000123, "0.0000123"),
    (1e-6, "0.000001"),
    (1e-7, "1e-7"),
    (1.5e-9, "1.5e-9"),
    (1e6, "1000000"),
    (1e21, "1e+21"),
    (1000000, "1000000"),
    ({"b": None, "a": [True, "x<y>&z\u2028é"]}, '{"a":[true,"x\\u003cy\\u003e\\u0026z\\u2028é"],"b":null}'),
]


@pytest.mark.parametrize(("node", "text"), CASES)
def test_json_is_written_as_go_writes_it(node: Any, text: str) -> None:
    assert go_json(node) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_given_back(value: float) -> None:
    assert json.loads(go_json(value)) == value


def test_what_json_does_not_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="date is nothing that JSON holds"):
        go_json(yaml.safe_load("day: 2024-01-02"))


def test_helm_writes_the_same(tmp_path: Path) -> None:
    helm = shutil.which("helm")
    if helm is None:
        pytest.skip("helm is not installed: take it from helm.sh")
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: text\nversion: 0.0.1\n")
    (tmp_path / "values.yaml").write_text(yaml.safe_dump({"given": [node for node, _ in CASES]}, allow_unicode=True))
    (tmp_path / "templates" / "text.yaml").write_text("text: {{ .Values.given | toJson | quote }}\n")
    run = subprocess.run([helm, "template", str(tmp_path)], capture_output=True, text=True, check=True)
    written = yaml.safe_load(run.stdout)["text"]
    assert written == "[" + ",".join(text for _, text in CASES) + "]"
