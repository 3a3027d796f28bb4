"""Compressed streams: what goes in comes out, damage is told from an end, and nothing expands without limit."""

from __future__ import annotations

import bz2
import gzip
import random
from collections.abc import Iterator

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import RecordError
from connectors.storage.compression import Expansion, content_name, decompressed, kind, kind_by_name

COMPRESS = {"gz": gzip.compress, "zst": zstandard.compress, "bz2": bz2.compress}
TEXT = b"".join(b"MSH|^~\\&|A|B|%d\rPID|1||%d\r" % (n, n * 7919) for n in range(2000))


def cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[n : n + size] for n in range(0, len(data), size))


def expand(name: str, data: bytes, size: int = 1000, limit: Expansion | None = None) -> bytes:
    return b"".join(decompressed(name, cut(data, size), limit or Expansion(), "s3://bucket/key"))


@pytest.mark.parametrize("name", COMPRESS)
@settings(derandomize=True, deadline=None, max_examples=30)
@given(parts=st.lists(st.binary(max_size=3000), min_size=1, max_size=4), size=st.integers(1, 4000))
def test_any_number_of_streams_in_any_blocks_gives_the_content(name: str, parts: list[bytes], size: int) -> None:
    stored = b"".join(COMPRESS[name](p) for p in parts)
    assert kind(stored[:10]) == name
    assert expand(name, stored, size) == b"".join(parts)


@pytest.mark.parametrize("name", COMPRESS)
def test_a_stream_that_is_cut_short_is_damaged(name: str) -> None:
    stored = COMPRESS[name](TEXT)
    for end in (12, len(stored) // 2, len(stored) - 1):
        with pytest.raises(RecordError) as caught:
            expand(name, stored[:end])
        assert caught.value.code == "COMPRESSION_DAMAGED"


@pytest.mark.parametrize("name", COMPRESS)
def test_a_second_stream_that_is_cut_short_is_damaged(name: str) -> None:
    stored = COMPRESS[name](TEXT)
    with pytest.raises(RecordError) as caught:
        expand(name, stored + stored[: len(stored) // 2])
    assert caught.value.code == "COMPRESSION_DAMAGED"


@pytest.mark.parametrize("name", ["gz", "bz2"])
def test_a_changed_byte_is_damage(name: str) -> None:
    stored = bytearray(COMPRESS[name](TEXT))
    stored[len(stored) // 2] ^= 0xFF
    with pytest.raises(RecordError) as caught:
        expand(name, bytes(stored))
    assert caught.value.code == "COMPRESSION_DAMAGED"


@pytest.mark.parametrize("name", COMPRESS)
def test_text_behind_a_stream_is_damage_and_zeros_are_padding(name: str) -> None:
    stored = COMPRESS[name](TEXT)
    assert expand(name, stored + bytes(512)) == TEXT
    with pytest.raises(RecordError) as caught:
        expand(name, stored + b"MSH|^~\\&|")
    assert caught.value.code == "COMPRESSION_DAMAGED"


@pytest.mark.parametrize("name", COMPRESS)
def test_what_expands_beyond_the_ratio_is_refused_before_it_is_all_there(name: str) -> None:
    stored = COMPRESS[name](bytes(64 << 20))
    given_out = 0
    with pytest.raises(RecordError) as caught:
        for block in decompressed(name, cut(stored, 1 << 20), Expansion(max_ratio=10, free_bytes=1 << 20), "key"):
            given_out += len(block)
    assert caught.value.code == "EXPANSION_LIMIT"
    assert given_out <= (1 << 20) + 10 * len(stored)


def test_what_expands_beyond_the_size_is_refused() -> None:
    data = random.Random(1).randbytes(100_000)
    with pytest.raises(RecordError) as caught:
        expand("gz", gzip.compress(data), limit=Expansion(max_bytes=99_999))
    assert caught.value.code == "EXPANSION_LIMIT"
    assert expand("gz", gzip.compress(data), limit=Expansion(max_bytes=100_000)) == data


def test_the_first_bytes_decide_and_text_is_not_compressed() -> None:
    assert kind(b"MSH|^~\\&|A") is None
    assert kind(b"BZh9 is text") is None
    assert kind(b"") is None
    assert kind(zstandard.ZstdCompressor().compressobj().compress(b"") or b"\x28\xb5\x2f\xfd") == "zst"


def test_a_name_without_its_compression() -> None:
    assert content_name("s3://b/day.hl7.GZ") == "s3://b/day.hl7"
    assert content_name("s3://b/day.hl7") == "s3://b/day.hl7"
    assert kind_by_name("/a/b.zst") == "zst"
    assert kind_by_name("/a/gz") is None
