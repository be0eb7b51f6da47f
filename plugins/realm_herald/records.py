"""What a herald remembers: how far it has read, what it holds back, what it is about to say."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import msgspec

from realm_cli.realm import Realm
from realm_cli.records import Record


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """An event that has to be told."""

    id: str
    name: str
    time: str
    text: str
    worth: str
    not_before: str = ""
    """The end of the quiet hours that it fell into."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent at once: one event, or many."""

    id: str
    """The same when it is sent again, so that a receiver can tell."""
    text: str
    event: str
    """The most important of its events."""
    worth: str
    count: int
    """How many events it tells."""
    made_at: str


class HeraldRecord(Record, frozen=True, kw_only=True):
    """`status/heralds/<name>.json`. Its writer is `realm herald run` alone."""

    kind: ClassVar[str] = "herald_cursor"

    herald: str
    inode: int = 0
    place: int = 0
    """Of `events.jsonl`: what stands before it is settled, told or held."""
    time: str = ""
    """Of the last event that was read."""
    recent: list[str] = msgspec.field(default_factory=list)
    """The last events that were read, by id; they are known again in a file that was replaced."""
    held: list[Held] = msgspec.field(default_factory=list)
    more: dict[str, int] = msgspec.field(default_factory=dict)
    """Further held events that are only counted, by name."""
    sending: Message | None = None
    """Written before it is sent, gone when it arrived."""
    tries: int = 0
    reason: str = ""
    """Why it did not arrive yet."""
    sent: list[str] = msgspec.field(default_factory=list)
    """When the messages of the last hour were sent."""
    alarms: list[str] = msgspec.field(default_factory=list)
    """When those with trouble were sent."""
    told: dict[str, str] = msgspec.field(default_factory=dict)
    """When an event of each sort and matter was told last."""
    delivered: int = 0
    delivered_at: str = ""


def record_path(realm: Realm, herald: str) -> Path:
    """Where a herald's memory lies."""
    return realm.status / "heralds" / f"{herald}.json"
