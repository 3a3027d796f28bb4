"""A bundle that ends every worker that it comes to: the bundles of its task are done without it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from running import file_of, rows, run, write

import jobs.pipeline
from jobs.leaves import Failure, Leaves
from jobs.plan import Bundle

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]


class Fatal(Bundle):
    """Whoever gets it from another process ends."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (9,)


def test_a_bundle_that_ends_its_worker_costs_no_other_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path / "in", {f"{n}.hl7": file_of(str(n)) for n in range(12)})
    whole, sizes = jobs.pipeline.map_bundles, []

    def one_is_fatal(bundles: Iterable[Bundle], *rest: Any, **named: Any) -> Iterator[Leaves | Failure]:
        several = list(bundles)
        sizes.append(len(several))
        several[1] = Fatal(1, several[1].spans)
        return whole(several, *rest, **named)

    monkeypatch.setattr(jobs.pipeline, "map_bundles", one_is_fatal)
    report = run(source, tmp_path / "lake", tmp_path / "keys", cpus=1, bundle_bytes=400)
    assert sizes == [12]
    assert (report["objects"]["deferred"], report["objects"]["written"]) == (1, 11)
    assert rows(tmp_path / "lake", "hl7v2_messages").num_rows == 11
    again = run(source, tmp_path / "lake", tmp_path / "keys", cpus=0)
    assert (again["objects"]["deferred"], again["records"]["written"]) == (0, 1)
