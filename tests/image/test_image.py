"""What the Dockerfile promises, and the entry script's compiled kernels, without a container."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENTRY = ROOT / "k8s/entry.sh"
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
FINAL = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]

GATHER = """
import numpy as np
from connectors.kernels.gather import strings
print(strings(np.frombuffer(b"ab" + bytes(64), np.uint8), np.array([0, 1]), np.array([1, 1])).to_pylist())
"""


def entered(*command: str, compiled: Path, cache: Path, **environment: str) -> subprocess.CompletedProcess:
    own = {"CLINRAY_COMPILED_KERNELS": str(compiled), "NUMBA_CACHE_DIR": str(cache), **environment}
    return subprocess.run([ENTRY, *command], capture_output=True, text=True, check=True, env={**os.environ, **own})


def test_every_stage_stands_on_the_base_that_is_given_or_on_another_stage() -> None:
    first = DOCKERFILE.index("\nFROM ")
    assert "ARG BASE_IMAGE=python:3.11-slim-bookworm" in DOCKERFILE[:first]
    bases = re.findall(r"^FROM (\S+)(?: AS (\S+))?$", DOCKERFILE, re.M)
    stages = {name for _, name in bases}
    assert len(bases) == 3
    assert {base for base, _ in bases} <= {"${BASE_IMAGE}"} | stages
    assert bases[-1] == ("${BASE_IMAGE}", "")


def test_dependencies_are_hashed_and_the_project_brings_none() -> None:
    installs = re.findall(r"pip --python \S+ install ((?:[^\n]*\\\n)*[^\n]*)", DOCKERFILE)
    assert len(installs) == 2
    assert "--require-hashes -r /build/requirements.lock" in installs[0]
    assert "--no-deps" in installs[1]
    assert "-e " not in installs[1]


def test_it_runs_as_a_numbered_user_with_its_home_in_tmp() -> None:
    assert re.findall(r"^USER (.*)$", FINAL, re.M) == ["10001:10001"]
    assert re.search(r"\bHOME=/tmp\b", FINAL)
    assert "NUMBA_CACHE_DIR=/tmp/numba" in FINAL
    assert "RUN " not in FINAL, "nothing of the base is taken away: KubeRay starts containers with /bin/bash"


def test_labels_carry_version_and_revision() -> None:
    assert 'org.opencontainers.image.version="${VERSION}"' in FINAL
    assert 'org.opencontainers.image.revision="${REVISION}"' in FINAL
    version = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M)
    assert version is not None
    assert f"ARG VERSION={version[1]}" in FINAL


def test_kernels_are_compiled_for_the_processor_that_they_are_read_for() -> None:
    assert DOCKERFILE.count("ARG NUMBA_CPU=x86-64-v3") == 2
    assert DOCKERFILE.count("NUMBA_CPU_NAME=${NUMBA_CPU}") == 2
    assert DOCKERFILE.count('NUMBA_CPU_FEATURES=""') == 2


def test_only_what_is_named_enters_the_build() -> None:
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert rules[0] == "*"
    copied = {word for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.M) for word in line.split()[:-1]}
    sources = {word.split("/")[0] for word in copied if not word.startswith("--")}
    assert {rule[1:] for rule in rules if rule.startswith("!")} == sources


def test_the_entry_script_runs_what_it_is_given(tmp_path: Path) -> None:
    compiled = tmp_path / "compiled"
    compiled.mkdir()
    (compiled / "kernel.nbi").write_bytes(b"index")
    done = entered("printf", "%s", "one two", compiled=compiled, cache=tmp_path / "cache")
    assert done.stdout == "one two"
    assert (tmp_path / "cache/kernel.nbi").read_bytes() == b"index"


def test_the_entry_script_copies_alone_without_arguments(tmp_path: Path) -> None:
    compiled = tmp_path / "compiled"
    compiled.mkdir()
    (compiled / "kernel.nbi").write_bytes(b"index")
    entered(compiled=compiled, cache=tmp_path / "cache")
    assert [path.name for path in tmp_path.iterdir() if path.name != "compiled"] == ["cache"]


def test_a_cache_that_is_there_stays(tmp_path: Path) -> None:
    compiled, cache = tmp_path / "compiled", tmp_path / "cache"
    compiled.mkdir()
    cache.mkdir()
    (compiled / "kernel.nbi").write_bytes(b"new")
    (cache / "kernel.nbi").write_bytes(b"old")
    entered(compiled=compiled, cache=cache)
    assert (cache / "kernel.nbi").read_bytes() == b"old"


def test_a_kernel_compiled_before_is_loaded_and_not_compiled_again(tmp_path: Path) -> None:
    compiled, cache = tmp_path / "compiled", tmp_path / "cache"
    settings = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "", "NUMBA_DEBUG_CACHE": "1"}
    first = entered(sys.executable, "-c", GATHER, compiled=tmp_path / "none", cache=compiled, **settings).stdout
    assert "data saved to" in first
    second = entered(sys.executable, "-c", GATHER, compiled=compiled, cache=cache, **settings).stdout
    assert f"data loaded from '{cache}" in second
    assert "data saved to" not in second
    assert second.splitlines()[-1] == "['a', 'b']"
