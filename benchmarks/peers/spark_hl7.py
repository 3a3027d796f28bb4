"""PySpark with python-hl7 in `mapInPandas`: the library parses each message, Python makes the pseudonyms."""

from __future__ import annotations

import hmac
from collections.abc import Iterator

import hl7
import pandas as pd

from benchmarks.peers.program import KEY, Arguments, clocked, parse, report
from benchmarks.peers.spark_session import session

TEXTS = {
    "control_id": ("MSH", 10, 1),
    "sending_facility": ("MSH", 4, 1),
    "message_type": ("MSH", 9, 1),
    "trigger_event": ("MSH", 9, 2),
    "patient_id": ("PID", 3, 1),
    "sex": ("PID", 8, 1),
    "patient_class": ("PV1", 2, 1),
    "visit_number": ("PV1", 19, 1),
    "set_id": ("OBX", 1, 1),
    "value_type": ("OBX", 2, 1),
    "code": ("OBX", 3, 1),
    "code_text": ("OBX", 3, 2),
    "code_system": ("OBX", 3, 3),
    "value_text": ("OBX", 5, 1),
    "units": ("OBX", 6, 1),
    "reference_range": ("OBX", 7, 1),
    "abnormal_flags": ("OBX", 8, 1),
    "status": ("OBX", 11, 1),
}
TIMES = {"message_time": ("MSH", 7), "birth_date": ("PID", 7), "admit_time": ("PV1", 44), "observed_time": ("OBX", 14)}
SCHEMA = ", ".join(
    [*(f"{name} string" for name in TEXTS), *(f"{name} timestamp_ntz" for name in TIMES), "value_number double"]
)


def record(text: str) -> dict[str, str | None]:
    message = hl7.parse(text)
    row: dict[str, str | None] = {}
    for name, (segment, field, component) in TEXTS.items():
        row[name] = message.extract_field(segment, 1, field, 1, component) or None
    for name, (segment, field) in TIMES.items():
        row[name] = message.extract_field(segment, 1, field) or None
    return row


def pseudonym(value: str | None) -> str | None:
    return hmac.new(KEY, value.encode(), "sha256").hexdigest() if value else None


def convert(batches: Iterator[pd.DataFrame], identified: bool) -> Iterator[pd.DataFrame]:
    for batch in batches:
        texts = batch["value"]
        whole = texts.where(texts.str.startswith("MSH|"), "MSH|" + texts)
        rows = pd.DataFrame([record(text) for text in whole])
        for name in TIMES:
            rows[name] = pd.to_datetime(rows[name].str.ljust(14, "0"), format="%Y%m%d%H%M%S")
        rows["value_number"] = pd.to_numeric(rows["value_text"].where(rows["value_type"] == "NM"), errors="coerce")
        yield rows if identified else deidentified(rows)


def deidentified(rows: pd.DataFrame) -> pd.DataFrame:
    tokens = rows["patient_id"].map(pseudonym)
    shift = pd.to_timedelta(tokens.str[:8].map(lambda digits: int(digits, 16) % 365 - 182), unit="D")
    for name in TIMES:
        rows[name] = rows[name] + shift
    for name in ("patient_id", "control_id", "visit_number"):
        rows[name] = rows[name].map(pseudonym)
    return rows


def write(arguments: Arguments) -> None:
    text = session(arguments.cpus).read.option("lineSep", "\rMSH|").text(str(arguments.source))
    flat = text.mapInPandas(lambda batches: convert(batches, arguments.identified), SCHEMA)
    flat.write.mode("overwrite").option("compression", "zstd").parquet(str(arguments.out))


def main() -> None:
    arguments = parse()
    spark = session(arguments.cpus)
    clock = clocked(arguments, write)
    report(clock, spark.read.parquet(str(arguments.out)).count())
    spark.stop()


if __name__ == "__main__":
    main()
