"""Quests as commands and pages show them: stable keys for scripts, one line for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from realm_cli import status
from realm_cli.questfiles import QuestFile
from realm_cli.quests import Board
from realm_cli.realm import PRIORITIES, Realm
from realm_cli.records import PreviewSample, QuestRecord


def quest_json(record: QuestRecord, state: str) -> dict[str, Any]:
    """The stable keys of a quest for scripts, and some more."""
    return {
        "id": record.id, "name": record.name, "state": state, "priority": record.priority, "samples": record.samples,
        "sha256": record.sha256, "outcome": record.outcome or None, "reason": record.reason or None,
        "number": record.number, "trained_tokens": record.trained_tokens, "skill": record.skill or None,
        "level": record.level or None, "attempts": record.attempts, "added_at": record.added_at,
        "ended_at": record.ended_at or None, "source": record.source, "provenance": record.provenance or None,
    }  # fmt: skip


def what_next(realm: Realm) -> str:
    """What happens to a queued quest now, in one line."""
    if status.battle_process(realm) is None:
        return "no battle runs; train it with: realm battle start"
    return "the running battle takes it when its turn comes"


def describe(realm: Realm, record: QuestRecord) -> str:
    """Id, position and size of a queued quest, in one line."""
    queued = Board(realm).files(record.priority)
    place = next((index for index, file in enumerate(queued, 1) if file.id == record.id), None)
    where = f"{place} of {len(queued)} in {record.priority}" if place else "in battle"
    return f"{record.id}  {record.name}  {record.samples:,} samples, {record.trained_tokens:,} trained tokens; {where}"


def state_of(record: QuestRecord, file: QuestFile | None) -> str:
    """Where a quest is in its life."""
    if file is not None and file.state in PRIORITIES:
        return "queued"
    if file is not None and file.state == "processing":
        return "processing"
    return record.outcome or "incomplete"


def render_samples(samples: Sequence[PreviewSample]) -> str:
    """Samples with the trained text in ⟦ ⟧, so that they read without colour too."""
    lines = []
    for sample in samples:
        text, inside = "", False
        for token in sample.tokens:
            if token.trained != inside:
                text += "⟦" if token.trained else "⟧"
                inside = token.trained
            text += token.text
        lines.append(f"  line {sample.line}: {text}{'⟧' if inside else ''}")
    return "\n".join(lines)
