"""Small inputs of each format. A new format joins the suite with one more builder in SAMPLES."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """Inputs of one format.

    small: a few hundred bytes with at least two records, and whatever may stand around and between records.
    records: how many records `small` holds. objects: further whole objects, good and bad. foreign: the heads of objects
    of other formats. values: texts that stand in `small` as values and may appear in no reject.
    """

    small: bytes
    records: int
    objects: tuple[bytes, ...]
    foreign: tuple[bytes, ...]
    values: tuple[str, ...]


def hl7v2() -> Sample:
    """Two messages in a batch, and objects with every sort of envelope, terminator and fault."""
    first = [
        r"MSH|^~\&|LAB|CANARYSITE|||20240301081500||ORU^R01^ORU_R01|CANARY1|P|2.5.1",
        "PID|1||CANARY77^^^SITE^MR||CANARYNAME^ANN||19500102|F",
        "OBR|1|||718-7^Hemoglobin^LN|||20240301",
        "OBX|1|NM|718-7^Hemoglobin^LN||13.2|g/dL|||||F",
        "NTE|1||CANARYNOTE",
    ]
    second = [
        r"MSH|^~\&|ADT|CANARYSITE|||20240301||ADT^A01|CANARY2|P|2.3",
        "EVN|A01|20240301",
        "PID|1||CANARY78||CANARYNAME^BOB",
        "PV1|1|I",
    ]
    messages = ["\r".join(first) + "\r", "\r\n".join(second) + "\r\n"]
    batch = "BHS|^~\\&\r" + "\r".join(messages) + "BTS|2\r"
    text = "".join(messages)
    return Sample(
        small=batch.encode(),
        records=2,
        objects=(
            text.encode(),
            ("\ufeff" + text).encode(),
            b"".join(b"\x0b" + each.encode() + b"\x1c\r" for each in messages),
            ("CANARYPROSE before\r" + text).encode(),
            (text + "MSH|^\r" + text).encode(),
            text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").encode(),
            text.replace("CANARYNAME", "CANARYNÄME").encode("cp1252"),
            text.replace("|2.3\r", "|2.3||||||NONE SUCH\r").encode(),
            ("FHS|^~\\&\r" + batch + "FTS|2\r").encode(),
            b"CANARYPROSE alone",
            b'{"resourceType": "CANARYPROSE"}',
            b"\x00\x01\x02" * 40,
        ),
        foreign=(b"", b'{"resourceType": "Patient"}', b"<?xml version='1.0'?>", b"PK\x03\x04", b"MSHX is a word"),
        values=("CANARY", "Hemoglobin", "13.2", "ANN", "BOB"),
    )


SAMPLES: Mapping[str, Callable[[], Sample]] = {"hl7v2": hl7v2}
"""Name in the registry → builder of its inputs."""
