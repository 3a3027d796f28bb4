"""What notebook users get: rows of a Dataset in, rows of a Dataset out, on a local Ray."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectors.contract import (
    ACCOUNTS,
    ENVELOPES,
    LINEAGE,
    REJECTS,
    Category,
    Column,
    Connector,
    Parsed,
    Piece,
    ReadOptions,
    TableSpec,
)
from connectors.errors import ConfigError
from connectors.registry import connector

COLUMNS = (
    Column("code", pa.string(), Category.CODE, "what stands in the line"),
    Column("patient_key", pa.string(), Category.PATIENT_KEY, "whose it is"),
    *LINEAGE,
)


def lines_connector() -> Connector:
    """A format of "code,patient" lines, made here so that it travels to the workers by value."""

    class Lines:
        name, version, extensions, splittable = "lines", 1, (".lines",), True
        record_table, findings_table = "lines_records", "lines_findings"
        tables: ClassVar = {"lines_records": TableSpec("lines_records", "one row a line", COLUMNS)}

        def sniff(self, head: bytes) -> bool:
            return b"," in head

        def read(self, pieces: Iterable[Piece], options: ReadOptions) -> Iterator[Parsed]:
            for piece in pieces:
                text = b"".join(piece.blocks)
                size = None if piece.end is None else piece.end - piece.start
                at = 0
                rows: list[dict[str, Any]] = []
                bad: list[dict[str, Any]] = []
                if piece.start and piece.before[-1:] != b"\n":
                    at = text.find(b"\n") + 1 or len(text)
                while at < len(text) and (size is None or at < size):
                    end = text.find(b"\n", at) + 1 or len(text)
                    line = text[at:end].rstrip(b"\n").decode()
                    lineage = {
                        "_object": piece.object.uri,
                        "_offset": piece.start + at,
                        "_length": len(line),
                        "_record_id": b"",
                    }
                    if line.count(",") == 1:
                        code, patient = line.split(",")
                        rows.append({"code": code, "patient_key": patient, **lineage})
                    else:
                        bad.append({"piece": piece.ordinal, "code": "LINE", "position": "", "records": 1, **lineage})
                    at = end
                yield Parsed(
                    {"lines_records": pa.Table.from_pylist(rows, schema=self.tables["lines_records"].schema)},
                    pa.Table.from_pylist(bad, schema=REJECTS),
                    ACCOUNTS.empty_table(),
                    ENVELOPES.empty_table(),
                )

        def validate(self, tables: Any, told: Any = None) -> Any:
            return tables

        def envelope_findings(self, envelopes: pa.Table) -> pa.Table:
            return pa.table({})

    return Lines()


@pytest.fixture(scope="module")
def ray_data() -> Iterator[Any]:
    import ray
    import ray.data

    ray.init(num_cpus=1, include_dashboard=False, object_store_memory=100 << 20, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield ray.data
    ray.shutdown()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    source = tmp_path / "in"
    source.mkdir()
    for n in range(3):
        (source / f"{n}.lines").write_text("".join(f"c{n}-{k},p{k % 5}\n" for k in range(100)))
    (source / "3.lines").write_bytes(gzip.compress(b"zipped,p1\nno comma\n"))
    return source


def test_ray_is_not_imported_before_it_is_wanted() -> None:
    program = "import sys, connectors, connectors.storage.reading, connectors.lake; print('ray' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


def test_every_record_is_a_row(ray_data: Any, folder: Path) -> None:
    from connectors.source import ConnectorDatasource

    dataset = ray_data.read_datasource(ConnectorDatasource(str(folder), format=lines_connector(), table="records"))
    rows = dataset.take_all()
    assert len(rows) == 301
    assert sorted(r["code"] for r in rows) == sorted([f"c{n}-{k}" for n in range(3) for k in range(100)] + ["zipped"])
    assert {r["_object"] for r in rows} == {str(folder / f"{n}.lines") for n in range(4)}


def test_what_is_no_record_is_a_row_of_the_rejects(ray_data: Any, folder: Path) -> None:
    from connectors.source import ConnectorDatasource

    stored = gzip.compress(b"cut,short\n")[:-4]
    (folder / "4.lines").write_bytes(stored)
    source = ConnectorDatasource(str(folder), format=lines_connector(), table="rejects")
    rows = [(r["code"], r["_offset"], r["_length"]) for r in ray_data.read_datasource(source).take_all()]
    assert sorted(rows) == [("COMPRESSION_DAMAGED", 0, len(stored)), ("LINE", 10, 8)]


def test_a_large_object_is_read_in_ranges_and_each_record_once(folder: Path) -> None:
    from connectors.source import ConnectorDatasource

    (folder / "large.lines").write_text("".join(f"{k:07},p{k % 5}\n" for k in range(900_000)))
    source = ConnectorDatasource(str(folder), format=lines_connector(), table="records", pattern="large*")
    tasks = source.get_read_tasks(4)
    assert len(tasks) == 3
    codes = [code for task in tasks for block in task() for code in block["code"].to_pylist()]
    assert codes == [f"{k:07}" for k in range(900_000)]


def test_nothing_to_read_is_no_rows(ray_data: Any, tmp_path: Path) -> None:
    from connectors.source import ConnectorDatasource

    source = ConnectorDatasource(str(tmp_path), format=lines_connector(), table="records")
    assert ray_data.read_datasource(source).count() == 0


@pytest.mark.corpus
def test_real_messages_are_rows_of_observations_and_of_messages(ray_data: Any, corpus: Path, tmp_path: Path) -> None:
    from connectors import HL7Datasource, MedicalDataSink

    folder = next(corpus.rglob("google-simhospital"))
    dataset = ray_data.read_datasource(HL7Datasource(str(folder), pattern="messages.part1*"))
    assert dataset.count() == 2092
    assert ray_data.read_datasource(HL7Datasource(str(folder), "messages", pattern="messages.part1*")).count() == 607
    sink = MedicalDataSink(str(tmp_path), "hl7v2_observations", allow_identified=True)
    dataset.write_datasink(sink)
    assert sum(part.rows for part in sink.parts) == 2092
    codes = pq.read_table(tmp_path / "restricted").column_names
    assert codes == dataset.schema().names


def test_an_unknown_table_is_told_with_those_there_are() -> None:
    from connectors.source import ConnectorDatasource

    with pytest.raises(ConfigError) as caught:
        ConnectorDatasource("/nowhere", format=lines_connector(), table="lines")
    assert caught.value.code == "TABLE_UNKNOWN"
    assert "lines_records, rejects" in caught.value.message


def test_a_sink_of_an_unknown_table_is_told_with_those_there_are(tmp_path: Path) -> None:
    from connectors.sink import MedicalDataSink

    with pytest.raises(ConfigError) as caught:
        MedicalDataSink(str(tmp_path), "lines_records")
    known = ", ".join(connector("hl7v2").tables)
    assert caught.value.code == "TABLE_UNKNOWN"
    assert caught.value.message == (
        f"hl7v2 has no table lines_records; it has {known}; give the columns of another with columns="
    )


def test_rows_are_written_as_parts_and_written_again_add_nothing(ray_data: Any, folder: Path, tmp_path: Path) -> None:
    from connectors.sink import MedicalDataSink
    from connectors.source import ConnectorDatasource

    source = ConnectorDatasource(str(folder), format=lines_connector(), table="records")
    dataset = ray_data.read_datasource(source).select_columns(["code", "_offset"]).repartition(1).materialize()
    for _ in range(2):
        sink = MedicalDataSink(str(tmp_path / "out"), "lines_records", columns=COLUMNS)
        dataset.write_datasink(sink)
        assert sum(part.rows for part in sink.parts) == 301
    written = [p for p in (tmp_path / "out").rglob("*") if p.is_file()]
    assert [str(p.relative_to(tmp_path / "out")) for p in written] == [sink.parts[0].path]
    assert sink.parts[0].path.startswith("deidentified/lines_records/part-")
    table = pq.read_table(written[0])
    assert table.schema.names == ["code", "_offset"]
    assert table.num_rows == 301


@pytest.mark.parametrize(("column", "code"), [("patient_key", "SINK_IDENTIFIED"), ("unheard_of", "SINK_CATEGORY")])
def test_a_column_that_identifies_or_has_no_category_is_refused(
    ray_data: Any, tmp_path: Path, column: str, code: str
) -> None:
    from connectors.sink import MedicalDataSink

    sink = MedicalDataSink(str(tmp_path), "lines_records", columns=COLUMNS)
    with pytest.raises(ConfigError) as caught:
        ray_data.from_items([{"code": "a", column: "p"}]).write_datasink(sink)
    assert caught.value.code == code
    assert list(tmp_path.iterdir()) == []


def test_a_column_that_an_earlier_step_drops_is_not_held_against_the_rows(ray_data: Any, tmp_path: Path) -> None:
    from connectors.sink import MedicalDataSink

    sink = MedicalDataSink(str(tmp_path), "lines_records", columns=COLUMNS)
    rows = ray_data.from_items([{"code": "a", "patient_key": "p"}]).map_batches(
        lambda batch: {"code": batch["code"]}, batch_format="numpy"
    )
    rows.write_datasink(sink)
    assert pq.read_table(tmp_path / sink.parts[0].path).to_pylist() == [{"code": "a"}]


@pytest.mark.parametrize(("category", "refused"), [("quantity", False), ("person_name", True)])
def test_a_column_whose_rows_have_categories_of_their_own_is_judged_by_them(
    ray_data: Any, tmp_path: Path, category: str, refused: bool
) -> None:
    from connectors.sink import MedicalDataSink

    sink = MedicalDataSink(str(tmp_path), "hl7v2_observations")
    rows = ray_data.from_items(
        [{"value": "7", "value_category": category}, {"value": None, "value_category": "free_text"}]
    )
    if refused:
        with pytest.raises(ConfigError, match="SINK_IDENTIFIED"):
            rows.write_datasink(sink)
        return
    rows.write_datasink(sink)
    assert sink.parts[0].path.startswith("deidentified/hl7v2_observations/")


def test_identified_rows_go_below_the_restricted_prefix(ray_data: Any, tmp_path: Path) -> None:
    from connectors.sink import MedicalDataSink

    sink = MedicalDataSink(str(tmp_path), "lines_records", columns=COLUMNS, allow_identified=True)
    ray_data.from_items([{"code": "a", "patient_key": "p"}]).write_datasink(sink)
    assert [p.path.rpartition("/")[0] for p in sink.parts] == ["restricted/identified/lines_records"]


def test_a_lake_is_not_written_into(tmp_path: Path) -> None:
    from connectors.sink import MedicalDataSink

    (tmp_path / "_runs").mkdir()
    (tmp_path / "_runs/lake.json").write_text("{}")
    with pytest.raises(ConfigError) as caught:
        MedicalDataSink(str(tmp_path), "lines_records", columns=COLUMNS)
    assert caught.value.code == "SINK_LAKE"
