"""The stages of a chunk: pure functions over its tables, the same inside a bundle's task and in a job of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.contract import REJECTS, Connector
from connectors.kernels.distinct import Told
from jobs.privacy.engine import Shared, deidentified_spec, deidentify
from jobs.privacy.keys import Keyring
from jobs.privacy.policy import Policy
from jobs.records import without

BELOW_SCORE = "RECORD_BELOW_SCORE"


@dataclass(frozen=True)
class Validated:
    """tables: of the records that stay. left_out: the record table's rows of those below the score."""

    tables: Mapping[str, pa.Table]
    left_out: pa.Table


def validate(
    tables: Mapping[str, pa.Table], connector: Connector, min_score: float | None, told: Told | None = None
) -> Validated:
    """Scores and findings by the connector's rules; records that score below `min_score` are taken out. told: knows of
    columns, gets to know more."""
    scored = connector.validate(tables, told)
    records = scored[connector.record_table]
    if min_score is None:
        return Validated(scored, records.slice(0, 0))
    low = pc.fill_null(pc.less(records["score"], min_score), False)
    left_out = np.asarray(low.combine_chunks() if isinstance(low, pa.ChunkedArray) else low, dtype=np.bool_)
    return Validated(without(scored, connector.record_table, left_out), records.filter(pa.array(left_out)))


def deidentify_tables(
    tables: Mapping[str, pa.Table],
    connector: Connector,
    policy: Policy,
    keys: Keyring,
    told: Told | None = None,
    *,
    encoded: bool = False,
) -> dict[str, pa.Table]:
    """Every table that the policy lets out, in the schema it lets out. told: knows of columns, gets to know more.
    encoded: pseudonyms that repeat are dictionaries of Arrow."""
    written = {}
    shared = Shared(told, encoded=encoded)
    for name, table in tables.items():
        spec = connector.tables[name]
        if deidentified_spec(spec, policy) is not None:
            written[name] = deidentify(table, spec, policy, keys, shared)
    return written


def written_schemas(connector: Connector, policy: Policy | None) -> dict[str, pa.Schema]:
    """Table → schema of what a zone holds; policy: None for zones of identified data."""
    schemas = {}
    for name, spec in connector.tables.items():
        schema = spec.schema if policy is None else deidentified_spec(spec, policy)
        if schema is not None:
            schemas[name] = schema
    return schemas


def rejected(left_out: pa.Table, pieces: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pa.Table:
    """REJECTS of records that score too low: rows of the record table, and the piece of each."""
    count = left_out.num_rows
    columns = {
        "piece": pa.array(pieces, pa.int32()),
        "code": pa.repeat(BELOW_SCORE, count),
        "position": pa.nulls(count, pa.string()),
        "records": pa.repeat(pa.scalar(1, pa.int64()), count),
    }
    arrays = [columns[f.name] if f.name in columns else left_out[f.name] for f in REJECTS]
    return pa.table(arrays, schema=REJECTS)


def object_findings(objects: pa.ChunkedArray, code: str, schema: pa.Schema) -> pa.Table:
    """Findings about whole objects in a zone's findings schema: their other columns are null, their offset 0."""
    count = len(objects)
    constants = {"code": code, "severity": "warning", "stage": "read", "_offset": 0, "_length": 0}
    columns = []
    for column in schema:
        if column.name == "_object":
            columns.append(objects)
        elif column.name in constants:
            columns.append(pa.repeat(pa.scalar(constants[column.name], column.type), count))
        else:
            columns.append(pa.nulls(count, column.type))
    return pa.table(columns, schema=schema)
