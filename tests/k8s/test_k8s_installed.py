"""An installed copy has the chart with it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from k8s import chart, outcome, render
assert chart.__file__.startswith(sys.argv[1]), chart.__file__
values = chart.values([], ["pipeline.source=s3://a/b", "pipeline.lake=s3://a/c", "pipeline.policy=pseudonymised"])
print(render.ray_jobs(values, render.Release("r", "n"))[0]["kind"], outcome.kinds()["succeeded"].exit_code)
"""


OLDEST_SETUPTOOLS = 77
"""What pyproject.toml asks of the build."""


def setuptools_version() -> int:
    try:
        return int(importlib.metadata.version("setuptools").partition(".")[0])
    except importlib.metadata.PackageNotFoundError:
        return 0


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the project was installed from a copy of its sources."""
    if importlib.util.find_spec("pip") is None or setuptools_version() < OLDEST_SETUPTOOLS:
        pytest.skip(f"wants pip and setuptools {OLDEST_SETUPTOOLS}: python -m pip install -U setuptools")
    copy = tmp_path_factory.mktemp("sources")
    without = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("connectors", "jobs", "k8s", "helm"):
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=without)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, copy)
    target = tmp_path_factory.mktemp("installed")
    flags = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--no-compile", "--target", str(target)]
    subprocess.run([sys.executable, "-m", "pip", "install", *flags, str(copy)], check=True, capture_output=True)
    return target


def test_an_installed_copy_renders(installed: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(installed)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("RayJob 0\n", "")


def test_an_installed_copy_holds_the_charts_own_files(installed: Path) -> None:
    there = {
        path.relative_to(installed / "k8s" / "chart").as_posix() for path in (installed / "k8s" / "chart").rglob("*")
    }
    assert {"Chart.yaml", "values.yaml", "values.schema.json", "files/rayjob.yaml"} <= there
