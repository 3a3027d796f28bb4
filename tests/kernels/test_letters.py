"""What characters text consists of."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.kernels.letters import plain_codes, visible_without_small_letters


def plainly(texts: list[str]) -> bool:
    """The obvious twin."""
    return all("!" <= c <= "\x7f" and not "a" <= c <= "z" for text in texts for c in text)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.lists(st.text("AZ09~|", max_size=9) | st.text(max_size=3), max_size=20), st.integers(0, 9))
def test_upper_case_is_told_as_its_twin_tells_it(texts: list[str], begin: int) -> None:
    assert visible_without_small_letters(pa.array(texts, pa.string())[begin:]) == plainly(texts[begin:])


@pytest.mark.parametrize("around", [0, 7, 300])
def test_each_character_of_ascii_is_told_wherever_it_stands(around: int) -> None:
    for character in map(chr, range(129)):
        text = "A" * around + character + "~" * around
        assert visible_without_small_letters(pa.array([text])) == plainly([text])


def surely_a_code(text: str | None, longest: int) -> bool:
    """The obvious twin of `plain_codes`."""
    if not text or len(text.encode()) > longest or not all("!" <= c < "\x7f" and c not in ",&~@" for c in text):
        return False
    begun = text[0] not in "12" and not set(text) & set("-/.")
    return len(text) < 8 or sum(c in "0123456789" for c in text) < 6 or begun


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.lists(st.none() | st.text("AZaz0129-/., &~@\x7fé", max_size=12), max_size=20), st.integers(0, 9))
def test_plain_codes_are_told_as_their_twin_tells_them(texts: list[str | None], begin: int) -> None:
    for kind in (pa.string(), pa.large_string()):
        found = plain_codes(pa.array(texts, kind)[begin:], 10)
        assert found.tolist() == [surely_a_code(text, 10) for text in texts[begin:]]
