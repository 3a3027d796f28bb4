"""Columns of a table → the table in the schema of its spec, with the patient key and the lineage of each row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
import pyarrow as pa

from connectors.hl7v2.frame import Frame
from connectors.hl7v2.layout import specs
from connectors.hl7v2.locate import Positions
from connectors.kernels.gather import picked, taken

_DIGEST_BYTES = 32
Made = TypeVar("Made")


class Assembly:
    """Makes the tables of one frame. keys: the patient key of each PID segment of the frame.

    Tables whose rows stand for the same messages, or patients, share the arrays that follow from these alone: what is
    done to such an array later can be done once.
    """

    def __init__(self, frame: Frame, keys: pa.StringArray) -> None:
        self._frame, self._keys = frame, keys
        self._lineages: list[tuple[Positions, dict[str, pa.Array]]] = []
        self._patients: list[tuple[Positions, pa.Array]] = []

    def table(self, name: str, own: Mapping[str, pa.Array], message: Positions, patient: Positions) -> pa.Table:
        """own: the columns that hold any value; the others are null. message, patient: int32[rows], -1 for none."""
        spec = specs()[name]
        lineage = _shared(self._lineages, message, self._lineage)
        columns = {**own, **lineage}
        if spec.patient_key:
            columns[spec.patient_key] = _shared(self._patients, patient, self._patient_keys)
        absent: dict[pa.DataType, pa.Array] = {}
        arrays = []
        for field in spec.schema:
            array = columns.get(field.name)
            if array is None:
                array = absent.get(field.type)
            if array is None:
                array = absent[field.type] = pa.nulls(len(message), field.type)
            arrays.append(array)
        return pa.Table.from_arrays(arrays, schema=spec.schema)

    def _patient_keys(self, patient: Positions) -> pa.Array:
        return taken(self._keys, patient)

    def _lineage(self, message: Positions) -> dict[str, pa.Array]:
        frame, n = self._frame, len(message)
        ids = np.ascontiguousarray(frame.record_id[message])
        offsets = np.arange(0, (n + 1) * _DIGEST_BYTES, _DIGEST_BYTES, dtype=np.int32)
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(ids)]
        return {
            "_object": frame.objects.take(pa.array(picked(frame.object_of, message))),
            "_offset": pa.array(picked(frame.offset, message)),
            "_length": pa.array(picked(frame.raw_ends - frame.raw_starts, message)),
            "_record_id": pa.Array.from_buffers(pa.binary(), n, buffers, 0),
        }


def _shared(made: list[tuple[Positions, Made]], positions: Positions, make: Callable[[Positions], Made]) -> Made:
    """make(positions), once for equal positions."""
    for before, result in made:
        if np.array_equal(before, positions):
            return result
    made.append((positions, make(positions)))
    return made[-1][1]
