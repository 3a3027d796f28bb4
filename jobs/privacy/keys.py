"""The root data key of a dataset, the subkeys derived from it, and the files that hold keys."""

from __future__ import annotations

import base64
import binascii
import contextlib
import datetime
import errno
import hashlib
import json
import os
import secrets
import stat
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from connectors.errors import AccessError, ConfigError
from jobs.privacy.kms import WrappedKey, unwrap

ROOT_BYTES = 64
DATA_KEY = "data-key.json"
SIGNING_KEY = "signing-key.pem"
PUBLIC_KEY = "signing-key.pub.pem"


class Secret:
    """Bytes that never show: not by print, format, pickle or copy. Only `reveal` gives them."""

    __slots__ = ("_bytes",)

    def __init__(self, value: bytes) -> None:
        self._bytes = value

    def reveal(self) -> bytes:
        """The bytes themselves."""
        return self._bytes

    def __repr__(self) -> str:
        return "Secret(…)"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a secret is not pickled or copied: pass the reference to its key")


class Keyring:
    """The subkeys of one dataset, derived from its root key by purpose and domain (HKDF-SHA256, RFC 5869).

    root: 64 random bytes. epoch: raised when a zone is to be made anew under other subkeys. A keyring is not pickled:
    a task is given its KeyReference and loads it itself.
    """

    __slots__ = ("_root", "_subkeys", "epoch", "key_id")

    def __init__(self, root: bytes, epoch: int = 1) -> None:
        if len(root) != ROOT_BYTES:
            raise ConfigError("KEY_DAMAGED", f"the data key is not {ROOT_BYTES} bytes long; restore it from its backup")
        self._root = Secret(root)
        self._subkeys: dict[tuple[str, str, int], Secret] = {}
        self.epoch = epoch
        self.key_id: str = hashlib.sha256(self.subkey("key-id", "", 32)).hexdigest()[:16]
        """Public fingerprint of root and epoch: 16 hexadecimal digits."""

    def subkey(self, purpose: str, domain: str, length: int) -> bytes:
        """`length` bytes for one purpose ("token", "hash", "shift") in one domain ("patient")."""
        wanted = (purpose, domain, length)
        if wanted not in self._subkeys:
            info = f"clinray/1/{purpose}/{domain}/{self.epoch}".encode()
            derivation = HKDF(algorithm=hashes.SHA256(), length=length, salt=None, info=info)
            self._subkeys[wanted] = Secret(derivation.derive(self._root.reveal()))
        return self._subkeys[wanted].reveal()

    def __repr__(self) -> str:
        return f"Keyring(key_id={self.key_id!r}, epoch={self.epoch})"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a keyring is not pickled or copied: pass its KeyReference")


@dataclass(frozen=True)
class KeyReference:
    """Where a task finds the data key; holds no secret and pickles.

    Either `path`, the absolute path of a key file, or `wrapped`, a key that only the key service can open. key_id: the
    fingerprint of the key that was there when the reference was made.
    """

    path: str = ""
    wrapped: WrappedKey | None = None
    epoch: int = 1
    key_id: str = ""


@dataclass(frozen=True)
class KeyPaths:
    """The files of a key folder; `created` are those that were made just now."""

    data_key: Path
    signing_key: Path
    public_key: Path
    created: tuple[Path, ...] = ()


class _KeyFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    version: int = Field(ge=1, le=1)
    id: str
    created: str
    epoch: int = Field(default=1, ge=1)
    key: str = Field(default="", repr=False)
    wrapped: WrappedKey | None = None


def initialise(folder: Path, wrap: Callable[[], WrappedKey] | None = None) -> KeyPaths:
    """Makes a data key and a signing key in `folder` where they are missing; an existing key is never touched. The
    public file of a signing key that is gone gets a name of its own: it still proves what that key signed.

    wrap: makes the data key, which only a key service can open then. Raises AccessError where the folder cannot be
    written, what a damaged key raises, and what `wrap` does: then none is made.
    """
    paths = KeyPaths(folder / DATA_KEY, folder / SIGNING_KEY, folder / PUBLIC_KEY)
    try:
        check(folder)
        data_key = None if paths.data_key.exists() else _new_data_key(wrap)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        created = [paths.data_key] if data_key and _put(paths.data_key, data_key, 0o600) else []
        if _put(paths.signing_key, _new_signing_key(), 0o600):
            created.append(paths.signing_key)
            _set_aside(paths.public_key)
        created += [paths.public_key] if _put(paths.public_key, _public_pem(paths.signing_key), 0o644) else []
    except OSError as error:
        raise _unwritable(folder, error.errno) from None
    return KeyPaths(paths.data_key, paths.signing_key, paths.public_key, tuple(created))


def check(folder: Path) -> None:
    """Raises what `initialise` would, without asking a key service, and writes nothing: reads the keys that are there,
    and looks whether the folder, or the nearest one above it that exists, can be written."""
    if (folder / DATA_KEY).exists() and (data := reference(folder / DATA_KEY)).wrapped is None:
        load(data)
    if (folder / SIGNING_KEY).exists():
        signing_key(folder / SIGNING_KEY)
    nearest = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    if not nearest.is_dir():
        raise _unwritable(folder, errno.ENOTDIR)
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise _unwritable(folder, errno.EACCES)


def _unwritable(folder: Path, number: int | None) -> AccessError:
    return AccessError("KEY_FOLDER", f"the key folder {folder} cannot be written: {os.strerror(number or 0)}")


def _set_aside(public: Path) -> None:
    """Renames a public file, where there is one, to a name that follows from what it holds."""
    with contextlib.suppress(FileNotFoundError):
        digits = hashlib.sha256(public.read_bytes()).hexdigest()[:8]
        public.rename(public.with_name(f"signing-key-{digits}.pub.pem"))


def replace_wrapped(path: Path, wrapped: WrappedKey) -> None:
    """Puts the same data key, wrapped anew, into a wrapped key file. Raises ConfigError if it is another key."""
    file = _parsed(path)
    if Keyring(unwrap(wrapped), file.epoch).key_id != file.id:
        raise ConfigError("KEY_OTHER", f"the wrapped key is not the one of the key file {path}; nothing was changed")
    content = file.model_dump(mode="json", exclude={"key"}) | {"wrapped": wrapped.model_dump(mode="json")}
    temporary = _temporary(path, _json(content), 0o600)
    temporary.replace(path)


def reference(path: Path) -> KeyReference:
    """The reference to a key file; a wrapped key travels in it, so that a task needs no file."""
    file = _parsed(path)
    if file.wrapped is not None:
        return KeyReference(wrapped=file.wrapped, epoch=file.epoch, key_id=file.id)
    return KeyReference(path=str(path.absolute()), epoch=file.epoch, key_id=file.id)


def opened(reference: KeyReference) -> Keyring:
    """`load`, once in a process for a reference: else each bundle's task would ask the key service anew."""
    wrapped = reference.wrapped.model_dump_json() if reference.wrapped is not None else ""
    return _opened(reference.path, wrapped, reference.epoch, reference.key_id)


@lru_cache(maxsize=4)
def _opened(path: str, wrapped: str, epoch: int, key_id: str) -> Keyring:
    key = WrappedKey.model_validate_json(wrapped) if wrapped else None
    return load(KeyReference(path, key, epoch, key_id))


def load(reference: KeyReference) -> Keyring:
    """The keyring behind a reference. Raises AccessError (unreadable, refused) or ConfigError (damaged)."""
    if reference.wrapped is not None:
        return Keyring(unwrap(reference.wrapped), reference.epoch)
    path = Path(reference.path)
    file = _parsed(path)
    try:
        root = base64.b64decode(file.key, validate=True) if file.wrapped is None else unwrap(file.wrapped)
    except (binascii.Error, ValueError):
        raise _damaged(path) from None
    keyring = Keyring(root, file.epoch)
    if keyring.key_id != file.id or reference.key_id not in ("", file.id):
        raise _damaged(path)
    return keyring


def signing_key(path: Path) -> Ed25519PrivateKey:
    """The Ed25519 key (PEM, PKCS 8, unencrypted, 0600) that signs the lake's log."""
    try:
        key = serialization.load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError):
        raise _damaged(path) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError("KEY_KIND", f"the signing key {path} is not an Ed25519 key")
    return key


def _parsed(path: Path) -> _KeyFile:
    try:
        file = _KeyFile.model_validate_json(_read(path))
    except ValidationError:
        raise _damaged(path) from None
    if bool(file.key) == (file.wrapped is not None):
        raise _damaged(path)
    return file


def _read(path: Path) -> bytes:
    """The content of a key file that nobody else may read."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read()
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise AccessError("KEY_UNREADABLE", f"the key file {path} cannot be read: {reason}") from None
    if _open_to_others(status):
        raise AccessError("KEY_MODE", f"the key file {path} is open to others; run: chmod 600 {path}")
    return content


def _open_to_others(status: os.stat_result) -> bool:
    mode = stat.S_IMODE(status.st_mode)
    # A Secret mounted by Kubernetes belongs to root and is lent to the pod's group for reading (0440).
    lent = status.st_uid == 0 and os.geteuid() != 0 and not mode & 0o037
    return bool(mode & 0o077) and not lent


def _damaged(path: Path) -> ConfigError:
    return ConfigError("KEY_DAMAGED", f"the key file {path} is damaged or of another kind; restore it from its backup")


def _new_data_key(wrap: Callable[[], WrappedKey] | None) -> bytes:
    """What stands in the file of a new data key."""
    key: dict[str, Any]
    if wrap is None:
        root = secrets.token_bytes(ROOT_BYTES)
        key = {"key": base64.b64encode(root).decode()}
    else:
        wrapped = wrap()
        root, key = unwrap(wrapped), {"wrapped": wrapped.model_dump(mode="json")}
    return _json({"version": 1, "id": Keyring(root).key_id, "created": _now(), "epoch": 1, **key})


def _new_signing_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _public_pem(private: Path) -> bytes:
    return (
        signing_key(private)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def _json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=2) + "\n").encode()


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _temporary(path: Path, content: bytes, mode: int) -> Path:
    descriptor, name = tempfile.mkstemp(prefix=".", dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return Path(name)


def _put(path: Path, content: bytes, mode: int) -> bool:
    """Creates the file whole or not at all; False if it exists, even if another process made it just now."""
    temporary = _temporary(path, content, mode)
    try:
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
            return True
        return False
    finally:
        temporary.unlink()
