"""A value in every part of every field: what each policy lets out is what its categories say, whichever way it came."""

from __future__ import annotations

import base64
import csv
import datetime
import re
from collections.abc import Callable
from pathlib import Path

import planted as planting
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from planted import DAY, FLAVOURS, MARK, Planted, numbers_in, unpacked
from running import file_of, run, write

from connectors.registry import connector
from jobs.privacy import policy
from jobs.stage_run import stage_run

POLICIES = [name for name in policy.names() if policy.load(name).zone is policy.Zone.DEIDENTIFIED]
SOMEBODY = (b"078-05-1120", b"078051120")


def reference(corpus: Path) -> dict[tuple[str, int], tuple[str, str]]:
    """(segment, field) → data type and what the reference table calls it."""
    with (corpus / "reference" / "hl7_phi_fields.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["field"].isdigit() and len(row["segment"]) == 3]
    return {(r["segment"], int(r["field"])): (r["datatype"], r["identifier_class"]) for r in rows}


def houses() -> dict[tuple[str, int, int], str]:
    """(segment, field, component) → category, of the columns that name a place or a house."""
    found = {}
    for spec in connector("hl7v2").tables.values():
        for column in (c for c in spec.columns if c.category.value in planting.PLACES):
            for place in re.findall(r"(\w{3})-(\d+)\.(\d+)", column.position):
                found[place[0], int(place[1]), int(place[2])] = column.category.value
    return found


def planted_files(corpus: Path, folder: Path) -> tuple[Path, Planted]:
    """A folder of files whose names hold values, too."""
    planted = Planted(reference(corpus), houses())
    files = {f"{flavour}.hl7": planting.message(planted, flavour) for flavour in FLAVOURS}
    files["observations.hl7"] = planting.observations(planted)
    for number, data in enumerate([*planting.headers(planted), *planting.odd(planted), *planting.damaged(planted)]):
        files[f"{number}.hl7"] = data
    name = planted.value("token", "ZZZ", 1, 1)
    files[f"{name}-19470301.hl7"] = file_of("9")
    return write(folder, files), planted


def found_in(folder: Path) -> dict[int, set[str]]:
    """Number of a planted value → the files and columns outside restricted/ that hold it."""
    found: dict[int, set[str]] = {}
    for path in outside(folder):
        for data in (path.name.encode(), *unpacked(path.read_bytes())):
            for number in numbers_in(data):
                found.setdefault(number, set()).add(path.parent.name)
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            for column in table.column_names:
                for number in numbers_in("\n".join(map(str, table[column].to_pylist())).encode()):
                    found.setdefault(number, set()).add(f"{path.parent.name}.{column}")
    return found


def outside(folder: Path) -> list[Path]:
    """The files that analysts may read."""
    return [path for path in folder.rglob("*") if path.is_file() and "restricted" not in path.parts]


def days_in(folder: Path) -> set[tuple[str, datetime.date]]:
    """Column and day of every point in time outside restricted/."""
    return {
        (f"{path.parent.name}.{field.name}", value.date())
        for path in outside(folder)
        if path.suffix == ".parquet" and "_runs" not in path.parts
        for field in pq.read_schema(path)
        if pa.types.is_timestamp(field.type)
        for value in pq.read_table(path, columns=[field.name]).column(0).to_pylist()
        if value is not None
    }


def fused(source: Path, lake: Path, keys: Path, name: str) -> None:
    run(source, lake, keys, policy=name, max_quarantine=1.0)


def apart(source: Path, lake: Path, keys: Path, name: str) -> None:
    run(source, lake, keys, policy="identified", allow_identified=True, stages=(), max_quarantine=1.0)
    for stage, rules in (("validate", "identified"), ("deidentify", name)):
        stage_run(stage=stage, lake=str(lake), format_="hl7v2", policy=rules, keys=keys, cpus=0)


@pytest.mark.corpus
@pytest.mark.parametrize("make", [fused, apart])
@pytest.mark.parametrize("name", POLICIES)
def test_only_what_the_categories_let_out_leaves(
    corpus: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    make: Callable[[Path, Path, Path, str], None],
    name: str,
) -> None:
    source, planted = planted_files(corpus, tmp_path / "in")
    assert len(planted.places) > 100_000
    rules, lake = policy.load(name), tmp_path / "lake"
    make(source, lake, tmp_path / "keys", name)
    said = capfd.readouterr()
    assert list(numbers_in((said.out + said.err).encode())) == []

    found = found_in(lake)
    left = {(*planted.places[n], *sorted(found[n])) for n in found if not planted.may_stand(n, rules)}
    assert left == set()
    assert len(found) > 100  # codes, which may stand: what is found can be found
    bytes_of_all = b"".join(data for path in outside(lake) for data in unpacked(path.read_bytes()))
    assert [number for number in SOMEBODY if number in bytes_of_all] == []
    days = {column for column, day in days_in(lake) if day == datetime.date(1947, 3, 1)}
    if rules.action("birth_date").name == "shift":
        assert DAY.encode() not in bytes_of_all
        assert days == set()
    else:
        assert "hl7v2_patients.birth_time" in days


@pytest.mark.corpus
def test_a_fused_run_leaves_of_what_it_read_the_names_of_objects_alone(corpus: Path, tmp_path: Path) -> None:
    source, _ = planted_files(corpus, tmp_path / "in")
    fused(source, tmp_path / "lake", tmp_path / "keys", "pseudonymised")
    files = [path for path in (tmp_path / "lake" / "restricted").rglob("*") if path.is_file()]
    assert {path.parent.name for path in files} >= {"restricted", "quarantine"}
    held = {n for path in files for data in unpacked(path.read_bytes()) for n in numbers_in(data)}
    assert held == {n for path in source.iterdir() for n in numbers_in(path.name.encode())}
    assert len(held) == 1


def test_values_are_found_in_every_form() -> None:
    value = f"{MARK}000017"
    plain = value.encode()
    forms = [plain, plain.lower(), value.encode("utf-16-le"), plain.hex().encode(), plain.hex().upper().encode()]
    forms += [base64.b64encode(b"x" * shift + plain) for shift in range(3)]
    forms += [b"80000178808", zstandard.compress(plain)]
    assert [{n for data in unpacked(form) for n in numbers_in(data)} for form in forms] == [{17}] * len(forms)
