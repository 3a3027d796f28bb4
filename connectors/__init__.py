"""Formats, stores and the lake. `HL7Datasource` and `MedicalDataSink` are for notebooks with Ray."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from connectors.sink import MedicalDataSink
    from connectors.source import HL7Datasource

__all__ = ["HL7Datasource", "MedicalDataSink"]


def __getattr__(name: str) -> Any:
    """Ray is imported when one of the two is first asked for."""
    if name == "HL7Datasource":
        from connectors.source import HL7Datasource

        return HL7Datasource
    if name == "MedicalDataSink":
        from connectors.sink import MedicalDataSink

        return MedicalDataSink
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
