"""Uploads on their way to the board: streamed into `data/uploads/`, taken in as `realm quest add` does, then deleted."""

from __future__ import annotations

import errno
import logging
import os
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from werkzeug.exceptions import BadRequest
from werkzeug.formparser import FormDataParser

from realm_cli import datafiles, intake, store
from realm_cli.errors import StorageError, UsageError
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import QuestRecord

log = logging.getLogger("realm.tavern")

CHUNK = 1 << 16
KEPT_SECONDS = 86_400
"""After so long without a change, what lies in `data/uploads/` was left by a kill."""
NAME_LENGTH = 255
FIELD_BYTES = 500_000
"""Of the texts of a form beside its files."""
PARTS = 200
SOURCE = "uploaded in the Tavern"
_one_at_a_time = threading.Lock()
"""An inspection takes memory and a whole core; many uploads wait for each other instead of taking the machine."""


def checked_name(name: str) -> str:
    """The name of an upload, if a quest can have it. Raises `UsageError`."""
    shown = "".join(mark if mark.isprintable() else "?" for mark in name[:80])
    if not name:
        raise UsageError("the upload has no name", "send it with ?name=FILE.jsonl")
    if len(name) > NAME_LENGTH or any(mark in name for mark in "/\\\0"):
        raise UsageError(f"'{shown}' is no file's name", "send the name alone, without folders")
    if datafiles.is_partial(name):
        raise UsageError(f"'{shown}' is hidden or still being copied, by its name", "send it under its final name")
    if not datafiles.is_quest_name(name):
        raise UsageError(f"'{shown}' is not a quest file", f"its name must end in {', '.join(datafiles.SUFFIXES)}")
    return name


def drain(stream: IO[bytes]) -> None:
    """Read a refused body to its end in small pieces, so that the sender gets the answer."""
    while stream.read(CHUNK):
        pass


class Sink:
    """A file of an upload being written; what the disk refuses is a `StorageError`, as a lost connection is not."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open(path, "wb")  # noqa: SIM115 - closed by the room

    def write(self, data: bytes) -> int:
        """Add a piece."""
        try:
            return self._file.write(data)
        except OSError as error:
            raise StorageError("write the upload", self.path, error) from error

    def seek(self, place: int) -> None:
        """The form's parser goes back to the beginning; whoever reads the file opens it anew."""

    def close(self) -> None:
        """End the file."""
        try:
            self._file.close()
        except OSError as error:
            raise StorageError("write the upload", self.path, error) from error


@dataclass
class Room:
    """The folder of one request's files."""

    folder: Path
    sinks: list[Sink] = field(default_factory=list)
    """In the order in which they came, each alone in a folder."""

    def open(self) -> Sink:
        """A new file."""
        place = self.folder / str(len(self.sinks))
        try:
            place.mkdir()
            self.sinks.append(Sink(place / "body"))
        except OSError as error:
            raise StorageError("make", place, error) from error
        return self.sinks[-1]

    def named(self, number: int, name: str) -> Path:
        """The finished file under its own name, made harmless: the intake goes by it."""
        sink = self.sinks[number]
        sink.close()
        path = sink.path.with_name(datafiles.safe_name(name))
        os.rename(sink.path, path)
        return path


@contextmanager
def room(realm: Realm, length: int | None) -> Iterator[Room]:
    """A place for the files of one request, about `length` bytes; whatever happens, nothing of it stays."""
    folder = realm.data / "uploads"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        sweep(folder)
        _check_space(realm, folder, length or 0)
        own = folder / secrets.token_hex(8)
        own.mkdir()
    except OSError as error:
        raise StorageError("make a place for the upload in", folder, error) from error
    made = Room(own)
    try:
        yield made
    finally:
        for sink in made.sinks:
            with suppress(StorageError):  # said already, or of no matter any more
                sink.close()
        shutil.rmtree(own, ignore_errors=True)


def _check_space(realm: Realm, folder: Path, length: int) -> None:
    """The upload and the board's copy must leave the battle its reserve."""
    if store.free_bytes(folder) - 2 * length < realm.config.training.reserve_mb * 1_000_000:
        raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)} (an upload needs twice its size beside the reserve)")


def sweep(folder: Path) -> None:
    """Delete what requests left that were killed."""
    for path in folder.iterdir():
        is_folder = path.is_dir() and not path.is_symlink()
        try:
            inside = path.rglob("*") if is_folder else ()
            changed = max(one.lstat().st_mtime for one in (path, *inside))
            if time.time() - changed > KEPT_SECONDS:
                log.warning("%s was left by an upload that was interrupted; it is deleted", path)
                if is_folder:
                    shutil.rmtree(path)
                else:
                    path.unlink()
        except FileNotFoundError:
            continue  # its own request ended meanwhile


@contextmanager
def _receiving(stream: IO[bytes]) -> Iterator[None]:
    """What can go wrong while a body comes."""
    try:
        yield
    except StorageError:
        drain(stream)
        raise
    except ConnectionError as error:
        raise BadRequest(f"the upload broke off ({error})") from None


def receive(stream: IO[bytes], length: int | None, target: Room) -> None:
    """Write a body to disk in pieces. Raises 400 for one that ends early: the web server takes that for its end."""
    got = 0
    with _receiving(stream):
        sink = target.open()
        while piece := stream.read(CHUNK):
            got += sink.write(piece)
        sink.close()
    if length is not None and got != length:
        raise BadRequest(f"the upload ended after {got} of {length} bytes")


@dataclass(frozen=True)
class Form:
    """What a form for uploads holds."""

    fields: dict[str, str]
    names: list[str]
    """Of the files, in their order in the room; empty where none was chosen."""


def receive_form(stream: IO[bytes], mimetype_params: dict[str, str], target: Room) -> Form:
    """Write the files of a multipart body to disk as they come."""

    def place(*_: Any, **__: Any) -> Sink:
        return target.open()

    parser = FormDataParser(place, FIELD_BYTES, max_form_parts=PARTS, silent=False)  # type: ignore[arg-type]
    with _receiving(stream):
        try:
            _, fields, files = parser.parse(stream, "multipart/form-data", None, mimetype_params)
        except ValueError as error:
            drain(stream)
            raise BadRequest(f"the form is damaged or ended early ({error})") from None
    return Form(fields.to_dict(), [upload.filename or "" for _, upload in files.items(multi=True)])


def take_in(realm: Realm, manager: Manager, path: Path, priority: str, again: bool) -> intake.Outcome:
    """Inspect a received file and bring it to the board."""
    if path.stat().st_size == 0:
        raise UsageError(f"{path.name} is empty", "a quest has one JSON row a line")
    with _one_at_a_time:
        (outcome,) = intake.add(realm, manager, [path], priority=priority, source=SOURCE, again=again)
    return outcome


def retry(realm: Realm, manager: Manager, quest_id: str, priority: str | None) -> QuestRecord:
    """As `realm quest retry`, which may inspect again."""
    with _one_at_a_time:
        return intake.retry(realm, manager, quest_id, priority)
