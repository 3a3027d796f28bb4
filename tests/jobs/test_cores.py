"""The number of cores changes nothing."""

from __future__ import annotations

from pathlib import Path

from running import file_of, parts, run, write


def test_one_core_two_cores_and_no_ray_give_the_same_parts(tmp_path: Path) -> None:
    files = {f"{n:02}.hl7": file_of(*(f"{n}-{k}" for k in range(20))) for n in range(12)}
    source = write(tmp_path / "in", files)
    for cpus in (0, 1, 2):
        run(source, tmp_path / f"lake{cpus}", tmp_path / "keys", cpus=cpus, bundle_bytes=12_000)
    alone = parts(tmp_path / "lake0")
    assert len(alone) > 10
    assert parts(tmp_path / "lake1") == alone
    assert parts(tmp_path / "lake2") == alone
