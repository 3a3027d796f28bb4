"""The counts that batch and file trailers declare, against what stands before them."""

import itertools

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.contract import ENVELOPES, Piece, RawObject, ReadOptions
from connectors.hl7v2 import envelopes
from connectors.hl7v2.framing import frames

LINES = {"F": "FHS|^~\\&", "B": "BHS|^~\\&", "b": "BTS|{}", "f": "FTS|{}", "M": "MSH|^~\\&|A|B\rPID|1"}


def batch_file(letters, declared=()):
    """Lines named by letters: F FHS, B BHS, M a message, b BTS and f FTS with the next of the declared counts."""
    counts = iter(declared)
    return "".join(LINES[x].format(next(counts, "") if x in "bf" else "") + "\r" for x in letters).encode()


def rows_of(data, cuts=(), uri="/in/a"):
    borders = [0, *sorted(cuts), len(data)]
    raw = RawObject(uri, len(data), 0)
    tables = []
    for n, (a, b) in enumerate(itertools.pairwise(borders)):
        end = b if cuts else None
        piece = Piece(n, raw, [data[a:]], a, end, data[max(a - 4, 0) : a])
        tables.extend(framed.envelopes for framed in frames([piece], ReadOptions()))
    return pa.concat_tables([ENVELOPES.empty_table(), *tables])


def wrong(rows):
    return [(r["code"], r["position"], r["declared"], r["found"]) for r in envelopes.disagreements(rows).to_pylist()]


@pytest.mark.parametrize(
    ("letters", "declared"),
    [
        ("FBMMbBMbf", (2, 1, 2)),
        ("BMMb", (2,)),
        ("Fbf", (0, 1)),
        ("Ff", (0,)),
        ("FMMf", (1,)),
        ("MMb", (2,)),
        ("FBMbfFBMMbf", (1, 1, 2, 1)),
        ("FBMbf", ("", "")),
        ("FBMbf", ("x", "1x")),
        ("FBMbf", (" 1 ", "1|comment")),
        ("FBMbf", ("9" * 19, 1)),
        ("MM", ()),
    ],
)
def test_counts_that_agree_or_are_no_counts_give_nothing(letters, declared):
    assert wrong(rows_of(batch_file(letters, declared))) == []


@pytest.mark.parametrize(
    ("letters", "declared", "found"),
    [
        ("FBMMbf", (3, 1), [("HL7_BATCH_COUNT", "BTS-1", 3, 2)]),
        ("FBMMbf", (2, 2), [("HL7_FILE_COUNT", "FTS-1", 2, 1)]),
        ("FBMbBbf", (0, 1, 1), [("HL7_BATCH_COUNT", *("BTS-1", 0, 1)), ("HL7_BATCH_COUNT", *("BTS-1", 1, 0)),
                                ("HL7_FILE_COUNT", *("FTS-1", 1, 2))]),
        ("Mb", (7,), [("HL7_BATCH_COUNT", "BTS-1", 7, 1)]),
        ("FMf", (5,), [("HL7_FILE_COUNT", "FTS-1", 5, 1)]),
    ],
)  # fmt: skip
def test_counts_that_do_not_agree_are_named_with_what_was_found(letters, declared, found):
    assert wrong(rows_of(batch_file(letters, declared))) == found


@pytest.mark.parametrize(
    ("letters", "declared"),
    [
        ("FBBMMbbf", (2, 2, 1)),
        ("FBBMMbbf", (2, 0, 2)),
        ("FBMBMMbbf", (2, 1, 1)),
        ("FBMBMMbbf", (2, 3, 2)),
        ("FBMBMMbMbf", (2, 2, 1)),
        ("FBMBMMbMbf", (2, 4, 2)),
        ("BBMbBMMbb", (1, 2, 3)),
        ("FBBBMbbbBMbf", (1, 1, 1, 1, 2)),
        ("FBBBMbbbBMbf", (1, 0, 0, 1, 4)),
        ("FBMbFBMMbfBMbf", (1, 2, 1, 1, 2)),
        ("FBMbFBMMbfBMbf", (1, 2, 1, 1, 3)),
        ("FFMff", (1, 1)),
        ("FFMff", (1, 0)),
        ("BFBMbfb", (1, 1, 1)),
        ("BFBMbfMb", (1, 1, 1)),
        ("BMFMBMbfb", (1, 1, 3)),
    ],
)
def test_a_trailer_ends_the_innermost_open_header_and_counts_what_stands_in_it_directly_or_all_of_it(letters, declared):
    assert wrong(rows_of(batch_file(letters, declared))) == []


@pytest.mark.parametrize(
    ("letters", "declared", "found"),
    [
        ("FBMBMMbbf", (3, 1, 1), [("HL7_BATCH_COUNT", "BTS-1", 3, 2)]),
        ("FBMBMMbbf", (2, 2, 1), [("HL7_BATCH_COUNT", "BTS-1", 2, 3)]),
        ("FBMBMMbbf", (2, 1, 3), [("HL7_FILE_COUNT", "FTS-1", 3, 2)]),
        ("FBBMMbbf", (2, 1, 0), [("HL7_BATCH_COUNT", "BTS-1", 1, 2), ("HL7_FILE_COUNT", "FTS-1", 0, 2)]),
        ("FBMbFBMMbfBMbf", (1, 2, 2, 1, 1), [("HL7_FILE_COUNT", "FTS-1", 2, 1), ("HL7_FILE_COUNT", "FTS-1", 1, 3)]),
    ],
)
def test_a_count_that_is_neither_of_the_two_is_named_with_all_that_was_found(letters, declared, found):
    assert wrong(rows_of(batch_file(letters, declared))) == found


@pytest.mark.parametrize(
    ("letters", "declared", "found"),
    [
        ("BMbMMb", (1, 1), [("HL7_BATCH_COUNT", "BTS-1", 1, 2)]),
        ("FBMbfMbf", (1, 1, 2, 0), [("HL7_BATCH_COUNT", "BTS-1", 2, 1), ("HL7_FILE_COUNT", "FTS-1", 0, 1)]),
        ("FBMFMbf", (0, 0), [("HL7_BATCH_COUNT", "BTS-1", 0, 1), ("HL7_FILE_COUNT", "FTS-1", 0, 1)]),
        ("FBMbff", (1, 1, 1), [("HL7_FILE_COUNT", "FTS-1", 1, 0)]),
    ],
)
def test_a_trailer_without_a_header_counts_what_stands_since_the_last_line_or_file(letters, declared, found):
    assert wrong(rows_of(batch_file(letters, declared))) == found


@st.composite
def batches(draw, depth=3):
    """A batch: (its letters, messages in it, batches in it and itself, of each trailer in it what it may declare)."""
    letters, own, everything, inner, trailers = "B", 0, 0, 1, []
    for _ in range(draw(st.integers(0, 3))):
        if depth and draw(st.booleans()):
            more, messages, number, its_trailers = draw(batches(depth - 1))
            letters, everything, inner = letters + more, everything + messages, inner + number
            trailers += its_trailers
        else:
            letters, own, everything = letters + "M", own + 1, everything + 1
    return letters + "b", everything, inner, [*trailers, {own, everything}]


@settings(derandomize=True, max_examples=150, deadline=None)
@given(st.lists(batches(), max_size=3), st.data())
def test_of_batches_in_batches_exactly_the_counts_that_are_true_pass(made, draw):
    letters = "F" + "".join(each for each, _, _, _ in made) + "f"
    allowed = [counts for *_, trailers in made for counts in trailers]
    allowed.append({len(made), sum(number for _, _, number, _ in made)})
    declared = [draw.draw(st.integers(0, 6)) for _ in allowed]
    expected = [(count, max(may)) for count, may in zip(declared, allowed, strict=True) if count not in may]
    assert [row[2:] for row in wrong(rows_of(batch_file(letters, declared)))] == expected


def test_a_disagreement_says_where_the_trailer_stands_and_in_which_piece():
    data = batch_file("FBMMb", (3,))
    found = envelopes.disagreements(rows_of(data, cuts=[len(data) - 4])).to_pylist()
    assert found == [
        {
            "piece": 0,
            "_object": "/in/a",
            "_offset": data.index(b"BTS"),
            "code": "HL7_BATCH_COUNT",
            "position": "BTS-1",
            "declared": 3,
            "found": 2,
        }
    ]


def test_a_message_that_is_rejected_counts_as_one_of_its_batch():
    assert wrong(rows_of(b"BHS|^~\\&\rMSH|\rMSH|^~\\&|A|B\rBTS|2\r")) == []


def test_objects_do_not_add_up_and_the_order_of_their_tables_does_not_matter():
    one, two = rows_of(batch_file("BMb", (1,))), rows_of(batch_file("BMMb", (1,)), uri="/in/b")
    expected = [("HL7_BATCH_COUNT", "BTS-1", 1, 2)]
    assert wrong(pa.concat_tables([one, two])) == wrong(pa.concat_tables([two, one])) == expected


def test_no_rows_give_no_disagreements():
    assert envelopes.disagreements(ENVELOPES.empty_table()).schema == envelopes.DISAGREEMENTS


def test_a_whole_object_without_envelope_lines_has_no_rows():
    assert rows_of(batch_file("MMM")).num_rows == 0


@settings(derandomize=True, max_examples=150, deadline=None)
@given(st.text("FBMbf", min_size=1, max_size=14), st.lists(st.integers(0, 4), max_size=8), st.data())
def test_the_pieces_of_a_split_object_tell_what_the_whole_tells(letters, declared, draw):
    data = batch_file(letters, declared)
    cuts = draw.draw(st.sets(st.integers(1, len(data) - 1), max_size=4))
    assert wrong(rows_of(data, cuts)) == wrong(rows_of(data))
