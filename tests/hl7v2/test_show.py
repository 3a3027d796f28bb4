"""One message as a person sees it."""

from __future__ import annotations

import pytest

from connectors.errors import RecordError
from connectors.hl7v2.show import show

MESSAGE = b"MSH|^~\\&|LAB||||20260101||ORU^R01|7|P|2.5\rPID|1||77^^^GEN^MR||D\xc3\xb6e^Jane\rZXY||mine\r"


def test_fields_that_hold_something_are_named() -> None:
    lines = show(MESSAGE).split("\n")
    assert lines[0] == "MSH  Message header"
    assert "PID-5    Patient name                       Döe^Jane" in [line.strip() for line in lines]
    assert not any("MSH-4" in line for line in lines)


def test_a_segment_without_a_name_is_shown_by_its_numbers() -> None:
    assert show(MESSAGE).split("\n")[-2:] == ["ZXY", f"  ZXY-2    {'':<34} mine"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r\r\n"])
def test_any_line_end_gives_the_same(end: bytes) -> None:
    assert show(MESSAGE.replace(b"\r", end)) == show(MESSAGE)


def test_windows_text_and_mllp_bytes_are_readable() -> None:
    assert "Döe^Jane" in show(b"\x0b" + MESSAGE.replace(b"\xc3\xb6", b"\xf6") + b"\x1c\r")


@pytest.mark.parametrize("raw", [b"", b"secret text", b"MSH"])
def test_what_is_no_message_is_refused_without_content(raw: bytes) -> None:
    with pytest.raises(RecordError, match="HL7_UNREADABLE") as caught:
        show(raw)
    assert "secret" not in str(caught.value)
