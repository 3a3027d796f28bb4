"""One message for a person to read: its segments and fields with their names, parsed by python-hl7."""

from __future__ import annotations

import csv
import re
from functools import lru_cache
from importlib.resources import files

import hl7

from connectors.errors import RecordError


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    """Names of positions ("PID-5") and segments ("PID")."""
    rows = csv.DictReader(files("connectors.hl7v2").joinpath("field_names.csv").read_text("utf-8").splitlines())
    return {row["position"]: row["name"] for row in rows}


def _decoded(raw: bytes) -> str:
    """Text of a message as a person can read it: UTF-8 where it is, else windows-1252 with marks for what it lacks."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def _segment(segment: hl7.Segment) -> list[str]:
    """The lines of one segment: its name, then each field that holds something."""
    kind = str(segment[0])
    lines = [f"{kind}  {_names().get(kind, '')}".rstrip()]
    for number, field in enumerate(segment[1:], 1):
        text = str(field)
        if text:
            position = f"{kind}-{number}"
            shown = text.replace("\r", " ").replace("\n", " ")
            lines.append(f"  {position:<8} {_names().get(position, ''):<34} {shown}")
    return lines


def show(raw: bytes) -> str:
    """The message in lines: a segment, then its fields that hold something, with number, name and value as sent.

    raw: one message from its "MSH" on. Segments may end with CR, LF or both. The text is identified data.
    Raises RecordError HL7_UNREADABLE, without content, where python-hl7 cannot read it.
    """
    text = re.sub("[\r\n]+", "\r", _decoded(raw).strip("\0\x0b\x1c\x1a\r\n \ufeff"))
    try:
        message = hl7.parse(text)
    except (hl7.HL7Exception, ValueError, IndexError, KeyError):
        raise RecordError("HL7_UNREADABLE", "no message can be read here; check the offset") from None
    return "\n".join(line for segment in message for line in _segment(segment))
