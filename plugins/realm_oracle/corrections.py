"""A wrong answer and what a person writes in its place: one row of training data, with where it came from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from realm_cli import inbox
from realm_cli.errors import RefusedError, UsageError
from realm_cli.generation import Message
from realm_cli.intake import add_files
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.records import QuestRecord
from realm_oracle.page_talk import Said


def make_quest(
    realm: Realm, manager: Manager, messages: Sequence[Message], said: Said, corrected: str, priority: str
) -> QuestRecord:
    """Put the conversation with the corrected answer on the board. Raises `RefusedError` for what is there already."""
    if not corrected.strip():
        raise UsageError("the corrected answer is empty", "write what the answer should have been")
    if corrected == said.response:
        raise RefusedError("the corrected answer is the one that was given", "change it first")
    choice = said.choice
    row = {
        "messages": [*messages, Message("assistant", corrected)],
        "corrected": {
            "hero": choice.hero, "step": choice.step, "model": said.model, "weights_sha256": choice.weights_sha256,
            "host": choice.host, "response": said.response,
        },
    }  # fmt: skip
    content = msgspec.json.encode(row) + b"\n"
    twin = Board(realm).duplicate_of(hashlib.sha256(content).hexdigest())
    if twin is not None:
        where = twin.outcome or f"not ended, in {twin.priority}"
        raise RefusedError(
            f"this correction is a quest already: {twin.name} ({where})", f"see it: realm quest show {twin.id}"
        )
    name = f"correction_{choice.hero}_step{choice.step}_{hashlib.sha256(content).hexdigest()[:8]}.jsonl"
    with inbox.draft(realm, name, content) as path:
        source = f"oracle: a corrected answer of {choice.hero} step {choice.step}"
        (record,) = add_files(realm, manager, [path], priority=priority, source=source)
    return record
