"""Real files: as many messages as an independent count of lines that begin with MSH, or the difference has a name."""

import csv
import gzip

import pytest

from connectors.contract import Piece, RawObject, ReadOptions
from connectors.hl7v2.framing import frames

DIFFERENCES = {
    # two lines of prose begin with "MSH " and a blank: the count takes them for messages
    "hapi-hl7v2/parser/guide.txt": (2, 0, "HL7_NO_MESSAGE"),
    # every other one is quarantined under its code
    "cdc-data-exchange-hl7/fn-structure-validator/src/test/resources/Lyme_WithBadDelimiters.txt": (
        1,
        0,
        "HL7_SEPARATORS",
    ),
    "cdc-trusted-intermediary/Test/Message/msh_present_but_missing_msh-2.hl7": (1, 0, "HL7_MSH_SHORT"),
    "nhapi/BadInputs/LegacyPipeParser/HL7Exception/ioor1": (1, 0, "HL7_SEPARATORS"),
    "nhapi/BadInputs/LegacyPipeParser/HL7Exception/sys1": (1, 0, "HL7_SEPARATORS"),
    "nhapi/BadInputs/PipeParser/HL7Exception/id_000055,sig_02,src_000959+000226,op_splice,rep_16": (
        1,
        0,
        "HL7_SEPARATORS",
    ),
    "nhapi/BadInputs/PipeParser/HL7Exception/id_000064,sig_02,src_000051+000380,op_splice,rep_16": (
        1,
        0,
        "HL7_MSH_SHORT",
    ),
    "nhapi/BadInputs/PipeParser/HL7Exception/id_000119,sig_02,src_001911,op_havoc,rep_64": (1, 0, "HL7_SEPARATORS"),
    "nhapi/BadInputs/PipeParser/HL7Exception/id_000123,sig_02,src_000372+002313,op_splice,rep_8": (
        1,
        0,
        "HL7_SEPARATORS",
    ),
    "nhapi/BadInputs/PipeParser/HL7Exception/id_000125,sig_02,src_004230+004691,op_splice,rep_16": (
        1,
        0,
        "HL7_SEPARATORS",
    ),
    "nhapi/BadInputs/PipeParser/HL7Exception/id_000151,sig_02,src_001351,op_havoc,rep_2": (1, 0, "HL7_SEPARATORS"),
    "nhapi/BadInputs/PipeParser/HL7Exception/id_000160,sig_02,src_004804+004815,op_splice,rep_8": (
        1,
        0,
        "HL7_SEPARATORS",
    ),
    "nhapi/BadInputs/PipeParser/HL7Exception/id_000172,sig_02,src_001146+002011,op_splice,rep_16": (
        1,
        0,
        "HL7_SEPARATORS",
    ),
    "nhapi/BadInputs/PipeParser/HL7Exception/id_000176,sig_02,src_002656+002699,op_splice,rep_32": (
        1,
        0,
        "HL7_SEPARATORS",
    ),
    "nhapi/BadInputs/PipeParser/HL7Exception/so": (1, 0, "HL7_SEPARATORS"),
    "nhapi/BadInputs/PipeParser/HL7Exception/so2": (1, 0, "HL7_SEPARATORS"),
    "nhapi/BadInputs/PipeParser/HL7Exception/so4": (1, 0, "HL7_SEPARATORS"),
    "nhapi/BadInputs/PipeParser/HL7Exception/so5": (1, 0, "HL7_SEPARATORS"),
    "nhapi/BadInputs/PipeParser/NoException/id_000168,sig_02,src_002426+002144,op_splice,rep_8": (
        1,
        0,
        "HL7_SEPARATORS",
    ),
}
"""Per file: lines that begin with MSH, messages read, and the code of the quarantine that makes the difference."""


def files(corpus):
    """(name, bytes, row of the count) of every counted file that is there; long answer files are gzipped."""
    with (corpus / "counts" / "hl7v2.csv").open(newline="") as lines:
        for row in csv.DictReader(lines):
            path = corpus / row["file"].removeprefix("open/")
            packed = path.with_name(path.name + ".gz")
            if path.exists():
                yield row["file"].removeprefix("open/hl7v2/"), path.read_bytes(), row
            elif packed.exists():
                yield row["file"].removeprefix("open/hl7v2/"), gzip.decompress(packed.read_bytes()), row


def read(data, pieces=1):
    """(offsets and digests of the messages, codes of rejects, bytes accounted for) of an object read in ranges."""
    step = max(-(-len(data) // pieces), 1)
    raw = RawObject("/in/a.hl7", len(data), 0)
    parts = [
        Piece(n, raw, [data[a:]], a, None if pieces == 1 else a + step, data[max(a - 4, 0) : a])
        for n, a in enumerate(range(0, max(len(data), 1), step))
    ]
    messages, codes, size = [], [], 0
    for framed in frames(parts, ReadOptions(chunk_bytes=8 << 20 if pieces == 1 else 256)):
        frame = framed.frame
        messages += [(int(at), frame.record_id[i].tobytes()) for i, at in enumerate(frame.offset)]
        codes += [(row["_offset"], row["code"]) for row in framed.rejects.to_pylist()]
        for name in ("record_bytes", "quarantined_bytes", "envelope_bytes"):
            size += sum(framed.accounts[name].to_pylist())
    return messages, codes, size


@pytest.mark.corpus
def test_messages_of_each_file_equal_the_count_or_the_difference_is_named_and_every_byte_is_accounted_for(corpus):
    differences, seen = {}, 0
    for name, data, row in files(corpus):
        messages, codes, size = read(data)
        assert size == len(data) == int(row["bytes"]), name
        seen += 1
        if len(messages) != int(row["MSH_lines"]):
            differences[name] = (int(row["MSH_lines"]), len(messages), codes[0][1])
    assert seen >= 480
    assert differences == DIFFERENCES


@pytest.mark.corpus
def test_each_file_in_five_ranges_gives_what_the_whole_gives(corpus):
    for name, data, _ in files(corpus):
        if len(data) < 100_000:
            assert read(data, pieces=5) == read(data), name
