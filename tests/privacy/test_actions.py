"""Each action against a slow, obvious twin."""

from __future__ import annotations

import base64
import datetime
import hmac
import unicodedata
from pathlib import Path

import made_up
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jobs.privacy
from connectors.identity import normalise, qualified
from connectors.kernels.distinct import distinct
from jobs.privacy.actions import Action, Rows
from jobs.privacy.actions.age_band import AgeBand
from jobs.privacy.actions.constant import Constant
from jobs.privacy.actions.hash import Hash
from jobs.privacy.actions.one_word import OneWord
from jobs.privacy.actions.shift import Shift
from jobs.privacy.actions.token import Token
from jobs.privacy.actions.year import Year
from jobs.privacy.actions.zip3 import Zip3, populous_prefixes, sparse_prefixes

UTC = datetime.UTC
KEYS = made_up.keyring()


def rows(n: int, category: str = "order_id", chance: list[int] | None = None, **more: pa.Array) -> Rows:
    numbers = np.array(chance or [0] * n, np.uint64)

    def days(most: int) -> npt.NDArray[np.int64]:
        return 1 + (numbers % np.uint64(most)).astype(np.int64)

    return Rows(keys=KEYS, category=category, days=days, **more)


def treated(action: Action, values: list[object], kind: pa.DataType, more: Rows | None = None) -> list[object]:
    out = action.apply(pa.array(values, kind), more or rows(len(values)))
    assert out.type == action.output(kind)
    out.validate(full=True)
    return list(out.to_pylist())


def plainly(value: str) -> str:
    """The obvious twin of normalise, for text whose upper case is one character a character."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", value.strip()).upper())


@given(st.lists(st.text("aB zé|0\u0301ñ", max_size=8), min_size=1, max_size=20))
@settings(derandomize=True, deadline=None, max_examples=100)
def test_normalise_equals_its_twin_and_changes_nothing_twice(values: list[str]) -> None:
    once = normalise(pa.array(values))
    assert once.to_pylist() == [plainly(v) for v in values]
    assert normalise(once).equals(once)


def test_identifiers_are_qualified_by_their_authority() -> None:
    ids = pa.array([" a1", "B2", None, "a1"])
    for authorities, expected in (
        (["h ", "h", "h", None], ["H|A1", "H|B2", None, "|A1"]),
        (["h "] * 4, ["H|A1", "H|B2", None, "H|A1"]),
        ([None] * 4, ["|A1", "|B2", None, "|A1"]),
    ):
        made = qualified(distinct(ids), distinct(pa.array(authorities, pa.string())))
        assert made.column(made.values).to_pylist() == expected


NAMES = st.none() | st.sampled_from(["", "a1", " a1", "A1", "B|2", "É" * 9])


@given(st.lists(st.tuples(NAMES, NAMES), min_size=1, max_size=40))
@settings(derandomize=True, deadline=None, max_examples=200)
def test_qualified_identifiers_are_those_of_each_row(pairs: list[tuple[str | None, str | None]]) -> None:
    ids, authorities = (distinct(pa.array(column, pa.string())) for column in zip(*pairs, strict=True))
    made = qualified(ids, authorities)
    column = made.column(made.values)
    column.validate(full=True)
    assert column.to_pylist() == [None if i is None else f"{plainly(a or '')}|{plainly(i)}" for i, a in pairs]
    present = [value for value in column.to_pylist() if value is not None]
    assert list(dict.fromkeys(made.values.to_pylist())) == list(dict.fromkeys(present))
    assert not made.exact or len(made.values) == len(set(present))


def test_identifiers_that_hardly_repeat_are_qualified_by_several_authorities() -> None:
    numbers = [f"n{n}" for n in range(20_000)]
    made = qualified(distinct(pa.array(numbers)), distinct(pa.array(["h", None] * 10_000)))
    assert made.column(made.values).to_pylist() == [f"{'' if n % 2 else 'H'}|N{n}" for n in range(20_000)]


def test_identifiers_that_hardly_repeat_under_one_authority_are_a_column_as_it_is() -> None:
    ids = distinct(pa.array([f"n{n // 2}" for n in range(20_000)]))
    made = qualified(ids, distinct(pa.array([f"h{n % 2}" for n in range(20_000)])))
    assert (ids.codes is None, made.codes is None) == (False, True)
    assert made.column(made.values).to_pylist() == [f"H{n % 2}|N{n // 2}" for n in range(20_000)]


def test_hash_is_hmac_of_the_normalised_value() -> None:
    key = KEYS.subkey("hash", "order", 32)
    expected = base64.urlsafe_b64encode(hmac.digest(key, b"H|A1", "sha256")).rstrip(b"=").decode()
    more = rows(3, authority=pa.array(["h", "H", "x"]))
    assert treated(Hash(), ["a1 ", "A1", None], pa.string(), more) == [expected, expected, None]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary(3)])
def test_hash_of_bytes_is_the_first_half_of_the_digest(kind: pa.DataType) -> None:
    key = KEYS.subkey("hash", "record", 32)
    expected = [hmac.digest(key, b"abc", "sha256")[:16], None, hmac.digest(key, b"ABC", "sha256")[:16]]
    assert treated(Hash(), [b"abc", None, b"ABC"], kind, rows(3, "record_digest")) == expected


def test_numbers_become_tokens_of_their_decimal_text() -> None:
    text = treated(Token(), ["17", None], pa.string())
    assert treated(Token(), [17, None], pa.int64()) == text
    assert treated(Token(), ["17", None], pa.large_string()) == text


@pytest.mark.parametrize("action", [Token(), Hash()])
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_an_explicit_null_is_no_value_and_stays(action: Action, kind: pa.DataType) -> None:
    sent = ['""', "A1", None, "A1", '""x', '""']
    more = rows(6, authority=pa.array(["h", "h", None, None, "h", None]))
    made = treated(action, list(sent), kind, more)
    assert (made[0], made[2], made[5]) == ('""', None, '""')
    assert len({made[1], made[3], made[4]} - {'""', None}) == 3
    assert made[1:4] == treated(action, sent[1:4], kind, more.subset(np.arange(1, 4), "order_id"))


def test_object_names_are_not_normalised() -> None:
    one, other = treated(Token(), ["s3://b/a", "s3://b/A"], pa.string(), rows(2, "object_key"))
    assert one != other


def time(*parts: int) -> datetime.datetime:
    return datetime.datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type]


def test_shift_moves_by_one_to_max_days_and_keeps_the_time_of_day() -> None:
    times = [time(2024, 3, 1, 10, 5, 6, 7), None, time(1960, 1, 1, 23)]
    out = treated(Shift(max_days=10), times, made_up.TIMESTAMP, rows(3, chance=[0, 5, 19]))
    assert out == [time(2024, 2, 29, 10, 5, 6, 7), None, time(1959, 12, 22, 23)]


def test_shift_of_a_date() -> None:
    out = treated(Shift(max_days=10), [datetime.date(2024, 3, 1), None], pa.date32(), rows(2, chance=[0, 0]))
    assert out == [datetime.date(2024, 2, 29), None]


@pytest.mark.parametrize("digits", [4, 6, 14])
def test_what_moves_to_before_the_year_1_becomes_null(digits: int) -> None:
    sent = rows(2, chance=[299, 299], precision=pa.array([digits] * 2, pa.int8()))
    out = treated(Shift(), [time(1, 1, 1), time(3, 1, 1)], made_up.TIMESTAMP, sent)
    assert [t and t.year for t in out] == [None, 2]
    dates = treated(
        Shift(max_days=10), [datetime.date(1, 1, 1), datetime.date(1, 1, 2)], pa.date32(), rows(2, chance=[0, 0])
    )
    assert dates == [None, datetime.date(1, 1, 1)]


def test_years_and_months_move_to_where_most_of_their_days_move() -> None:
    times = [time(1980, 1, 1), time(1980, 1, 1), time(1980, 3, 1), time(1980, 3, 1), time(1980, 3, 1)]
    digits = pa.array([4, 4, 6, 6, 8], pa.int8())
    out = treated(Shift(), times, made_up.TIMESTAMP, rows(5, chance=[9, 299, 9, 29, 0], precision=digits))
    assert out == [time(1980, 1, 1), time(1979, 1, 1), time(1980, 3, 1), time(1980, 2, 1), time(1980, 2, 29)]


def test_a_year_with_an_offset_stays_the_first_of_january_of_its_sender() -> None:
    sent = rows(1, chance=[9], precision=pa.array([4], pa.int8()), offset=pa.array([-300], pa.int16()))
    assert treated(Shift(), [time(1980, 1, 1, 5)], made_up.TIMESTAMP, sent) == [time(1980, 1, 1, 5)]


@given(st.lists(st.tuples(st.datetimes(), st.integers(0, 2**64 - 1)), min_size=1, max_size=20))
@settings(derandomize=True, deadline=None, max_examples=100)
def test_shift_equals_its_twin(pairs: list[tuple[datetime.datetime, int]]) -> None:
    pairs = [(t.replace(year=max(t.year, 1900)), c) for t, c in pairs]
    times, chance = [t.replace(tzinfo=UTC) for t, _ in pairs], [c for _, c in pairs]
    expected = [t - datetime.timedelta(days=1 + c % 365) for t, c in zip(times, chance, strict=True)]
    assert treated(Shift(), times, made_up.TIMESTAMP, rows(len(pairs), chance=chance)) == expected


def test_year_is_that_of_the_senders_clock() -> None:
    times = [time(2021, 1, 1, 3), time(2020, 5, 6, 7), None, time(2020, 12, 31, 23)]
    offset = pa.array([-300, None, 60, 60], pa.int16())
    out = treated(Year(), times, made_up.TIMESTAMP, rows(4, offset=offset))
    assert out == [time(2020, 1, 1), time(2020, 1, 1), None, time(2021, 1, 1)]
    assert Year().companion(pa.array([14, 4, None], pa.int8())).to_pylist() == [4, 4, None]
    assert Year().companion(offset).to_pylist() == [None] * 4


def test_ages_over_the_top_are_one() -> None:
    sent = ["89", "90", " 104 ", "45.5", "045", "7 years", "91Y", ">89", "ninety", "", None, "-1", "1000"]
    kept = ["89", "90+", "90+", "45", "45", "7", "90+", None, None, None, None, None, None]
    assert treated(AgeBand(), list(sent), pa.string()) == kept
    assert treated(AgeBand(), [89, 90, 104, None, -1], pa.int32()) == [89, 90, 90, None, None]
    numbers = [89.5, 90.0, 104.0, None, -1.0, float("nan"), float("inf")]
    assert treated(AgeBand(), list(numbers), pa.float64()) == [89.5, 90.0, 90.0, None, None, None, None]


def test_ages_in_bands() -> None:
    assert treated(AgeBand(width=20), ["3", "45", "89", "90"], pa.string()) == ["0-19", "40-59", "80-89", "90+"]
    assert treated(AgeBand(width=5), [3, 44, 89, 95], pa.int8()) == [0, 40, 85, 90]


def test_postal_codes_keep_three_digits_where_enough_people_live() -> None:
    sent = ["10001", " 60601-1234", "606011234", "03601", "82190", "1234", "K1A 0B1", "", None, "123456", "SW1A"]
    assert treated(Zip3(), list(sent), pa.string()) == ["100", "606", "606", "000", "000", *[None] * 6]


def test_postal_codes_of_other_countries_are_dropped() -> None:
    country = pa.array(["US", "usa ", None, "DEU", ""])
    assert treated(Zip3(), ["10001"] * 5, pa.string(), rows(5, country=country)) == ["100", "100", "100", None, None]
    nowhere = pa.nulls(2, pa.string())
    assert treated(Zip3(), ["10001", "x"], pa.string(), rows(2, country=nowhere)) == ["100", None]


def test_the_seventeen_prefixes_of_the_guidance_are_listed() -> None:
    seventeen = "036 059 063 102 203 556 692 790 821 823 830 831 878 879 884 890 893"
    assert set(seventeen.split()) <= set(sparse_prefixes())


def test_a_prefix_stands_only_if_the_census_counts_more_than_20000_people_under_it() -> None:
    denied = {
        "00501": "a unique code",
        "09012": "the military overseas",
        "20500": "offices",
        "36901": "17,340 people",
        "21301": "not assigned",
        "83001": "on the guidance's list, though more than 20,000 live there now",
    }
    assert treated(Zip3(), list(denied), pa.string()) == ["000"] * len(denied)
    assert treated(Zip3(), ["57601", "99901", "00601", "96701"], pa.string()) == ["576", "999", "006", "967"]


def test_the_prefixes_that_stand_are_those_of_the_table_above_the_threshold() -> None:
    table = (Path(jobs.privacy.__file__).parent / "zip3_population.csv").read_text().splitlines()
    people = {prefix: int(count) for prefix, count in (row.split(",") for row in table[1:])}
    assert len(people) == len(table) - 1 == 893
    assert all(len(prefix) == 3 and prefix.isdigit() for prefix in people)
    assert 325_000_000 < sum(people.values()) < 335_000_000
    assert set(populous_prefixes()) == {p for p, n in people.items() if n > 20_000} - set(sparse_prefixes())
    assert len(populous_prefixes()) == 871


def test_constant_stands_where_there_was_a_value() -> None:
    assert treated(Constant(value="gone"), ["a", None, ""], pa.string()) == ["gone", None, "gone"]


@pytest.mark.parametrize(
    ("action", "kind"),
    [(Shift(), pa.string()), (Year(), pa.int64()), (Zip3(), pa.int64()), (Token(), pa.binary()), (Token(), pa.bool_()),
     (AgeBand(), made_up.TIMESTAMP), (Hash(), made_up.TIMESTAMP), (Constant(value="x"), pa.int8())],
)  # fmt: skip
def test_a_column_that_an_action_cannot_treat_is_left_out(action: Action, kind: pa.DataType) -> None:
    assert action.output(kind) is None


@pytest.mark.parametrize(
    "code",
    [
        *(
            "2345-7",
            "E11.9",
            "NO ",
            "µmol/L",
            "10*3/uL",
            "{cells}/uL",
            "mm[Hg]",
            "^1^1",
            "HL70078",
            '""',
            "0071-0155-23",
        ),
        *("1.2.840.10008.1.2", "66267008", "1990", "2.5.1", "123e4567-e89b-12d3-a456-426614174000", "x" * 64),
    ],
)
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_codes_and_units_are_one_word(code: str, kind: pa.DataType) -> None:
    assert treated(OneWord(), [code, None], kind) == [code, None]


@pytest.mark.parametrize(
    "text",
    [
        *("Jane Doe", "DOE,JANE", "jane@example.org", "1&Doe", "A~Doe", "two\u00a0words", "two\nlines", "x" * 65, " "),
        *("444-44-4444", "555-123-4567", "(555)123-4567", "19470301", "200702090516", "19470301120000.12+0100"),
        *("1947-03-01", "1947-03-01T12:00:00Z", "01.03.1947", "3/1/1947"),
    ],
)
def test_what_is_typed_is_no_code(text: str) -> None:
    assert treated(OneWord(), ["A", text, "A", None, text], pa.string()) == ["A", None, "A", None, None]


_PIECES = st.sampled_from(
    ["19", "20", "47", "03", "01", "444", "4444", "-", "/", ".", "T", "A", "x", " ", ",", "+0100"]
)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.lists(st.lists(_PIECES, max_size=9).map("".join), min_size=1, max_size=20), st.booleans())
def test_a_code_that_is_told_quickly_is_one_by_the_patterns_too(texts: list[str], days: bool) -> None:
    action = OneWord(days=days, longest=12)
    assert treated(action, texts, pa.string()) == [text if action.fits(text) else None for text in texts]


def test_days_stand_where_a_policy_lets_them() -> None:
    assert treated(OneWord(days=True), ["19470301", "444-44-4444"], pa.string()) == ["19470301", None]


def test_a_word_may_not_be_longer_than_said_and_numbers_stay() -> None:
    assert treated(OneWord(longest=3), ["abc", "abcd"], pa.string()) == ["abc", None]
    assert treated(OneWord(), [1.5, None], pa.float64()) == [1.5, None]


def test_a_column_of_codes_alone_is_the_column_itself() -> None:
    codes = pa.array(["A", None, "B"])
    assert OneWord().apply(codes, rows(3)) is codes
