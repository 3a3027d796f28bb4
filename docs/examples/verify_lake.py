"""Verifies a lake without Clinray, written from docs/lake.md alone.

    python verify_lake.py LAKE [--head NUMBER:SHA256] [--trust PUBLIC_KEY.pem …]

LAKE is a folder or an s3:// prefix. Prints each fault and the log's head; exits with 1 if there is a fault. Where an
entry is not of the form that the page gives, what it names is unknown, and Delta tables are not compared.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from pyarrow import fs

EQUATIONS = (
    ("objects", "listed", ("written", "done", "quarantined", "deferred")),
    ("records", "read", ("written", "quarantined", "duplicate")),
    ("bytes", "read", ("records", "quarantined", "envelope")),
)
INPUT_COLUMNS = {
    ("records", "read"): "records_read",
    ("records", "written"): "records_written",
    ("records", "quarantined"): "records_quarantined",
    ("records", "duplicate"): "records_duplicate",
    ("bytes", "records"): "bytes_record",
    ("bytes", "quarantined"): "bytes_quarantined",
    ("bytes", "envelope"): "bytes_envelope",
}

Tables = dict[str, dict[int, dict[str, tuple[int, int]]]]
"""Folder of a table → number of an entry → file → its bytes and rows."""


class Lake:
    """The files below a folder or an s3:// prefix."""

    def __init__(self, uri: str) -> None:
        self.files, root = fs.FileSystem.from_uri(uri) if "://" in uri else (fs.LocalFileSystem(), uri)
        self.root = root.rstrip("/")

    def names(self, folder: str) -> list[str]:
        listed = self.files.get_file_info(fs.FileSelector(f"{self.root}/{folder}", allow_not_found=True))
        return sorted(info.base_name for info in listed if info.is_file)

    def get(self, path: str) -> bytes | None:
        try:
            with self.files.open_input_stream(f"{self.root}/{path}") as stream:
                return bytes(stream.read())
        except FileNotFoundError:
            return None


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def canonical(value: Any) -> bytes:
    """RFC 8785 of a value without fractions; the names of members are ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def merkle_root(leaves: list[bytes]) -> str:
    """RFC 6962: split at the largest power of two below the number of leaves."""

    def node(start: int, end: int) -> bytes:
        if end - start == 1:
            return hashlib.sha256(b"\0" + leaves[start]).digest()
        middle = start + (1 << (end - start - 1).bit_length() - 1)
        return hashlib.sha256(b"\1" + node(start, middle) + node(middle, end)).digest()

    return node(0, len(leaves)).hex() if leaves else sha256(b"")


def public_keys(pems: Iterable[bytes]) -> dict[str, Ed25519PublicKey]:
    """Id → key: the id is made from the key, whatever the file was called."""
    keys = [key for key in map(load_pem_public_key, pems) if isinstance(key, Ed25519PublicKey)]
    return {sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw))[:32]: key for key in keys}


def rows_of(lake: Lake, path: str, digest: str, faults: list[str]) -> list[dict[str, Any]]:
    """The rows of a Parquet file that an entry names by its hash."""
    data = lake.get(path)
    if data is None or sha256(data) != digest:
        faults.append(f"{path} is missing or has another hash")
        return []
    # read_table would hand the bytes to threads, of which one may still hold them when the interpreter ends.
    rows: list[dict[str, Any]] = pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False).to_pylist()
    return rows


def check_entry(lake: Lake, entry: dict[str, Any], data: bytes, keys: dict[str, Ed25519PublicKey]) -> Iterator[str]:
    """What an entry says of itself: its form, its binding, its signature."""
    if canonical(entry) != data:
        yield "is not canonical JSON"
    if entry["zone"]:
        binding = lake.get(f"_runs/zone-{entry['zone']}.json")
        if entry["binding"] != (sha256(binding) if binding is not None else None):
            yield "is of a zone that was bound otherwise"
    if entry["signed_by"] not in keys:
        yield "is signed by a key that is not trusted"
        return
    unsigned = {name: value for name, value in entry.items() if name != "signature"}
    try:
        keys[entry["signed_by"]].verify(base64.b64decode(entry["signature"]), canonical(unsigned))
    except InvalidSignature:
        yield "has a wrong signature"


def check_counts(entry: dict[str, Any], leaves: list[dict[str, Any]], inputs: list[dict[str, Any]]) -> Iterator[str]:
    counts = entry["counts"]
    for group, whole, shares in EQUATIONS:
        if counts[group][whole] != sum(counts[group][share] for share in shares):
            yield f"counts {group} do not balance"
    outcomes = Counter(row["outcome"] for row in inputs)
    if any(counts["objects"][name] != outcomes[name] for name in ("written", "quarantined", "deferred")):
        yield "counts of objects are not those of the inputs"
    for (group, name), column in INPUT_COLUMNS.items():
        if counts[group][name] != sum(row[column] for row in inputs):
            yield f"counts {group}.{name} are not those of the inputs"
    tables: Counter[str] = Counter()
    folders: dict[str, Counter[str]] = {}
    for row in leaves:
        tables[row["table"]] += row["rows"]
        folder = folders.setdefault(row["path"].rpartition("/")[0], Counter())
        folder.update(parts=1, rows=row["rows"], bytes=row["bytes"])
    if dict(tables) != entry["tables"] or folders != entry["parts"]:
        yield "tables or parts are not those of the leaves"


def check_part(lake: Lake, row: dict[str, Any]) -> Iterator[str]:
    data = lake.get(row["path"])
    if data is None or sha256(data) != row["sha256"] or len(data) != row["bytes"]:
        yield f"{row['path']} is missing or changed"
    elif pq.ParquetFile(pa.BufferReader(data)).metadata.num_rows != row["rows"]:
        yield f"{row['path']} has another number of rows"


def check_table(lake: Lake, folder: str, named: dict[int, dict[str, tuple[int, int]]]) -> Iterator[str]:
    """A Delta table against the log. named: number of an entry → file → its bytes and rows."""
    held: dict[int, dict[str, tuple[int, int]]] = {}
    until: dict[int, dict[str, tuple[int, int]]] = {}
    so_far: dict[str, tuple[int, int]] = {}
    names = lake.names(f"{folder}/_delta_log")
    for name in names:
        if not name.endswith(".json") or not name[:-5].isdigit():
            continue
        actions = [json.loads(line) for line in (lake.get(f"{folder}/_delta_log/{name}") or b"").splitlines()]
        numbers = [a["txn"]["version"] for a in actions if "txn" in a and a["txn"]["appId"] == "clinray"]
        if any("remove" in action for action in actions):
            yield f"{folder}: {name} takes files away"
        adds = [action["add"] for action in actions if "add" in action]
        if adds:
            held.setdefault(numbers[0] if numbers else 0, {}).update(files_of(adds))
        so_far = {**so_far, **files_of(adds)}
        until[int(name[:-5])] = so_far
    if held != named:
        yield f"{folder}: its commits are not those of the log"
    for name in names:
        if ".checkpoint." in name and files_of_checkpoint(lake, f"{folder}/_delta_log/{name}") != until.get(
            int(name.partition(".")[0])
        ):
            yield f"{folder}: {name} does not hold the files of the commits up to it"


def files_of(adds: Iterable[dict[str, Any]]) -> dict[str, tuple[int, int]]:
    """File → its bytes and rows, of the `add` actions of a Delta log."""
    return {add["path"]: (add["size"], json.loads(add["stats"])["numRecords"]) for add in adds}


def files_of_checkpoint(lake: Lake, path: str) -> dict[str, tuple[int, int]] | None:
    """The files that a checkpoint lists; None for one that cannot be read."""
    try:
        file = pq.ParquetFile(pa.BufferReader(lake.get(path) or b""))
        rows = file.read(columns=["add"], use_threads=False).to_pylist()
        return files_of(row["add"] for row in rows if row["add"] is not None)
    except (pa.ArrowException, KeyError, TypeError, ValueError):
        return None


def check(
    lake: Lake,
    file: tuple[int, str, bytes],
    previous: str,
    identity: str,
    keys: dict[str, Ed25519PublicKey],
    tables: Tables,
) -> list[str]:
    """What is wrong with an entry that follows that of the hash `previous`. file: its number, name and bytes. tables:
    gets the files that it adds.

    Raises KeyError, TypeError or ValueError for what is not of the form of an entry.
    """
    number, name, data = file
    entry = json.loads(data)
    found: list[str] = []
    if (name, entry["number"], entry["previous"]) != (f"{number:020}.json", number, previous):
        found.append("does not follow the entry before")
    if (entry["lake"], entry["format"]) != (identity, 1):
        found.append("is of another lake or format")
    found += check_entry(lake, entry, data, keys)
    leaves = rows_of(lake, f"_runs/leaves-{entry['leaves']}.parquet", entry["leaves"], found)
    proved = [canonical({key: value for key, value in row.items() if value is not None}) for row in leaves]
    inputs: list[dict[str, Any]] = []
    if entry["inputs"] is not None:
        inputs = rows_of(lake, f"restricted/inputs-{entry['inputs']}.parquet", entry["inputs"], found)
        proved.append(canonical({"inputs": entry["inputs"]}))
    if merkle_root(proved) != entry["root"]:
        found.append("has another Merkle root")
    added = [row for row in leaves if row["action"] == "add"]
    found += check_counts(entry, added, inputs)
    for row in added:
        found += check_part(lake, row)
        folder, _, part = row["path"].rpartition("/")
        tables.setdefault(folder, {}).setdefault(number, {})[part] = (row["bytes"], row["rows"])
    return found


def verify(uri: str, head: str | None = None, trusted: Sequence[bytes] = ()) -> tuple[list[str], str]:
    """What is wrong with a lake, and its head."""
    lake = Lake(uri)
    identity = json.loads(lake.get("_runs/lake.json") or b"{}")
    if identity.get("format") != 1:
        return ["this is no lake of format 1"], ""
    held = (lake.get(f"_runs/keys/{name}") or b"" for name in lake.names("_runs/keys"))
    keys = public_keys(trusted or held)
    faults: list[str] = []
    previous = "0" * 64
    heads = [f"0:{previous}"]
    tables: Tables = {}
    readable = True
    names = [name for name in lake.names("_runs") if len(name) == 25 and name[:20].isdigit()]
    for number, name in enumerate(names, 1):
        data = lake.get(f"_runs/{name}") or b""
        try:
            found = check(lake, (number, name, data), previous, identity["lake"], keys, tables)
        except (KeyError, TypeError, ValueError):
            found, readable = ["is not of the form of an entry"], False
        faults += [f"entry {number}: {fault}" for fault in found]
        previous = sha256(data)
        heads.append(f"{number}:{previous}")
    for folder, named in sorted(tables.items() if readable else ()):
        faults += check_table(lake, folder, named)
    if head is not None and head not in heads:
        faults.append("the log does not hold the head that was kept")
    return faults, heads[-1]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("lake")
    parser.add_argument("--head")
    parser.add_argument("--trust", action="append", type=Path, default=[])
    chosen = parser.parse_args()
    wrong, last = verify(chosen.lake, chosen.head, [path.read_bytes() for path in chosen.trust])
    print(*wrong, f"head {last}", sep="\n")  # noqa: T201
    sys.exit(1 if wrong else 0)
