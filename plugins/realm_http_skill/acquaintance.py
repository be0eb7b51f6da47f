"""What is known of a skill's server: asked once in a process, kept on disk, so that a look at the realm asks nobody."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import msgspec

from realm_cli import store
from realm_cli.realm import Realm
from realm_cli.records import now
from realm_cli.skillbook import ALIASES, SkillConfig
from realm_http_skill.faces import MOST
from realm_http_skill.records import ServedLevel, ServerRecord
from realm_http_skill.wire import Missing, SkillServer

log = logging.getLogger("realm.skills")
API_VERSION = 1
"""Of the routes and bodies; a server that does not say has this one."""


class Info(msgspec.Struct, frozen=True):
    """What of `GET /info` matters here."""

    skill: str | None = None
    id: str | None = None
    version: str | int | float = ""
    api_version: int = API_VERSION
    most: int = 0


def path_of(realm: Realm, skill: str) -> Path:
    """Where it is kept."""
    return realm.status / "skill_servers" / f"{skill}.json"


class Acquaintance:
    """One skill with its server."""

    def __init__(self, realm: Realm, config: SkillConfig, server: SkillServer) -> None:
        self._config, self._server = config, server
        self._path = path_of(realm, config.id)
        self._read: ServerRecord | None = None
        self._met: ServerRecord | None = None

    def read(self) -> ServerRecord:
        """What was known last; a server that was never met is asked. Raises `SkillAwayError`."""
        if self._met is not None:
            return self._met
        if self._read is None:
            found = store.read_or_set_aside(self._path, ServerRecord)
            self._read = found if found is not None and found.url == self._server.url else None
        return self._read or self.meet()

    def meet(self) -> ServerRecord:
        """What the server says now, the first time in this process. Raises `SkillAwayError`."""
        if self._met is None:
            found = self._ask()
            before = store.read_or_set_aside(self._path, ServerRecord)
            if before is None or msgspec.structs.replace(before, since=found.since, unknown={}) != found:
                self._tell_change(before, found)
                self._path.parent.mkdir(parents=True, exist_ok=True)
                store.write_record(self._path, found)
            self._met = found
        return self._met

    def _ask(self) -> ServerRecord:
        health = self._get("/health")
        if not isinstance(health, dict) or health.get("status") not in ("ok", "healthy"):
            raise self._server.garbled("/health", health, "`status` is not ok")
        info = self._info()
        levels = self._levels()
        self._check(info, levels)
        return ServerRecord(
            skill=self._config.id, url=self._server.url, skill_version=str(info.version)[:100], most=min(max(0, info.most), MOST),
            levels=levels, since=now(),
        )  # fmt: skip

    def _get(self, path: str) -> Any:
        try:
            return self._server.ask(path)
        except Missing as missing:
            raise self._server.away(f"is no skill server: it {missing.words}") from None

    def _info(self) -> Info:
        said = self._get("/info")
        try:
            info = msgspec.convert(said, Info)
        except msgspec.ValidationError as error:
            raise self._server.garbled("/info", said, str(error)) from None
        if info.skill is None and info.id is None:
            raise self._server.garbled("/info", said, "it names no skill")
        return info

    def _levels(self) -> list[ServedLevel]:
        """The server's levels; none where it does not list them."""
        try:
            said = self._server.ask("/levels")
        except Missing:
            return []
        listed = said.get("levels") if isinstance(said, dict) else said
        try:
            return msgspec.convert(listed, list[ServedLevel])
        except msgspec.ValidationError as error:
            raise self._server.garbled("/levels", said, str(error)) from None

    def _check(self, info: Info, levels: list[ServedLevel]) -> None:
        if info.api_version != API_VERSION:
            raise self._server.away(
                f"speaks version {info.api_version} of the skill API, this Realm version {API_VERSION}",
                "install a Realm or a server that speaks the other's version",
            )
        name = self._config.id
        if not {name} & {info.id, info.skill, ALIASES.get(str(info.skill))}:
            raise self._server.away(
                f"serves the skill '{str(info.skill or info.id)[:50]}', not '{name}'",
                f"give its address in configs/skills/{name}.yaml: `api:`",
            )
        highest = max((one.level for one in levels), default=self._config.max_level)
        if highest < self._config.max_level:
            raise self._server.away(
                f"has levels up to {highest}, but max_level is {self._config.max_level}",
                f"set max_level: {highest} in configs/skills/{name}.yaml",
            )

    def _tell_change(self, before: ServerRecord | None, found: ServerRecord) -> None:
        if before is not None and before.skill_version != found.skill_version:
            log.warning(
                "the server of skill '%s' changed from version '%s' to '%s': its problems may be others than those of earlier evals",
                found.skill, before.skill_version, found.skill_version,
            )  # fmt: skip
