"""State files: do they parse, and are the two logs readable?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from realm_cli import store
from realm_cli.checks import Check, Finding
from realm_cli.errors import FormatError, NewerFormatError, RealmError, StorageError
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import EventRecord, JournalRecord, Record, TrainingStatus, is_moment

SHOWN = 3
EVENT_BYTES = 4 * 1024 * 1024
"""How much of the events is read: they are messages, nothing is counted from them."""
SET_ASIDE = "set them aside as *.corrupt-TIME, as whoever reads them next would"


def look_at_files(realm: Realm, manager: Manager) -> list[Finding]:
    """State files that do not parse, now or before."""
    found = []
    aside = sorted(realm.status.rglob("*.corrupt-*"))
    if aside:
        found.append(
            Finding(
                check="state", grade="warning", message=f"{len(aside)} damaged state files were set aside",
                evidence=_names(realm, aside), remedy="the state was made again; look at them, then delete them",
            )
        )  # fmt: skip
    damaged = dict(_damaged(realm, manager))
    if damaged:
        path, why = next(iter(damaged.items()))
        found.append(
            Finding(
                check="state", grade="error", message=f"{len(damaged)} state files do not parse",
                evidence=f"{_names(realm, list(damaged))}: {why}", remedy=f"realm doctor --fix; disk or memory of the machine may be at fault ({path.name})",
                fix=SET_ASIDE,
            )
        )  # fmt: skip
    return found


def _names(realm: Realm, paths: list[Path]) -> str:
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return ", ".join(str(path.relative_to(realm.root)) for path in paths[:SHOWN]) + more


def _damaged(realm: Realm, manager: Manager) -> Iterator[tuple[Path, str]]:
    kinds = _kinds(manager)
    for path in sorted(realm.status.rglob("*.json")):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield path, "it is a folder"
            continue
        try:
            data = store.parse_json(store.read_bytes(path), path.name)
            name = data.get("kind") if isinstance(data, dict) else None
            if not isinstance(name, str):
                yield path, "it does not say of what kind it is"
            elif name in kinds:
                record = kinds[name].from_dict(data, path.name)
                if isinstance(record, TrainingStatus) and not is_moment(record.heartbeat):
                    yield path, f"the heartbeat is {record.heartbeat!r}"
        except (FileNotFoundError, NewerFormatError):
            continue  # it is gone by now, or a newer Realm's
        except FormatError as error:
            yield path, error.problem
        except StorageError as error:
            yield path, error.message


def _kinds(manager: Manager) -> dict[str, type[Record]]:
    """All record classes, by kind."""
    found: dict[str, type[Record]] = {}
    classes = [Record]
    while classes:
        for below in classes.pop().__subclasses__():
            classes.append(below)
            if hasattr(below, "kind"):
                found[below.kind] = below
    for name in manager.parts("realm_records"):
        try:
            found[name] = manager.load_part("realm_records", name, "record")
        except RealmError:
            continue  # the check `plugins` tells of it
    return found


def set_aside(realm: Realm, manager: Manager, finding: Finding) -> str:
    """Rename what does not parse; nothing of it is lost."""
    damaged = dict(_damaged(realm, manager))
    for path, why in damaged.items():
        store.quarantine(path, why)
    return f"{len(damaged)} set aside"


STATE = Check("state", "all state files parse", look_at_files, set_aside)


def look_at_logs(realm: Realm, manager: Manager) -> list[Finding]:
    """Lines of journal and events that cannot be read."""
    found = []
    for path, kind, most in ((realm.journal, JournalRecord, None), (realm.events, EventRecord, EVENT_BYTES)):
        bad = list(_bad_lines(path, kind, most))
        if bad:
            found.append(
                Finding(
                    check="journal", grade="warning", message=f"{len(bad)} lines of {path.name} cannot be read",
                    evidence=f"lines {', '.join(bad[:SHOWN])} of {path}",
                    remedy="they are passed over; a kill or a full disk leaves such a line, many mean a damaged disk",
                )
            )  # fmt: skip
    return found


def _bad_lines(path: Path, kind: type[Record], most: int | None) -> Iterator[str]:
    """The numbers of lines that are no records; counted from the part that is read."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, 2)
            start = max(0, size - most) if most else 0
            file.seek(start)
            if start:
                file.readline()
            for number, line in enumerate(file, start=1):
                if line.strip() and not _is_record(line, kind):
                    yield f"{number} from byte {start}" if start else str(number)
    except FileNotFoundError:
        return
    except OSError as error:
        yield f"none: {error.strerror}"


def _is_record(line: bytes, kind: type[Record]) -> bool:
    try:
        kind.from_dict(msgspec.json.decode(line), "")
    except NewerFormatError:
        return True
    except (*store.DAMAGED, FormatError):
        return False
    return True


JOURNAL = Check("journal", "journal and events can be read", look_at_logs)
