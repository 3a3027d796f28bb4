"""Python's search for cycles while a plan is made."""

from __future__ import annotations

import gc

import pytest

from jobs.collector import at_rest


def test_there_is_no_search_inside_and_there_is_one_again_behind() -> None:
    with at_rest():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_goes_on_after_an_error() -> None:
    with pytest.raises(ValueError), at_rest():
        raise ValueError
    assert gc.isenabled()


def test_where_nobody_searched_before_nobody_does_behind() -> None:
    gc.disable()
    try:
        with at_rest():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
