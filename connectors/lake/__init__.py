"""The audited lake: an append-only, signed log over Parquet parts, with Delta tables for readers (docs/lake.md)."""

from connectors.lake.binding import Binding
from connectors.lake.commit import Draft
from connectors.lake.inputs import INPUTS, DoneIndex
from connectors.lake.lake import BundleParts, Lake
from connectors.lake.layout import ZONES
from connectors.lake.log import Entry, LostRace, PartsGone
from connectors.lake.parts import Part, PartWriter
from connectors.lake.quarantine import QUARANTINE

__all__ = [
    "INPUTS",
    "QUARANTINE",
    "ZONES",
    "Binding",
    "BundleParts",
    "DoneIndex",
    "Draft",
    "Entry",
    "Lake",
    "LostRace",
    "Part",
    "PartWriter",
    "PartsGone",
]
