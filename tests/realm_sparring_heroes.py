"""A hero that is wrong on purpose, for tests of sparring; what lies on disk is real."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from realm_cli import datafiles
from realm_cli.generation import Message, Reply
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.profiles import Profile
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.skillbook import open_skill
from realm_sparring.rows import Row
from realm_sparring.sparring import Order, Result, bout

HERO = "dio-mini"
Says = Callable[[int, str], str]
"""The reply to the n-th prompt."""


class Said:
    """A `Generator` of the newest checkpoint that says what it is told to."""

    def __init__(self, realm: Realm, says: Says, finish: Literal["stop", "length"] = "stop") -> None:
        newest = Ledger(realm, HERO).get_latest()
        self.hero, self.step, self.weights_sha256 = HERO, newest.step, newest.weights_sha256
        self.replies_from = self.weights_sha256
        self.says, self.finish = says, finish
        self.asked: list[str] = []

    def generate(
        self, conversations: Sequence[Sequence[Message]], *, max_tokens: int, temperature: float = 0.0, seed: int = 0,
        stop: Sequence[str] = (), profile: Profile | None = None,
    ) -> list[Reply]:  # fmt: skip
        prompts = [conversation[-1].content for conversation in conversations]
        start = len(self.asked)
        self.asked += prompts
        return [
            Reply(self.says(start + number, prompt), self.finish, self.hero, self.step, self.replies_from, 3)
            for number, prompt in enumerate(prompts)
        ]

    def close(self) -> None:
        """Nothing to free."""


def wrong(number: int, prompt: str) -> str:
    """An answer that is never right, another one to each problem."""
    return f"no idea about {prompt}"


def fought(
    realm: Realm, generator: Said, count: int = 10, level: int = 6, skill: str = "bin", **order: Any
) -> Result:  # fmt: skip
    """One sparring of that hero."""
    manager = Manager.of(realm)
    wanted = Order(skill=skill, count=count, **order)
    return bout(realm, manager, open_skill(realm, manager, skill), level, wanted, generator)


def rows_of(realm: Realm, quest: str) -> list[Row]:
    """The rows of a quest on the board."""
    file = Board(realm).find(quest)
    assert file is not None
    return rows_in(file.path)


def rows_in(path: Path) -> list[Row]:
    """The rows of a file."""
    return [msgspec.json.decode(line, type=Row) for _, line in datafiles.read_rows(path)]
