"""Folders of the local file system."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import filterfalse, islice
from pathlib import Path
from typing import ParamSpec, TypeVar

from pyarrow.fs import FileInfo, LocalFileSystem

from connectors.contract import RawObject
from connectors.errors import ConfigError, ObjectChanged
from connectors.storage.ahead import one_ahead
from connectors.storage.direct import write_directly
from connectors.storage.faults import local_error
from connectors.storage.store import BLOCK_BYTES, PAGE_OBJECTS, Content

UNFINISHED = ".clinray-unfinished-"
"""Prefix of the names under which files are written before they get their own; listings pass over them."""

_MODE = 0o666
"""Of new files, before the process's mask."""

_AT_ONCE = 1024
"""How many buffers one call may write (Linux's IOV_MAX)."""

_BAD_KEY = re.compile(r"(?:\A|/)\.{0,2}(?:/|\Z)")
"""An empty part of a key, or one of a dot or two."""

T = TypeVar("T")
P = ParamSpec("P")
Identity = tuple[int, int]
"""Device and inode."""


@dataclass(frozen=True)
class LocalStore:
    """A folder. An object's etag is its size and modification time: it stays when a tree is copied with its times."""

    uri: str

    def _pages(self, prefix: str, *, finished: bool) -> Iterator[list[RawObject]]:
        root = self._path(prefix.strip("/")) if prefix.strip("/") else self.uri
        paths = _walk(root, finished)
        pages = iter(lambda: list(islice(paths, PAGE_OBJECTS)), [])
        for page, found in one_ahead(pages, _information):
            if files := _files(page, found):
                yield files

    def unfinished(self, prefix: str = "") -> Iterator[list[RawObject]]:
        """See Store.unfinished. Those of writers at work are among them."""
        return self._pages(prefix, finished=False)

    def list(self, prefix: str = "") -> Iterator[list[RawObject]]:
        """See Store.list. Follows symbolic links, but not to a folder it is inside of."""
        return self._pages(prefix, finished=True)

    def head(self, key: str) -> RawObject | None:
        path = self._path(key)
        try:
            status = Path(path).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise local_error(error, path) from None
        return _raw(path, status) if _is_file(status) else None

    def head_many(self, keys: Iterable[str], *, concurrency: int = 16) -> Iterator[RawObject | None]:
        """See Store.head_many. One after another: handing keys to threads takes longer than looking at the files."""
        return map(self.head, keys)

    def get(self, key: str, *, etag: str | None = None) -> bytes:
        return self._read(key, 0, None, etag)

    def get_range(self, key: str, start: int, end: int, *, etag: str | None = None) -> bytes:
        return self._read(key, start, end, etag)

    def read_into(self, place: memoryview, key: str, start: int, *, etag: str | None = None) -> int:
        return self._unchanged(key, etag, lambda file, size: _fill(place, file, start))

    def stream(
        self, key: str, start: int = 0, *, etag: str | None = None, block_bytes: int = BLOCK_BYTES
    ) -> Iterator[bytes]:
        path = self._path(key)
        file = _opened(path)
        try:
            before = version(_status_of(file, path))
            _expect(path, etag, before)
            while True:
                block = _guarded(path, lambda at: os.pread(file, block_bytes, at), start)
                _expect(path, before, version(os.fstat(file)))
                if not block:
                    return
                yield block
                start += len(block)
        finally:
            os.close(file)

    def get_many(self, objects: Iterable[tuple[str, str | None]], *, concurrency: int = 16) -> Iterator[bytes]:
        """See Store.get_many. One after another: the kernel reads ahead."""
        for key, etag in objects:
            yield self.get(key, etag=etag)

    def put(self, key: str, data: Content) -> None:
        path = self._path(key)
        unfinished = _write_unfinished(path, data)
        _guarded(path, Path(unfinished).replace, path)
        _sync_folder(path)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        path = self._path(key)
        unfinished = _write_unfinished(path, data)
        try:
            # link fails where the name exists, and never shows a torn file.
            os.link(unfinished, path)
        except FileExistsError:
            return False
        except OSError as error:
            raise local_error(error, path) from None
        finally:
            Path(unfinished).unlink()
        _sync_folder(path)
        return True

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            path = self._path(key)
            with contextlib.suppress(FileNotFoundError):
                _guarded(path, Path(path).unlink)

    def delta_options(self) -> dict[str, str]:
        return {}

    def _path(self, key: str) -> str:
        if _BAD_KEY.search(key):
            raise ConfigError("STORE_KEY", "a key of a local store has an empty part, or '.' or '..' as one")
        return f"{self.uri.rstrip('/')}/{key}"

    def _read(self, key: str, start: int, end: int | None, etag: str | None) -> bytes:
        """The bytes from `start` to `end`, or to the end of the file for None."""

        def between(file: int, size: int) -> bytes:
            stop = size if end is None else min(end, size)
            return _between(file, start, max(start, stop))

        return self._unchanged(key, etag, between)

    def _unchanged(self, key: str, etag: str | None, read: Callable[[int, int], T]) -> T:
        """What is read of a file, given its number and size, which is the same version before and after."""
        path = self._path(key)
        file = _opened(path)
        try:
            status = _status_of(file, path)
            before = version(status)
            _expect(path, etag, before)
            data = _guarded(path, read, file, status.st_size)
            _expect(path, before, version(os.fstat(file)))
        finally:
            os.close(file)
        return data


def _opened(path: str) -> int:
    """The number of an open file. Neither a file object nor a context: these cost as much as reading a small file."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise _gone(path) from None
    except OSError as error:
        raise local_error(error, path) from None


def _status_of(file: int, path: str) -> os.stat_result:
    """Raises ObjectChanged where a folder stands in the file's place."""
    status = os.fstat(file)
    if stat.S_ISDIR(status.st_mode):
        raise _gone(path)
    return status


def _gone(path: str) -> ObjectChanged:
    return ObjectChanged("OBJECT_GONE", f"{path} is no longer there")


def _between(file: int, start: int, stop: int) -> bytes:
    """The bytes of a file between two places, fewer where it ends before."""
    data = os.pread(file, stop - start, start)
    if len(data) >= stop - start:
        return data
    several = [data]
    while several[-1]:
        start += len(several[-1])
        several.append(os.pread(file, stop - start, start))
    return b"".join(several)


def _fill(place: memoryview, file: int, start: int) -> int:
    """Read the bytes of a file from a place on to where they are wanted; how many there were."""
    filled = 0
    while filled < len(place) and (count := os.preadv(file, [place[filled:]], start + filled)):
        filled += count
    return filled


def version(status: os.stat_result) -> str:
    """The etag of a file."""
    return _etag(status.st_size, status.st_mtime_ns // 1000)


def _etag(size: int, modified_us: int) -> str:
    return f"{size}-{modified_us}"


def _raw(path: str, status: os.stat_result) -> RawObject:
    return _listed(path, status.st_size, status.st_mtime_ns)


def _listed(path: str, size: int, modified_ns: int) -> RawObject:
    modified_us = modified_ns // 1000
    return RawObject(path, size, modified_us, _etag(size, modified_us))


def _is_file(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode)


def _expect(path: str, etag: str | None, version: str) -> None:
    if etag is not None and etag != version:
        raise ObjectChanged("OBJECT_CHANGED", f"{path} is another version than was listed")


def _guarded(path: str, action: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    try:
        return action(*arguments, **named)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise local_error(error, path) from None


def _walk(root: str, finished: bool) -> Iterator[str]:
    """The paths of what is no folder below a folder, by their UTF-8 bytes: of what is finished, or of what is not."""
    # The folders it is in, outermost first. Not one call a folder: they may be nested deeper than calls may be.
    inside: dict[Identity, Iterator[str]] = {}
    _enter(root, inside)
    while inside:
        for path in next(reversed(inside.values())):
            if path[-1] == "/":
                _enter(path[:-1], inside)
                break
            if path.startswith(UNFINISHED, path.rindex("/") + 1) != finished:
                yield path
        else:
            inside.popitem()


def _enter(folder: str, inside: dict[Identity, Iterator[str]]) -> None:
    """Go on with the entries of a folder, unless it is gone or encloses itself by a link."""
    try:
        own = Path(folder).stat()
        with os.scandir(folder) as found:
            entries = list(found)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise local_error(error, folder) from None
    identity = (own.st_dev, own.st_ino)
    if identity in inside:
        return
    # A folder sorts as if its name ended with "/", which is the order of whole keys. Text sorts as its UTF-8 does.
    paths = [e.path + "/" if (_leads_to_folder(e) if e.is_symlink() else e.is_dir()) else e.path for e in entries]
    paths.sort()
    inside[identity] = iter(paths)


def _leads_to_folder(link: os.DirEntry[str]) -> bool:
    status = _status(link.path)
    return status is not None and stat.S_ISDIR(status.st_mode)


def _status(path: str) -> os.stat_result | None:
    """Of what a path stands for; None if it is gone by now, or a link that leads nowhere or to itself."""
    try:
        return Path(path).stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None
        raise local_error(error, path) from None


def _information(paths: Sequence[str]) -> Sequence[FileInfo] | None:
    """What the system says of the paths, with one call, which lets other threads go on meanwhile; None where it does
    not say it of all."""
    for path in filterfalse(str.isascii, paths):
        _check_name(path)
    try:
        found: Sequence[FileInfo] = LocalFileSystem().get_file_info(paths)
    except OSError:
        return None
    return found


def _files(paths: Sequence[str], found: Sequence[FileInfo] | None) -> list[RawObject]:
    """Those of the paths that stand for files, without those that are gone by now. found: what is said of them."""
    if found is None:
        # One after the other, they tell whose status it is that cannot be had.
        statuses = [(path, status) for path in paths if (status := _status(path)) is not None]
        return [_raw(path, status) for path, status in statuses if _is_file(status)]
    several = zip(paths, found, strict=True)  # what has no size is no file
    return [_listed(path, size, info.mtime_ns) for path, info in several if (size := info.size) is not None]


def _check_name(path: str) -> None:
    """Raises ConfigError for a name that is not UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(Path(path).parent).decode("utf-8", "backslashreplace")
        raise ConfigError("STORE_NAME", f"a file in {shown} has a name that is not UTF-8; rename it") from None


def _write_unfinished(path: str, data: Content) -> str:
    """A new file beside `path` that holds the data, on disk; its path."""
    unfinished = f"{_folder_of(path)}{UNFINISHED}{secrets.token_hex(8)}"
    try:
        file = _created(unfinished)
        try:
            _write_all(file, write_directly(file, [data] if isinstance(data, bytes) else data))
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as error:
        with contextlib.suppress(OSError):  # there is none where the folder is none
            Path(unfinished).unlink()
        raise local_error(error, path) from None
    return unfinished


def _folder_of(path: str) -> str:
    """With a slash at its end."""
    return path[: path.rindex("/") + 1]


def _created(path: str) -> int:
    """The number of a new file, which is open. Its folder is made where it is missing, which it seldom is."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(path, flags, _MODE)
    except FileNotFoundError:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, flags, _MODE)


def _write_all(file: int, several: Sequence[bytes | memoryview]) -> None:
    """Write what follows one another, as much of it with a call as the kernel takes."""
    left = deque(memoryview(data) for data in several)
    while left:
        written = os.writev(file, list(islice(left, _AT_ONCE)))
        while left and written >= len(left[0]):
            written -= len(left.popleft())
        if written:
            left[0] = left[0][written:]


def _sync_folder(path: str) -> None:
    """Make the name of a new file last through a loss of power."""
    descriptor = os.open(_folder_of(path), os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
