"""Files: atomic and durable writes, locks, appends, claims, quarantine. Knows records, not what they mean.

Atomic: written beside and renamed, so that a reader sees the old or the new file. Durable: file and folder are fsynced
as well, so that a power cut does not undo it. Every refusal of the disk becomes a `StorageError`.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from realm_cli.errors import FormatError, LockedError, NewerFormatError, StorageError
from realm_cli.records import Record

R = TypeVar("R", bound=Record)
log = logging.getLogger("realm.store")

DAMAGED = (ValueError, RecursionError)
"""What decoding JSON may raise: bad syntax, bytes that are not UTF-8, nesting without end."""

_counter = iter(range(1 << 62))
_only_looks: ContextVar[bool] = ContextVar("only_looks", default=False)


def temp_name(path: Path) -> Path:
    """A hidden name beside `path` that no other write uses."""
    return path.with_name(f".{path.name}.{os.getpid()}-{next(_counter)}.tmp")


def sync_folder(folder: Path) -> None:
    """Make renames, creations and deletions in `folder` survive a power cut."""
    _sync(folder, os.O_RDONLY | os.O_DIRECTORY)


def sync_file(path: Path) -> None:
    """Make the content of `path` survive a power cut."""
    _sync(path, os.O_RDONLY)


def _sync(path: Path, mode: int) -> None:
    try:
        descriptor = os.open(path, mode)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StorageError("sync", path, error) from error


def write_atomic(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Replace `path` by `data` as one step."""
    temp = temp_name(path)
    try:
        with open(temp, "wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(temp, path)
        if durable:
            sync_folder(path.parent)
    except OSError as error:
        raise StorageError("write", path, error) from error
    finally:
        with suppress(OSError):  # the disk has refused already
            temp.unlink(missing_ok=True)


def to_json(data: Any) -> bytes:
    """Indented JSON with a final newline, for files that people read."""
    return msgspec.json.format(msgspec.json.encode(data), indent=2) + b"\n"


def to_line(data: Any) -> bytes:
    """JSON on one line with a final newline, for files that are many."""
    return msgspec.json.encode(data) + b"\n"


def write_record(path: Path, record: Record, *, durable: bool = False) -> None:
    """Write one record as its file."""
    write_atomic(path, to_json(record.to_dict()), durable=durable)


def write_new(path: Path, record: Record) -> bool:
    """Write one record as a file that is not there yet; False when it is."""
    draft = temp_name(path)
    write_record(draft, record)
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError as error:
        raise StorageError("write", path, error) from error
    finally:
        delete(draft)
    return True


def parse_json(data: bytes, where: str) -> Any:
    """Decoded JSON; raises `FormatError` that names `where`."""
    try:
        return msgspec.json.decode(data)
    except DAMAGED as error:
        raise FormatError(where, f"not valid JSON ({error})") from None


def read_bytes(path: Path) -> bytes:
    """The file's content; raises FileNotFoundError, or `StorageError` for all else."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StorageError("read", path, error) from error


def read_record(path: Path, record_class: type[R]) -> R:
    """The record in `path`; raises FileNotFoundError or `FormatError`."""
    return record_class.from_dict(parse_json(read_bytes(path), str(path)), str(path))


@contextmanager
def only_looking() -> Iterator[None]:
    """Meanwhile what is damaged counts as absent, and stays where and as it is: for examinations that name it themselves."""
    before = _only_looks.set(True)
    try:
        yield
    finally:
        _only_looks.reset(before)


def quarantine(path: Path, why: str) -> None:
    """Set a file that cannot be used aside as `*.corrupt-<time>` and say so loudly."""
    if _only_looks.get():
        return
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    aside = path.with_name(f"{path.name}.corrupt-{stamp}-{os.getpid()}-{next(_counter)}")
    try:
        os.rename(path, aside)
    except FileNotFoundError:
        return  # another reader was faster and has said so
    except OSError as error:
        log.error("%s is damaged (%s)", path, why)
        raise StorageError("set aside", path, error) from error
    log.error("%s is damaged (%s); it was set aside as %s", path, why, aside.name)


def read_or_set_aside(path: Path, record_class: type[R]) -> R | None:
    """The record in `path`; None when there is none, or a damaged one, which is set aside and reported.

    A record of a newer Realm is not damaged: its `FormatError` goes through.
    """
    try:
        return read_record(path, record_class)
    except FileNotFoundError:
        return None
    except NewerFormatError:
        raise
    except FormatError as error:
        quarantine(path, error.problem)
        return None


def read_or_rebuild(path: Path, record_class: type[R], rebuild: Callable[[], R]) -> R:
    """The record in `path`; an absent one is rebuilt, a damaged one set aside, reported and rebuilt."""
    record = read_or_set_aside(path, record_class)
    if record is None:
        record = rebuild()
        if not _only_looks.get():
            write_record(path, record, durable=True)
    return record


@contextmanager
def locked(path: Path, *, wait: bool = True, owner: str = "another process") -> Iterator[None]:
    """Hold the lock file `path` (flock: the kernel drops it when the holder dies). Raises `LockedError` with wait=False."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StorageError("lock", path, error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise LockedError(f"{path} is held by {owner}") from None
        yield
    finally:
        os.close(descriptor)


def append_line(path: Path, data: dict[str, Any], *, durable: bool = False) -> None:
    """Append one JSON line."""
    append_lines(path, [msgspec.json.encode(data)], durable=durable)


def append_lines(path: Path, lines: list[bytes], *, durable: bool = False) -> None:
    """Append encoded JSON lines, all or none.

    A line that an earlier writer left torn is closed first, so that it spoils only itself.
    """
    line = b"\n".join(lines) + b"\n"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                line = b"\n" + line
            _write_whole(descriptor, line, size)
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if durable and size == 0:
            sync_folder(path.parent)
    except OSError as error:
        raise StorageError("append to", path, error) from error


def _write_whole(descriptor: int, line: bytes, size_before: int) -> None:
    """Write all of `line` or nothing: a short write (disk full) is cut off again."""
    try:
        written = os.write(descriptor, line)
        if written != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError:
        os.ftruncate(descriptor, size_before)
        raise


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSONL state file, oldest first. Torn or damaged lines are reported and passed over."""
    try:
        content = read_bytes(path)
    except FileNotFoundError:
        return
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            data = msgspec.json.decode(line)
        except DAMAGED as error:
            log.warning("%s:%d: passed over a damaged line (%s)", path, number, error)
            continue
        if isinstance(data, dict):
            yield data
        else:
            log.warning("%s:%d: passed over a line that is no object", path, number)


def move(source: Path, target: Path, *, durable: bool = True) -> bool:
    """Rename `source` to `target`, the whole transition of a state. False when `source` is gone (another took it).

    The caller picks a `target` that cannot exist yet, in a folder that does.
    """
    try:
        os.rename(source, target)
        if durable:
            # A rename is one transaction of the file system: the folder it leaves follows the one it arrives in.
            sync_folder(target.parent)
    except FileNotFoundError as error:
        if target.parent.is_dir():
            return False
        raise StorageError("move", source, FileNotFoundError(error.errno, f"{target.parent} is missing")) from error
    except OSError as error:
        raise StorageError("move", source, error) from error
    return True


def delete(path: Path, *, durable: bool = False) -> bool:
    """Delete a file; False when there was none."""
    try:
        path.unlink()
        if durable:
            sync_folder(path.parent)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StorageError("delete", path, error) from error
    return True


def make_folders(folders: Iterable[Path]) -> None:
    """Make the folders that are missing: git and cleaning scripts drop empty ones."""
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError("make", folder, error) from error


def sha256_file(path: Path) -> str:
    """SHA-256 of the file's bytes, in hexadecimal."""
    import hashlib  # not for commands that only look: it loads the cryptography library

    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def free_bytes(path: Path) -> int:
    """Bytes that may still be written on the disk of `path`."""
    facts = os.statvfs(path)
    return facts.f_bavail * facts.f_frsize


def read_from(path: Path, inode: int, offset: int) -> tuple[int, int, bytes]:
    """(inode, where the reading began, the bytes from there): `offset`, or 0 when the file is another one or shorter."""
    try:
        with open(path, "rb") as file:
            facts = os.fstat(file.fileno())
            start = offset if facts.st_ino == inode and facts.st_size >= offset else 0
            file.seek(start)
            return facts.st_ino, start, file.read()
    except FileNotFoundError:
        return 0, 0, b""
    except OSError as error:
        raise StorageError("read", path, error) from error


def read_tail(path: Path, size: int) -> list[dict[str, Any]]:
    """The JSON objects in the last `size` bytes of a JSONL file, oldest first; a first, cut line is left out."""
    try:
        with open(path, "rb") as file:
            length = file.seek(0, os.SEEK_END)
            file.seek(max(0, length - size))
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageError("read", path, error) from error
    found = []
    for line in lines[1:] if length > size else lines:
        try:
            data = msgspec.json.decode(line)
        except DAMAGED:
            continue  # torn or empty: a reader of the whole file reports it
        if isinstance(data, dict):
            found.append(data)
    return found
