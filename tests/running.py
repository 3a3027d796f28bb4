"""Small inputs and whole runs for the tests of the jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.lake import Lake
from jobs.config import load_pipeline
from jobs.run import ingest


def message(control: str, patient: str = "77", observations: int = 1, hour: int = 10) -> bytes:
    """An ORU^R01 of a few segments, CR between them, no terminator behind the last."""
    lines = [
        f"MSH|^~\\&|LAB|GEN|LAKE|DATA|20240102{hour:02}1500||ORU^R01|{control}|P|2.5.1",
        f"PID|1||{patient}^^^GEN^MR||DOE^JANE||19800704|F|||1 ELM ST^^SPRINGFIELD^IL^62704",
        "PV1|1|I|W1^101^A|||||||||||||||||V" + control,
        "OBR|1|P1|F1|24323-8^CMP^LN|||20240102090000",
    ]
    lines += [
        f"OBX|{n + 1}|NM|2345-7^Glucose^LN||{90 + n}|mg/dL|70-99|N|||F|||20240102091500" for n in range(observations)
    ]
    return "\r".join(lines).encode()


def file_of(*controls: str, **facts: Any) -> bytes:
    """Messages behind each other, each with its terminator."""
    return b"".join(message(control, **facts) + b"\r" for control in controls)


def write(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def run(source: Path | str, lake: Path | str, keys: Path, **settings: Any) -> dict[str, Any]:
    """An ingest in this process; policy pseudonymised unless said otherwise."""
    cpus = settings.pop("cpus", 0)
    retry, dry_run = settings.pop("retry", None), settings.pop("dry_run", False)
    chosen = {"source": str(source), "lake": str(lake), "policy": "pseudonymised", **settings}
    pipeline = load_pipeline(None, chosen).with_access(endpoint=None, keys=keys, create_keys=True)
    return ingest(pipeline, cpus=cpus, retry=retry, dry_run=dry_run)


def parts(lake: Path | str, zone: str = "deidentified") -> dict[str, str]:
    """Path → SHA-256 of every part that the log names."""
    return {part.path: part.sha256 for part in Lake.open(str(lake)).parts(zone)}


def rows(lake: Path | str, table: str, zone: str = "deidentified") -> pa.Table:
    """The rows of a table that the log names, in the order of their places."""
    opened = Lake.open(str(lake))
    named = [part for part in opened.parts(zone) if part.table == table]
    read = [pq.read_table(pa.BufferReader(opened.store.get(part.path))) for part in named]
    if not read:
        return pa.table({})
    return pa.concat_tables(read).sort_by([("_object", "ascending"), ("_offset", "ascending")])


def everything(lake: Path | str, zone: str = "deidentified") -> dict[str, list[tuple[Any, ...]]]:
    """Table → its rows as sorted tuples of text: equal for lakes that hold the same."""
    names = {part.table for part in Lake.open(str(lake)).parts(zone)}
    return {
        name: sorted(tuple(map(repr, row.values())) for row in rows(lake, name, zone).to_pylist())
        for name in sorted(names)
    }
