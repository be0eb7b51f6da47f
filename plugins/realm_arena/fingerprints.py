"""Row fingerprints: 64 bits of each row's content, kept for every quest, so that a row met again is recognised.

`status/fingerprints/<quest>.rows` holds them sorted. It is written when a quest passes STANDARD inspection and stays
when the quest is over and its data and tokens are gone: a row that was trained a month ago is a duplicate as well.
"""

from __future__ import annotations

import hashlib
import logging
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from realm_arena import rows
from realm_arena.rows import Row
from realm_cli import datafiles, store
from realm_cli.errors import StorageError
from realm_cli.inspection import Subject
from realm_cli.realm import Realm

log = logging.getLogger("realm.arena")
SUFFIX = ".rows"
Prints = NDArray[np.uint64]


def of_row(row: Row) -> int:
    """64 bits that rows of equal content share, whatever their metadata and the white space at their ends."""
    if row.messages is not UNSET:
        parts = [part for message in row.messages for part in (message.role, message.content.strip())]
    elif row.text is not UNSET:
        parts = [row.text.strip()]
    else:
        parts = [str(row.prompt).strip(), str(row.completion).strip()]
    content = "\0".join((str(len(parts)), *parts)).encode()
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")


def write(subject: Subject) -> None:
    """Keep the fingerprints of a quest."""
    prints = array("Q", (of_row(row) for _, row in read(subject.path)))
    folder = _folder(subject.realm)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError("make", folder, error) from error
    content = np.unique(np.frombuffer(prints, dtype=np.uint64)).tobytes()
    store.write_atomic(folder / f"{subject.quest}{SUFFIX}", content)


def others(subject: Subject) -> Iterator[tuple[str, Prints]]:
    """(quest id, sorted fingerprints) of every quest with other content than this one."""
    for path in sorted(_folder(subject.realm).glob(f"*{SUFFIX}")):
        if not path.name.startswith(subject.sha256[:12]):
            content = store.read_bytes(path)
            if len(content) % 8:
                log.warning("%s is damaged and passed over", path)
                continue
            yield path.name.removesuffix(SUFFIX), np.frombuffer(content, dtype=np.uint64)


def read(path: Path) -> Iterator[tuple[int, Row]]:
    """(line, row) of every row of a file that passed QUICK inspection."""
    for number, line in datafiles.read_rows(path):
        if line.strip():
            yield number, rows.decode(line)


def _folder(realm: Realm) -> Path:
    return realm.status / "fingerprints"
