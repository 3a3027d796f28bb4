"""The careful engineer's own script: a process pool, `str.split`, HMAC pseudonyms, shifted dates, Parquet by pyarrow.

No library for HL7 and no compiled code of its own, but every care that plain Python allows: files are taken in batches,
rows are tuples cut by `itemgetter` and transposed by `zip` (no dict a row), pseudonyms and code triples are looked up
once a distinct value, and times, numbers and shifts are left to Arrow, a column at once.
"""

from __future__ import annotations

import gc
import hmac
import multiprocessing
from itertools import repeat
from operator import itemgetter
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.peers.program import KEY, Arguments, run

FILES_OF_A_BATCH = 100
MICROSECONDS_OF_A_DAY = 86_400_000_000
MESSAGE = itemgetter(9, 6, 3)  # control id, time, sending facility
PATIENT = itemgetter(7, 8)  # birth date, sex
VISIT = itemgetter(2, 44)  # class, admission
OBSERVATION = itemgetter(1, 2, 5, 6, 7, 8, 11, 14)
PAD = "|" * 50
TIMES = ("message_time", "birth_date", "admit_time", "observed_time")
NAMES = (
    *("control_id", "message_time", "sending_facility", "message_type", "trigger_event"),
    *("patient_id", "shift", "birth_date", "sex", "patient_class", "admit_time", "visit_number"),
    *("set_id", "value_type", "value_text", "units", "reference_range", "abnormal_flags", "status", "observed_time"),
    *("code", "code_text", "code_system"),
)
ESCAPES = {"\\F\\": "|", "\\S\\": "^", "\\R\\": "~", "\\T\\": "&", "\\.br\\": "\n"}


def keyed(value: str) -> bytes:
    return hmac.digest(KEY, value.encode(), "sha256")


def pseudonyms(values: list[str | None]) -> list[str | None]:
    made = {value: keyed(value).hex() for value in set(values) if value}
    return [made.get(value) for value in values]


class Pseudonyms(dict[str, tuple[str | None, int]]):
    """PID-3.1 → (pseudonym, days of shift), made once a distinct value."""

    def __missing__(self, value: str) -> tuple[str | None, int]:
        digest = keyed(value)
        made = (digest.hex() if value else None, int.from_bytes(digest[:4], "big") % 365 - 182)
        self[value] = made
        return made


class Identities(dict[str, tuple[str | None, int]]):
    """The same, for a run that keeps identities."""

    def __missing__(self, value: str) -> tuple[str | None, int]:
        return value or None, 0


class Codes(dict[str, tuple[str, ...]]):
    """A CWE → its first three components."""

    def __missing__(self, value: str) -> tuple[str, ...]:
        made = tuple(unescape(part) for part in (value + "^^").split("^", 3)[:3])
        self[value] = made
        return made


def unescape(value: str) -> str:
    if "\\" in value:
        for escape, plain in ESCAPES.items():
            value = value.replace(escape, plain)
        value = value.replace("\\E\\", "\\")
    return value


def medical_record_number(identifiers: str) -> str:
    """PID-3.1 of the repetition typed MR, else of the first."""
    if "~" in identifiers:
        every = identifiers.split("~")
        identifiers = next((one for one in every if one.endswith("^MR")), every[0])
    return identifiers.split("^", 1)[0]


def rows_of(text: str, patients: dict[str, tuple[str | None, int]], codes: Codes, rejects: list[int]) -> list[tuple]:  # type: ignore[type-arg]
    """One tuple an OBX, in the order of NAMES."""
    rows = []
    for number, message in enumerate(text.split("\rMSH|")):
        lines = message.split("\r")
        head = (("MSH|" if number else "") + lines[0] + PAD).split("|", 10)
        kind = (head[8] + "^").split("^", 2)
        patient: tuple[object, ...] | None = None
        visit: tuple[object, ...] = (None, None, None)
        for line in lines:
            name = line[:4]
            if name == "OBX|":
                if patient is None:
                    rejects.append(number)
                    break
                fields = (line + PAD).split("|", 15)
                rows.append(
                    (*MESSAGE(head), kind[0], kind[1], *patient, *visit, *OBSERVATION(fields), *codes[fields[3]])
                )
            elif name == "PID|":
                fields = (line + PAD).split("|", 9)
                patient = (*patients[medical_record_number(fields[3])], *PATIENT(fields))
            elif name == "PV1|":
                fields = (line + PAD).split("|", 45)
                visit = (*VISIT(fields), fields[19].split("^", 1)[0])
    return rows


def read(path: Path) -> str:
    raw = path.read_bytes()
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace")
    return text.replace("\r\n", "\r").replace("\n", "\r") if "\n" in text else text


def times(column: pa.Array) -> pa.Array:
    """YYYYMMDD[HHMMSS] → timestamp[us]."""
    seconds = pc.strptime(column, "%Y%m%d%H%M%S", "us", error_is_null=True)
    if seconds.null_count == 0:
        return seconds
    return pc.coalesce(seconds, pc.strptime(column, "%Y%m%d", "us", error_is_null=True))


def table(rows: list[tuple], identified: bool) -> pa.Table:  # type: ignore[type-arg]
    values = dict(zip(NAMES, zip(*rows, strict=True), strict=True))
    days = pa.array(values.pop("shift"), pa.int64())
    shift = pc.multiply(days, MICROSECONDS_OF_A_DAY).cast(pa.duration("us"))
    columns = {name: pa.array(column, pa.string()) for name, column in values.items()}
    for name in TIMES:
        columns[name] = times(columns[name])
        if not identified:
            columns[name] = pc.add(columns[name], shift)
    text = columns["value_text"]
    if pc.any(pc.match_substring(text, "\\")).as_py():
        text = columns["value_text"] = pa.array(map(unescape, text.to_pylist()))
    numeric = pc.and_(pc.equal(columns["value_type"], "NM"), pc.match_substring_regex(text, r"^[+-]?[0-9]*\.?[0-9]+$"))
    columns["value_number"] = pc.cast(pc.if_else(numeric, text, None), pa.float64())
    if not identified:
        for name in ("control_id", "visit_number"):
            columns[name] = pa.array(pseudonyms(columns[name].to_pylist()))
    return pa.table(columns)


def convert(batch: tuple[int, list[Path]], arguments: Arguments) -> tuple[int, int]:
    """One batch of files → one part. Returns rows written and messages refused."""
    number, paths = batch
    rows: list[tuple] = []  # type: ignore[type-arg]
    rejects: list[int] = []
    patients = Identities() if arguments.identified else Pseudonyms()
    codes = Codes()
    for path in paths:
        rows.extend(rows_of(read(path), patients, codes, rejects))
    pq.write_table(table(rows, arguments.identified), arguments.out / f"part-{number:05}.parquet", compression="zstd")
    return len(rows), len(rejects)


def convert_all(arguments: Arguments) -> int:
    paths = sorted(arguments.source.iterdir())
    size = max(1, min(FILES_OF_A_BATCH, len(paths) // (4 * arguments.cpus)))
    batches = [(at, paths[at : at + size]) for at in range(0, len(paths), size)]
    pa.set_cpu_count(1)
    with multiprocessing.Pool(arguments.cpus, gc.disable) as pool:
        done = pool.starmap(convert, zip(batches, repeat(arguments), strict=False), chunksize=1)
    return sum(written for written, _ in done)


if __name__ == "__main__":
    run(convert_all)
