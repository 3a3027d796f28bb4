"""Batch digests against hashlib and hmac: sixteen or two side by side, by the libcrypto loop, and by hashlib."""

import ctypes
import hashlib
import hmac
import mmap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors import digests
from connectors.kernels import sha256, sha256_pairs, sha256_spans


@pytest.fixture(params=["sixteen at once", "two at once", "libcrypto", "hashlib"])
def way(request, monkeypatch):
    if request.param == "two at once" and not sha256_pairs.pays():
        pytest.skip("the processor has no instructions for SHA")
    monkeypatch.setattr(sha256, "pays", lambda: request.param == "sixteen at once")
    monkeypatch.setattr(sha256_pairs, "pays", lambda: request.param == "two at once")
    if request.param == "hashlib":
        monkeypatch.setattr(digests, "_functions", lambda: None)
    elif digests._functions() is None:
        pytest.skip("Python's libcrypto does not show SHA256_Init")
    return request.param


def test_spans_of_every_length_around_the_block_borders_equal_hashlib(way):
    buf = np.random.default_rng(5).integers(0, 256, 4096, dtype=np.uint8)
    ends = np.array([*range(200), 4096], np.int64)
    starts = np.maximum(ends - np.arange(len(ends)) * 2 // 3, 0)
    expected = [hashlib.sha256(buf[a:b].tobytes()).digest() for a, b in zip(starts, ends, strict=True)]
    assert digests.sha256_spans(buf, starts, ends).tobytes() == b"".join(expected)


def test_no_spans_give_no_digests(way):
    nothing = np.empty(0, np.int64)
    assert digests.sha256_spans(np.empty(0, np.uint8), nothing, nothing).shape == (0, 32)


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (0, 11), (5, 4)])
def test_a_span_outside_the_buffer_is_refused(start, end):
    with pytest.raises(ValueError, match="not inside"):
        digests.sha256_spans(np.zeros(10, np.uint8), np.array([start]), np.array([end]))


@pytest.mark.parametrize("count", [1, 7, 8, 16, 31])
@pytest.mark.parametrize("width", [0, 1, 32, 55, 56, 63, 64, 65, 119, 120, 128])
def test_rows_equal_hashlib(way, width, count):
    rows = np.random.default_rng(7).integers(0, 256, (count, width), dtype=np.uint8)
    assert digests.sha256_rows(rows).tobytes() == b"".join(hashlib.sha256(row.tobytes()).digest() for row in rows)


@pytest.mark.parametrize("length", [0, 1, 32, 64, 65, 200])
def test_hmac_of_rows_equals_the_standard_library_for_short_and_long_keys(way, length):
    key = bytes(range(length % 256)) * (length // 256 + 1) if length < 200 else b"k" * length
    rows = np.random.default_rng(3).integers(0, 256, (43, 32), dtype=np.uint8)
    expected = [hmac.digest(key, row.tobytes(), "sha256") for row in rows]
    assert digests.hmac_sha256_rows(key, rows).tobytes() == b"".join(expected)


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 48, 63])
@pytest.mark.parametrize("width", [0, 1, 31, 32, 33, 55, 56, 130])
def test_hmac_of_any_number_of_rows_of_any_width_equals_the_standard_library(way, width, count):
    rows = np.random.default_rng(11).integers(0, 256, (count, width), dtype=np.uint8)
    expected = [hmac.digest(b"key", row.tobytes(), "sha256") for row in rows]
    assert digests.hmac_sha256_rows(b"key", rows).tobytes() == b"".join(expected)


def test_a_published_vector_of_rfc_4231(way):
    row = np.frombuffer(b"what do ya want for nothing?", np.uint8).reshape(1, -1)
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert digests.hmac_sha256_rows(b"Jefe", row).tobytes().hex() == expected


@pytest.mark.parametrize("longest", [100, 100_000])
def test_whole_objects_equal_hashlib_though_one_is_far_longer(way, longest):
    several = [bytes([n % 251]) * n for n in [*range(40), longest, 0]]
    assert digests.sha256_all(several) == [hashlib.sha256(data).digest() for data in several]


def test_spans_that_few_others_are_as_long_as_are_left_to_the_other_way():
    buf = np.zeros(70_000, np.uint8)
    lengths = np.array([*[70] * 32, *[10, 60_000, 70_000]], np.int64)
    _, alone = sha256_spans.digests_of(np.full(35, buf.ctypes.data), lengths, sha256.initial(), 0)
    assert np.flatnonzero(alone).tolist() == [32, 33, 34]


@pytest.mark.parametrize("lengths", [[], [5], [70, 70, 60], [0, 55, 56, 119, 120, 3, 64], [1 << 40, 9, 1 << 30, 80]])
def test_spans_are_ordered_by_how_many_blocks_they_make(lengths):
    blocks = [min((length + 9 + 63) // 64, sha256_spans._MOST) for length in lengths]
    expected = sorted(range(len(lengths)), key=blocks.__getitem__)
    assert sha256_spans._by_blocks(np.array(lengths, np.int64)).tolist() == expected


def test_no_byte_behind_a_span_is_read(way):
    page = mmap.PAGESIZE
    held = mmap.mmap(-1, 2 * page)
    buf = np.frombuffer(held, np.uint8)
    buf[:page] = np.random.default_rng(13).integers(0, 256, page, dtype=np.uint8)
    lengths = np.arange(130, dtype=np.int64).repeat(sha256.LANES)
    starts, behind = page - lengths, ctypes.c_void_p(buf.ctypes.data + page)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mprotect(behind, ctypes.c_size_t(page), 0) == 0
    try:
        found = digests.sha256_spans(buf, starts, starts + lengths)
    finally:
        libc.mprotect(behind, ctypes.c_size_t(page), mmap.PROT_READ | mmap.PROT_WRITE)
    expected = [hashlib.sha256(buf[start:page].tobytes()).digest() for start in starts.tolist()]
    assert found.tobytes() == b"".join(expected)


@settings(derandomize=True, max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=150), max_size=40), st.binary(max_size=80))
def test_any_spans_equal_hashlib(parts, between):
    buf = np.frombuffer(between + between.join(parts), np.uint8)
    starts, at = [], len(between)
    for part in parts:
        starts.append(at)
        at += len(part) + len(between)
    begin = np.array(starts, np.int64)
    ends = begin + np.array([len(part) for part in parts], np.int64)
    expected = b"".join(hashlib.sha256(part).digest() for part in parts)
    assert digests.sha256_spans(buf, begin, ends).tobytes() == expected
