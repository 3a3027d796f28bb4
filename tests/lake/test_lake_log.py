"""Canonical JSON, the Merkle tree, signatures, and the log that is made of them."""

from __future__ import annotations

import hashlib
import json

import pytest
import rfc8785
from building import OTHER_SIGNER, SIGNER, commit, new_lake
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import ConfigError, LakeError
from connectors.lake import Lake
from connectors.lake.canonical import LARGEST, canonical
from connectors.lake.commit import root_of
from connectors.lake.inputs import LEAVES, read_table
from connectors.lake.layout import entry_key, leaves_key
from connectors.lake.signing import from_pem, is_signed, key_id, sign, to_pem
from connectors.merkle import root

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-LARGEST, LARGEST) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
@settings(derandomize=True, max_examples=200, deadline=None)
def test_canonical_json_is_that_of_another_implementation(value):
    assert canonical(value) == rfc8785.dumps(value)


def test_members_stand_in_the_order_of_utf_16():
    expected = '{"\\r":4,"a":3,"\U0001f600":1,"\ufb33":2}'
    assert canonical({"\ufb33": 2, "\U0001f600": 1, "a": 3, "\r": 4}) == expected.encode()


def test_fractions_and_large_integers_have_no_canonical_form_here():
    with pytest.raises(TypeError):
        canonical({"a": 1.5})
    with pytest.raises(ValueError, match="too large"):
        canonical([2**53])


def leaf(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def slow_root(leaves: list[bytes]) -> bytes:
    """As RFC 6962, 2.1 says it: split at the largest power of two below n."""
    if len(leaves) < 2:
        return leaf(leaves[0]) if leaves else hashlib.sha256(b"").digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return node(slow_root(leaves[:split]), slow_root(leaves[split:]))


def test_the_root_is_the_rfcs():
    assert root([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    for n in range(40):
        leaves = [str(k).encode() for k in range(n)]
        assert root(leaves) == slow_root(leaves)


def test_the_root_of_seven_is_the_tree_of_the_rfc():
    d = [bytes([n]) for n in range(7)]
    left = node(node(leaf(d[0]), leaf(d[1])), node(leaf(d[2]), leaf(d[3])))
    assert root(d) == node(left, node(node(leaf(d[4]), leaf(d[5])), leaf(d[6])))


def test_a_signature_is_over_everything_else():
    content = json.loads(sign({"number": 1, "run": "x"}, SIGNER))
    assert content["signed_by"] == key_id(SIGNER.public_key())
    assert is_signed(content, SIGNER.public_key())
    assert not is_signed(content, OTHER_SIGNER.public_key())
    assert not is_signed({**content, "number": 2}, SIGNER.public_key())
    assert not is_signed({**content, "more": 2}, SIGNER.public_key())
    assert not is_signed({**content, "signature": "?"}, SIGNER.public_key())
    assert not is_signed({"number": 1}, SIGNER.public_key())


def test_a_key_is_named_by_its_hash():
    raw = bytes.fromhex("03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8")
    assert key_id(SIGNER.public_key()) == hashlib.sha256(raw).hexdigest()[:32]
    assert key_id(from_pem(to_pem(SIGNER.public_key()))) == key_id(SIGNER.public_key())


def test_a_file_that_is_no_key_is_refused():
    with pytest.raises(ConfigError, match="PUBLIC_KEY"):
        from_pem(b"-----BEGIN NOTHING-----")


def test_an_entry_can_be_checked_with_the_documented_steps_alone(tmp_path):
    lake = new_lake(str(tmp_path))
    commit(lake, "a", "b")
    data = (tmp_path / "_runs" / f"{1:020d}.json").read_bytes()
    entry = json.loads(data)
    assert rfc8785.dumps(entry) == data
    leaves = read_table(lake.store.get(leaves_key(entry["leaves"])), LEAVES)
    rows = [rfc8785.dumps({k: v for k, v in row.items() if v is not None}) for row in leaves.to_pylist()]
    assert entry["root"] == slow_root([*rows, rfc8785.dumps({"inputs": entry["inputs"]})]).hex()
    assert entry["root"] == root_of(leaves, entry["inputs"])


def test_nothing_outside_restricted_holds_an_object_key(tmp_path):
    lake = new_lake(str(tmp_path))
    commit(lake, "MRN-12345678-of-a-person")
    open_files = [f for f in tmp_path.rglob("*") if f.is_file() and "restricted" not in f.parts]
    runs = [f for f in open_files if "_runs" in f.parts]
    assert len(runs) == 5
    assert [f for f in runs if b"MRN-12345678" in f.read_bytes()] == []


def test_equal_inputs_have_another_hash_in_every_entry(tmp_path):
    first, second = (commit(new_lake(str(tmp_path / name)), "a") for name in ("one", "two"))
    assert first.leaves == second.leaves
    assert first.inputs != second.inputs


def test_a_log_with_a_gap_is_not_written_to(tmp_path):
    lake = new_lake(str(tmp_path))
    for key in ("a", "b", "c"):
        commit(lake, key)
    (tmp_path / entry_key(2)).unlink()
    with pytest.raises(LakeError, match="LOG_GAP"):
        Lake.open(str(tmp_path))


def test_a_log_whose_hashes_do_not_follow_is_not_written_to(tmp_path):
    lake = new_lake(str(tmp_path))
    for key in ("a", "b"):
        commit(lake, key)
    file = tmp_path / entry_key(1)
    file.write_bytes(file.read_bytes().replace(b'"0.1.0"', b'"0.1.1"'))
    with pytest.raises(LakeError, match="LOG_CHAIN"):
        Lake.open(str(tmp_path))


def test_a_put_whose_answer_was_lost_counts_as_made(tmp_path, monkeypatch):
    lake = new_lake(str(tmp_path))
    put = type(lake.store).put_if_absent

    def deaf(store, key, data):
        put(store, key, data)
        return False

    monkeypatch.setattr(type(lake.store), "put_if_absent", deaf)
    assert commit(lake, "a").number == 1
    assert lake.head()[0] == 1
