"""Columns of a table → the table in the schema of its spec, with the patient key and the lineage of each row."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from connectors.hl7v2.frame import Frame
from connectors.hl7v2.layout import specs
from connectors.hl7v2.locate import Positions

_DIGEST_BYTES = 32


class Assembly:
    """Makes the tables of one frame. keys: the patient key of each PID segment of the frame."""

    def __init__(self, frame: Frame, keys: pa.StringArray) -> None:
        self._frame, self._keys = frame, keys

    def table(self, name: str, own: Mapping[str, pa.Array], message: Positions, patient: Positions) -> pa.Table:
        """own: the columns that hold any value; the others are null. message, patient: int32[rows], -1 for none."""
        spec = specs()[name]
        columns = {**own, **self._lineage(message)}
        if spec.patient_key:
            columns[spec.patient_key] = self._keys.take(pa.array(patient, mask=patient < 0))
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

    def _lineage(self, message: Positions) -> dict[str, pa.Array]:
        frame, n = self._frame, len(message)
        ids = np.ascontiguousarray(frame.record_id[message])
        offsets = np.arange(0, (n + 1) * _DIGEST_BYTES, _DIGEST_BYTES, dtype=np.int32)
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(ids)]
        return {
            "_object": frame.objects.take(pa.array(frame.object_of[message])),
            "_offset": pa.array(frame.offset[message]),
            "_length": pa.array((frame.raw_ends - frame.raw_starts)[message]),
            "_record_id": pa.Array.from_buffers(pa.binary(), n, buffers, 0),
        }
