"""Which events a herald is told, and when: pure functions of rule, event and time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from realm_cli import eventwords
from realm_cli.records import EventRecord
from realm_herald.settings import ALL, Rule

GRADES = (eventwords.NOISE, eventwords.PLAIN, eventwords.GREAT, eventwords.BAD)
MATTERS = ("quest", "zone", "service", "asset", "hero", "skill", "task", "check", "host", "name")
"""Facts that tell one matter from another."""


def event_id(event: EventRecord) -> str:
    """The same for the same line, wherever and whenever it is read."""
    return hashlib.sha256(msgspec.json.encode(event.to_dict())).hexdigest()[:16]


def fitting(rules: Sequence[Rule], event: EventRecord) -> Rule | None:
    """The first rule that names the event, when the event is worth enough for it."""
    for rule in rules:
        if ALL in rule.events or event.name in rule.events:
            return rule if GRADES.index(eventwords.worth(event)) >= GRADES.index(rule.grade) else None
    return None


def matter(event: EventRecord) -> str:
    """What the event is about: the same matter is not told twice in a short time. Of what is great, every step is another one."""
    great = eventwords.worth(event) == eventwords.GREAT
    keys = (*MATTERS, "level", "step", "title") if great else MATTERS
    return "|".join([event.name, *(f"{key}={event.facts[key]}" for key in keys if key in event.facts)])[:200]


def quiet_until(quiet: str, moment: datetime) -> datetime | None:
    """When the quiet hours end that `moment` (of this place) falls into; None outside of them."""
    if not quiet:
        return None
    begin, end = (timedelta(hours=int(text[:2]), minutes=int(text[3:])) for text in quiet.split("-"))
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    since = moment - midnight
    if begin <= end:
        return midnight + end if begin <= since < end else None
    if since >= begin:
        return midnight + timedelta(days=1) + end
    return midnight + end if since < end else None
