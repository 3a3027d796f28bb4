"""Columns of a table → the table in the schema of its spec, with the patient key and the lineage of each row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
import pyarrow as pa

from connectors.contract import TableSpec
from connectors.hl7v2.frame import Frame
from connectors.hl7v2.layout import specs
from connectors.hl7v2.locate import Positions
from connectors.kernels.distinct import Told, spread
from connectors.kernels.gather import is_all, picked, taken
from connectors.kernels.spans import nulls

_DIGEST_BYTES = 32
Made = TypeVar("Made")


class Assembly:
    """Makes the tables of one frame. keys: the patient key of each PID segment of the frame. told: gets to know of the
    objects of rows.

    Tables whose rows stand for the same messages, or patients, share the arrays that follow from these alone: what is
    done to such an array later can be done once.
    """

    def __init__(self, frame: Frame, keys: pa.StringArray, told: Told) -> None:
        self._frame, self._keys, self._told = frame, keys, told
        self._lineages: list[tuple[Positions, dict[str, pa.Array]]] = []
        self._patients: list[tuple[Positions, pa.Array]] = []
        self._nulls: dict[tuple[pa.DataType, int], pa.Array] = {}

    def table(self, name: str, own: Mapping[str, pa.Array], message: Positions, patient: Positions) -> pa.Table:
        """own: the columns that hold any value; the others are null. message, patient: int32[rows], -1 for none."""
        spec = specs()[name]
        lineage = _shared(self._lineages, message, self._lineage)
        columns = {**own, **lineage}
        if spec.patient_key:
            columns[spec.patient_key] = _shared(self._patients, patient, self._patient_keys)
        arrays = self._absent(spec, len(message))
        for place, column in enumerate(spec.columns):
            if column.name in columns:
                arrays[place] = columns[column.name]
        return pa.Table.from_arrays(arrays, schema=spec.schema)

    def _absent(self, spec: TableSpec, rows: int) -> list[pa.Array]:
        """The columns of a table without any value: for each type one array, that of all tables of so many rows."""
        arrays: list[pa.Array] = [None] * len(spec.columns)
        for kind, places in spec.places.items():
            absent = self._nulls.get((kind, rows))
            if absent is None:
                absent = self._nulls[kind, rows] = nulls(kind, rows)
            for place in places:
                arrays[place] = absent
        return arrays

    def _patient_keys(self, patient: Positions) -> pa.Array:
        return taken(self._keys, patient)

    def _lineage(self, message: Positions) -> dict[str, pa.Array]:
        frame, n = self._frame, len(message)
        ids = frame.record_id if is_all(message, len(frame)) else frame.record_id.take(message, axis=0)
        offsets = np.arange(0, (n + 1) * _DIGEST_BYTES, _DIGEST_BYTES, dtype=np.int32)
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(ids))]
        return {
            "_object": self._told.column(spread(frame.objects, picked(frame.object_of, message))),
            "_offset": pa.array(picked(frame.offset, message)),
            "_length": pa.array(picked(frame.raw_ends - frame.raw_starts, message)),
            "_record_id": pa.Array.from_buffers(pa.binary(), n, buffers, 0),
        }


def _shared(made: list[tuple[Positions, Made]], positions: Positions, make: Callable[[Positions], Made]) -> Made:
    """make(positions), once for equal positions."""
    for before, result in made:
        if before is positions or np.array_equal(before, positions):
            return result
    made.append((positions, make(positions)))
    return made[-1][1]
