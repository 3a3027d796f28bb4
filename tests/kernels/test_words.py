"""Memory by address, against the array that holds it."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from connectors.kernels.words import (
    byte_at,
    clear,
    equals,
    highest,
    int_at,
    lowest,
    ones,
    put_byte,
    put_int,
    put_word,
    word_at,
)


@njit
def _equals(array, place, byte):
    return equals(array.ctypes.data + place, byte)


@njit
def _counted(bits):
    return ones(bits), lowest(bits), highest(bits)


@njit
def _read(array, place):
    at = array.ctypes.data + place
    return byte_at(at), int_at(at), word_at(at)


@njit
def _written(array):
    at = array.ctypes.data
    put_byte(at, 0x1FE)
    put_int(at + 4, -2)
    put_word(at + 8, -3)
    clear(at + 16, 12)


@pytest.mark.parametrize("byte", [0, 124, 255])
def test_the_bits_are_the_places_of_the_byte(byte: int) -> None:
    array = np.random.default_rng(1).choice(np.array([0, 124, 255], np.uint8), 200)
    for place in (0, 1, 63, 136):
        want = sum(1 << i for i in range(64) if array[place + i] == byte)
        assert _equals(array, place, byte) == want


@pytest.mark.parametrize("bits", [0, 1, 1 << 63, (1 << 64) - 1, 0b101000])
def test_bits_are_counted_and_found_from_either_end(bits: int) -> None:
    want = (bits & -bits).bit_length() - 1 if bits else 64
    assert _counted(np.uint64(bits)) == (bits.bit_count(), want, bits.bit_length() - 1)


def test_what_is_read_is_what_stands_there() -> None:
    array = np.array([-5, 1 << 40], np.int64).view(np.uint8)
    assert _read(array, 0) == (251, -5, -5)
    assert _read(array, 8) == (0, 0, 1 << 40)


def test_what_is_written_stands_there() -> None:
    array = np.full(4, -1, np.int64)
    _written(array)
    assert (array.view(np.uint8)[0], array.view(np.int32)[1], array[1]) == (0xFE, -2, -3)
    assert array.view(np.int32)[4:].tolist() == [0, 0, 0, -1]
