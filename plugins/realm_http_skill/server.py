"""The server of one skill, whatever it is made of: its problems for other machines, over HTTP."""

from __future__ import annotations

import secrets
from typing import Any

import msgspec
from flask import Flask, request

from realm_cli import __version__
from realm_cli.errors import UsageError
from realm_cli.openapi import Answer, Route, document
from realm_cli.pages import data
from realm_cli.realm import Realm
from realm_cli.sampling import sample
from realm_cli.skillbook import GuildSkill
from realm_cli.skills import Problem, Split
from realm_cli.web import Door, make_app
from realm_http_skill import faces
from realm_http_skill.acquaintance import API_VERSION

LEVEL: Answer = {"type": "integer", "minimum": 1}
COUNT: Answer = {"type": "integer", "minimum": 1, "maximum": faces.MOST}
SEED: Answer = {"type": "integer", "default": 0}


def make_server(realm: Realm, entry: GuildSkill, door: Door) -> Flask:
    """The app; its description is at `/openapi.json`."""
    app = make_app(__name__, "skill", realm, door)
    views = _Views(entry)
    for route in views.routes():
        app.add_url_rule(route.path, route.view.__name__, route.view, methods=[route.method], strict_slashes=True)
    app.add_url_rule("/levels", "levels", lambda: views.levels()["levels"])
    described = document(f"Realm: the skill {entry.config.id}", __version__, views.routes(), {"number": LEVEL})
    app.add_url_rule("/openapi.json", "openapi", lambda: described)
    return app


class _Views:
    """One method for each operation."""

    def __init__(self, entry: GuildSkill) -> None:
        self._entry = entry
        self._levels = [self._level(level) for level in range(1, entry.config.max_level + 1)]

    def routes(self) -> list[Route]:
        """The table that routes and description are made from; `/levels`, a bare list, stands beside it."""
        query = (("level", LEVEL), ("count", COUNT), ("seed", SEED))
        return [
            Route("GET", "/info", self.info, faces.InfoFace),
            Route("GET", "/eval", self.evals, faces.SamplesFace, query=query),
            Route("GET", "/eval/<int:number>", self.evals_of, faces.SamplesFace, query=query[1:]),
            Route("POST", "/generate", self.generate, faces.SamplesFace, faces.GenerateAsked),
            Route("POST", "/judge", self.judge, faces.VerdictFace, faces.JudgeAsked),
        ]

    def info(self) -> Answer:
        """The skill and its server."""
        config = self._entry.config
        return _plain(
            faces.InfoFace(
                config.id, config.name, __version__, config.category, [config.category] if config.category else [],
                config.max_level, API_VERSION, faces.MOST,
            )
        )  # fmt: skip

    def levels(self) -> Answer:
        """Every level."""
        return _plain(faces.LevelsFace(self._levels))

    def evals(self) -> Answer:
        """Problems of the eval split of one level, without twins; as many as an eval has, unless `count` says more."""
        return self._evals(_number("level", None), "level")

    def evals_of(self, number: int) -> Answer:
        """The same."""
        return self._evals(number)

    def _evals(self, level: int, *more: str) -> Answer:
        for name in request.args:
            if name not in (*more, "count", "seed"):
                raise UsageError(f"unknown argument '{name[:50]}'", "known: level, count, seed")
        count = _number("count", min(self._entry.config.eval.size, faces.MOST))
        if not 1 <= count <= faces.MOST:
            raise UsageError(f"count={count} is not a number from 1 to {faces.MOST}", "leave it out for the default")
        return self._samples(level, count, _number("seed", 0), "eval")

    def generate(self) -> Answer:
        """Fresh problems of the training split."""
        asked = data(faces.GenerateAsked)
        seed = secrets.randbits(32) if asked.seed is None else asked.seed
        return self._samples(asked.level, asked.count, seed, "train")

    def _samples(self, level: int, count: int, seed: int, split: Split) -> Answer:
        self._entry.check_level(level)
        found = sample(self._entry.skill, level, count, seed, split)
        samples = [faces.SampleFace.of(problem) for problem in found]
        return _plain(faces.SamplesFace(samples, self._levels[level - 1], seed))

    def judge(self) -> Answer:
        """Whether a reply is right."""
        asked = data(faces.JudgeAsked)
        verdict = self._entry.skill.judge(Problem(asked.prompt, asked.answer, asked.key, asked.meta), asked.reply)
        return _plain(faces.VerdictFace(verdict.correct, verdict.parsed, verdict.reason))

    def _level(self, level: int) -> faces.LevelFace:
        config = self._entry.config
        return faces.LevelFace(
            level, config.levels.get(level, ""), config.eval.size, config.eval.threshold, {},
            self._entry.skill.space(level),
        )  # fmt: skip


def _number(name: str, default: int | None) -> int:
    """A whole number behind the question mark."""
    text = request.args.get(name, "" if default is None else str(default))
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal()) or len(digits) > 15:
        raise UsageError(f"{name}={text[:50]} is no number", f"give one: ?{name}=1")
    return int(text)


def _plain(face: msgspec.Struct) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(face)
    return found
