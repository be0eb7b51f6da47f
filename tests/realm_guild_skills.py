"""A trivial skill for the guild's tests: repeat the number. Its name decides nothing but its id."""

from __future__ import annotations

import random

from realm_cli.hookspecs import hookimpl
from realm_cli.manager import Manager
from realm_cli.parts import Part
from realm_cli.realm import Realm
from realm_cli.skills import Problem, Verdict


class Echo:
    """Level L asks for numbers of L digits."""

    id = "echo"
    max_level = 9

    def problem(self, level: int, rng: random.Random) -> Problem:
        number = str(rng.randrange(10 ** (level - 1), 10**level))
        return Problem(f"say {number}", number, number)

    def judge(self, problem: Problem, reply: str) -> Verdict:
        return Verdict(reply.strip() == problem.answer, reply.strip(), "compared")

    def space(self, level: int) -> int | None:
        return 9 * int("1" + "0" * (level - 1))


class Plugin:
    """What a package's hooks module would be."""

    @hookimpl
    def realm_skills(self) -> list[Part]:
        return [Part("echo", "realm_guild_skills:Echo", "Say it again.")]


def with_echo(realm: Realm, max_level: int = 3, extra: str = "") -> Manager:
    """The realm's manager with the skill `echo` beside the built-in plugins, and its YAML in the realm."""
    text = f"id: echo\nname: Echo\nmax_level: {max_level}\nplugin: echo\neval: {{size: 20}}\n{extra}"
    (realm.skills / "echo.yaml").write_text(text)
    manager = Manager.of(realm)
    manager.hooks.register(Plugin(), name="echo")
    return manager
