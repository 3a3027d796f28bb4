"""Ray the way its documentation teaches it: a FileBasedDatasource, rows as dicts, pandas batches, `write_parquet`."""

from __future__ import annotations

import hmac
from collections.abc import Iterator

import pandas as pd
import pyarrow as pa
import ray
from ray.data.block import Block
from ray.data.datasource import FileBasedDatasource

from benchmarks.peers.program import KEY, Arguments, clocked, parse, report

TIMES = ("message_time", "birth_date", "admit_time", "observed_time")


def component(value: str, number: int) -> str:
    parts = value.split("^")
    return parts[number] if number < len(parts) else ""


def record(message: str) -> dict[str, str]:
    """The fields of a message that has one OBX, by name."""
    segments: dict[str, list[str]] = {}
    for line in message.split("\r"):
        fields = line.split("|")
        segments[fields[0]] = fields

    def field(name: str, number: int) -> str:
        fields = segments.get(name, [])
        return fields[number] if number < len(fields) else ""

    return {
        "control_id": field("MSH", 9),
        "message_time": field("MSH", 6),
        "sending_facility": field("MSH", 3),
        "message_type": component(field("MSH", 8), 0),
        "trigger_event": component(field("MSH", 8), 1),
        "patient_id": component(field("PID", 3), 0),
        "birth_date": field("PID", 7),
        "sex": field("PID", 8),
        "patient_class": field("PV1", 2),
        "visit_number": component(field("PV1", 19), 0),
        "admit_time": field("PV1", 44),
        "set_id": field("OBX", 1),
        "value_type": field("OBX", 2),
        "code": component(field("OBX", 3), 0),
        "code_text": component(field("OBX", 3), 1),
        "code_system": component(field("OBX", 3), 2),
        "value_text": field("OBX", 5),
        "units": field("OBX", 6),
        "reference_range": field("OBX", 7),
        "abnormal_flags": field("OBX", 8),
        "status": field("OBX", 11),
        "observed_time": field("OBX", 14),
    }


class HL7Files(FileBasedDatasource):  # type: ignore[misc]
    """One block a file."""

    def _read_stream(self, f: pa.NativeFile, path: str) -> Iterator[Block]:
        text = f.readall().decode()
        yield pd.DataFrame([record("MSH|" + message) for message in ("\r" + text).split("\rMSH|")[1:]])


def pseudonym(value: str) -> str | None:
    return hmac.new(KEY, value.encode(), "sha256").hexdigest() if value else None


def deidentify(batch: pd.DataFrame, identified: bool) -> pd.DataFrame:
    for name in TIMES:
        day_only = batch[name].str.len() == 8
        batch[name] = pd.to_datetime(batch[name].where(~day_only, batch[name] + "000000"), format="%Y%m%d%H%M%S")
    batch["value_number"] = pd.to_numeric(batch["value_text"].where(batch["value_type"] == "NM"), errors="coerce")
    if not identified:
        tokens = batch["patient_id"].map(pseudonym)
        shift = pd.to_timedelta(tokens.str[:8].map(lambda digits: int(digits, 16) % 365 - 182), unit="D")
        for name in TIMES:
            batch[name] = batch[name] + shift
        batch["patient_id"] = tokens
        batch["control_id"] = batch["control_id"].map(pseudonym)
        batch["visit_number"] = batch["visit_number"].map(pseudonym)
    return batch


def convert(arguments: Arguments) -> None:
    data = ray.data.read_datasource(HL7Files(str(arguments.source)))
    data = data.map_batches(deidentify, batch_format="pandas", fn_kwargs={"identified": arguments.identified})
    data.write_parquet(str(arguments.out))


def main() -> None:
    arguments = parse()
    ray.init(num_cpus=arguments.cpus, include_dashboard=False, log_to_driver=False, configure_logging=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    clock = clocked(arguments, convert)
    report(clock, ray.data.read_parquet(str(arguments.out)).count())


if __name__ == "__main__":
    main()
