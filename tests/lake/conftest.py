from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from connectors.storage import StorageOptions


@dataclass(frozen=True)
class Place:
    """Where a test may make a lake."""

    uri: str
    options: StorageOptions | None


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A folder, and a bucket's prefix."""
    if request.param == "local":
        return Place(str(tmp_path / "lake"), None)
    s3 = request.getfixturevalue("s3")
    return Place(f"{s3.uri}/some/lake", s3.options)
