"""Key files, keyrings, and keys that only the key service can open."""

from __future__ import annotations

import copy
import hashlib
import json
import pickle
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from moto.server import ThreadedMotoServer

from connectors.errors import AccessError, ClinrayError, ConfigError
from jobs.privacy import keys, kms

ROOT = bytes(range(64))


@pytest.fixture
def paths(tmp_path: Path) -> keys.KeyPaths:
    return keys.initialise(tmp_path / "clinray")


def test_the_folder_gets_three_files_that_only_the_owner_reads(paths: keys.KeyPaths) -> None:
    assert paths.created == (paths.data_key, paths.signing_key, paths.public_key)
    assert [stat.S_IMODE(p.stat().st_mode) for p in paths.created] == [0o600, 0o600, 0o644]
    assert stat.S_IMODE(paths.data_key.parent.stat().st_mode) == 0o700
    assert len(list(paths.data_key.parent.iterdir())) == 3


def test_existing_keys_are_never_overwritten(paths: keys.KeyPaths) -> None:
    before = {p: p.read_bytes() for p in paths.created}
    paths.public_key.unlink()
    again = keys.initialise(paths.data_key.parent)
    assert again.created == (paths.public_key,)
    assert {p: p.read_bytes() for p in before} == before


def test_a_new_signing_key_has_a_public_file_of_its_own_and_the_old_one_is_kept(paths: keys.KeyPaths) -> None:
    before = paths.public_key.read_bytes()
    paths.signing_key.unlink()
    again = keys.initialise(paths.data_key.parent)
    assert again.created == (paths.signing_key, paths.public_key)
    test_the_signing_key_signs_what_the_public_file_verifies(again)
    kept = list(paths.data_key.parent.glob("signing-key-*.pub.pem"))
    assert [path.read_bytes() for path in kept] == [before]
    assert kept[0].name == f"signing-key-{hashlib.sha256(before).hexdigest()[:8]}.pub.pem"


@pytest.mark.parametrize(
    "damage", [lambda content: b"damaged", lambda content: content.replace(b'"key": "', b'"key": "AAAA')]
)
@pytest.mark.parametrize(("damaged", "missing"), [("data_key", "signing_key"), ("signing_key", "data_key")])
def test_beside_a_damaged_key_none_is_made(
    paths: keys.KeyPaths, damaged: str, missing: str, damage: Callable[[bytes], bytes]
) -> None:
    path = getattr(paths, damaged)
    path.write_bytes(damage(path.read_bytes()).replace(b"-----BEGIN", b"-----BEGUN"))
    getattr(paths, missing).unlink()
    paths.public_key.unlink()
    before = sorted(paths.data_key.parent.iterdir())
    with pytest.raises(ConfigError):
        keys.initialise(paths.data_key.parent)
    assert sorted(paths.data_key.parent.iterdir()) == before == [getattr(paths, damaged)]


def test_a_reference_loads_the_same_keyring_and_holds_no_secret(paths: keys.KeyPaths) -> None:
    reference = pickle.loads(pickle.dumps(keys.reference(paths.data_key)))
    secret = json.loads(paths.data_key.read_text())["key"]
    assert secret not in repr(reference)
    first, second = keys.load(reference), keys.load(reference)
    assert first.key_id == second.key_id == json.loads(paths.data_key.read_text())["id"]
    assert first.subkey("token", "patient", 64) == second.subkey("token", "patient", 64)


def test_subkeys_differ_by_root_epoch_purpose_and_domain() -> None:
    subkeys = {
        keys.Keyring(ROOT).subkey("token", "patient", 32),
        keys.Keyring(ROOT).subkey("token", "order", 32),
        keys.Keyring(ROOT).subkey("hash", "patient", 32),
        keys.Keyring(ROOT, epoch=2).subkey("token", "patient", 32),
        keys.Keyring(ROOT[::-1]).subkey("token", "patient", 32),
    }
    assert len(subkeys) == 5
    assert keys.Keyring(ROOT).key_id != keys.Keyring(ROOT, epoch=2).key_id


def test_tokens_of_earlier_versions_stay() -> None:
    assert keys.Keyring(ROOT).key_id == "a8e0e1c4419c328e"
    assert keys.Keyring(ROOT).subkey("token", "patient", 16).hex() == "3cc71b979d1c1164b9a1b0483eb673a4"


@pytest.mark.parametrize("work", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_keyring_is_neither_pickled_nor_copied(work: Any) -> None:
    with pytest.raises(TypeError, match="KeyReference"):
        work(keys.Keyring(ROOT))
    with pytest.raises(TypeError, match="not pickled"):
        work(keys.Secret(ROOT))


def test_a_keyring_shows_no_secret() -> None:
    shown = f"{keys.Keyring(ROOT)!r} {keys.Keyring(ROOT)} {keys.Secret(ROOT)!r} {keys.Secret(ROOT)}"
    assert ROOT.hex()[:8] not in shown
    assert "\\x01" not in shown
    assert not hasattr(keys.Keyring(ROOT), "__dict__")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_that_is_open_to_others_is_refused(paths: keys.KeyPaths, mode: int) -> None:
    for path, read in ((paths.data_key, keys.reference), (paths.signing_key, keys.signing_key)):
        path.chmod(mode)
        with pytest.raises(AccessError, match="KEY_MODE"):
            read(path)


def test_damaged_and_missing_files_are_named_without_their_content(paths: keys.KeyPaths) -> None:
    good = json.loads(paths.data_key.read_text())
    keyless = {k: v for k, v in good.items() if k != "key"}
    others = [good | {"id": "0" * 16}, good | {"key": "SECRET"}, good | {"version": 2}, keyless]
    for broken in ("", "{", "[]", *(json.dumps(o) for o in others)):
        paths.data_key.write_text(broken)
        with pytest.raises(ConfigError, match="KEY_DAMAGED") as caught:
            keys.load(keys.reference(paths.data_key))
        assert "SECRET" not in str(caught.value)
        assert good["key"] not in str(caught.value)
    with pytest.raises(AccessError, match="KEY_UNREADABLE"):
        keys.load(keys.KeyReference(path=str(paths.data_key) + ".missing"))
    paths.signing_key.write_bytes(b"no key")
    with pytest.raises(ConfigError, match="KEY_DAMAGED"):
        keys.signing_key(paths.signing_key)


def test_the_signing_key_signs_what_the_public_file_verifies(paths: keys.KeyPaths) -> None:
    public: Any = load_pem_public_key(paths.public_key.read_bytes())
    signature = keys.signing_key(paths.signing_key).sign(b"entry")
    public.verify(signature, b"entry")
    with pytest.raises(InvalidSignature):
        public.verify(signature, b"another entry")


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AccessError, match="KEY_FOLDER"):
        keys.initialise(tmp_path / "file" / "keys")


@pytest.fixture(scope="module")
def service() -> Any:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.fixture
def kms_key(service: str, credentials: None) -> str:
    client = boto3.client("kms", region_name="eu-central-1", endpoint_url=service)
    return str(client.create_key()["KeyMetadata"]["KeyId"])


def wrapped(service: str, kms_key: str) -> kms.WrappedKey:
    return kms.generate(kms_key, {"dataset": "ward", "project": "a"}, "eu-central-1", service)


def test_a_wrapped_key_travels_in_its_reference(tmp_path: Path, service: str, kms_key: str) -> None:
    path = keys.initialise(tmp_path / "k", lambda: wrapped(service, kms_key)).data_key
    reference = pickle.loads(pickle.dumps(keys.reference(path)))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.unlink()
    assert keys.load(reference).key_id == keys.load(reference).key_id


def test_wrapping_anew_changes_no_subkey(tmp_path: Path, service: str, kms_key: str) -> None:
    path = keys.initialise(tmp_path / "k", lambda: wrapped(service, kms_key)).data_key
    before = keys.reference(path)
    other = boto3.client("kms", region_name="eu-central-1", endpoint_url=service).create_key()["KeyMetadata"]["KeyId"]
    assert before.wrapped is not None
    keys.replace_wrapped(path, kms.rewrap(before.wrapped, other))
    after = keys.reference(path)
    assert after.wrapped is not None
    assert after.wrapped.ciphertext != before.wrapped.ciphertext
    assert after.wrapped.kms_key_id == other
    assert keys.load(after).subkey("token", "patient", 64) == keys.load(before).subkey("token", "patient", 64)


def test_another_key_does_not_take_the_place_of_the_first(tmp_path: Path, service: str, kms_key: str) -> None:
    path = keys.initialise(tmp_path / "k", lambda: wrapped(service, kms_key)).data_key
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="KEY_OTHER"):
        keys.replace_wrapped(path, wrapped(service, kms_key))
    keys.initialise(path.parent, lambda: wrapped(service, kms_key))
    assert path.read_bytes() == before


def test_beside_a_damaged_signing_key_no_wrapped_key_is_made(tmp_path: Path, service: str, kms_key: str) -> None:
    signing = tmp_path / "k" / keys.SIGNING_KEY
    signing.parent.mkdir()
    signing.touch(0o600)
    with pytest.raises(ConfigError, match="KEY_DAMAGED"):
        keys.initialise(signing.parent, lambda: wrapped(service, kms_key))
    assert list(signing.parent.iterdir()) == [signing]


def test_another_context_is_refused_in_one_sentence(service: str, kms_key: str) -> None:
    foreign = wrapped(service, kms_key).model_copy(update={"context": {"dataset": "other"}})
    with pytest.raises(AccessError, match="KMS_REFUSED") as caught:
        kms.unwrap(foreign)
    assert isinstance(caught.value, ClinrayError)
    assert "other" not in str(caught.value)


def test_a_key_without_context_is_not_made(service: str, kms_key: str) -> None:
    with pytest.raises(ConfigError, match="KMS_CONTEXT"):
        kms.generate(kms_key, {}, "eu-central-1", service)
