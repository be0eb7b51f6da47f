"""What the tests of the Tavern's quests share: uploads, and boards laid out without an inspection."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from helpers import rows, write_rows
from realm_cli import intake, store
from realm_cli.manager import Manager
from realm_cli.questfiles import file_name
from realm_cli.realm import Realm
from realm_cli.records import QuestRecord, now

RAW = "application/octet-stream"
HOSTILE = "<img src=x onerror=alert(1)>"
FORM = {"Accept": "text/html"}


def jsonl(lines: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def upload(client: FlaskClient, name: str, body: bytes, **query: str) -> TestResponse:
    words = "".join(f"&{key}={quote(value)}" for key, value in query.items())
    return client.post(f"/api/quests?name={quote(name)}{words}", data=body, content_type=RAW)


def add(realm: Realm, folder: Path, start: int = 0, priority: str = "normal") -> str:
    """Queue a quest; its id."""
    file = write_rows(folder / f"{start}.jsonl", rows(2, start))
    (record,) = intake.add_files(realm, Manager.of(realm), [file], priority=priority)
    return record.id


def lay(realm: Realm, count: int, state: str = "low") -> list[str]:
    """Quests as they lie on a big board, without an inspection; their ids in order."""
    ids = []
    for number in range(1, count + 1):
        record = QuestRecord(
            id=f"{number:012x}", name=f"q{number}.jsonl", sha256=f"{number:064x}", number=number, size=3,
            priority="low", samples=number, tokens=10, trained_tokens=4, added_at=now(),
        )  # fmt: skip
        store.write_record(realm.quest_records / f"{record.id}.json", record)
        (realm.queue / state / file_name(record)).write_text("{}\n")
        ids.append(record.id)
    return ids


def uploads(realm: Realm) -> list[Path]:
    return list((realm.data / "uploads").iterdir())


def csrf_of(page: str) -> str:
    found = re.search(r'name="csrf" (?:value|content)="([^"]+)"', page)
    assert found
    return found[1]
