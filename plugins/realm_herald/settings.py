"""`configs/heralds.yaml`: who is told what. Strict, and without secrets."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from realm_cli import eventwords, yamlfile
from realm_cli.errors import FormatError, NotFoundError, RefusedError, nearest
from realm_cli.realm import HERO_ID, Realm

Positive = Annotated[int, Meta(ge=1)]
Grade = Literal["noise", "plain", "great", "bad"]
Format = Literal["auto", "json", "discord", "slack", "ntfy"]
Hours = Annotated[str, Meta(pattern=r"^((?:[01]\d|2[0-3]):[0-5]\d-(?:[01]\d|2[0-3]):[0-5]\d)?$")]

ALL = "*"
SECRET = "{secret}"
LOG = "log"
"""A name that no herald can have: its record is that of the log."""
SECRET_SCHEMES = ("discord", "slack", "tgram", "pover", "mailto", "mailtos")
"""Their addresses are secrets by themselves."""
DEFAULT_EVENTS = (
    "quest_done", "quest_failed", "quest_held", "level_up", "skill_level_up", "skill_regressed", "new_champion",
    "battle_crashed", "battle_stuck", "battle_resumed", "board_empty", "disk_low", "disk_guarded", "copies_missing",
    "checkpoint_damaged", "asset_damaged", "loss_not_finite", "machine_failure", "service_flapping",
)  # fmt: skip


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what people write."""


class Rule(_Strict, frozen=True, kw_only=True):
    """Which events are told, and when."""

    events: list[str]
    """Names, or `*` for all."""
    grade: Grade = "noise"
    """The least that an event must be worth."""
    quiet: Hours = ""
    """`22:00-07:00`: what happens then is told at the end."""
    again_minutes: Annotated[float, Meta(ge=0)] = 10.0
    """The same matter is not told again within so many minutes."""


class HeraldConfig(_Strict, frozen=True, kw_only=True):
    """One receiver."""

    url: str = SECRET
    secret_env: str = ""
    """The environment variable that holds what stands for `{secret}` in the URL."""
    secret_file: str = ""
    """The file, of mode 0600, that holds it."""
    format: Format = "auto"
    enabled: bool = True
    per_hour: Positive = 20
    rules: list[Rule] = msgspec.field(default_factory=lambda: [Rule(events=list(DEFAULT_EVENTS))])
    """The first one that fits an event decides."""


class HeraldsConfig(_Strict, frozen=True, kw_only=True):
    """The whole file."""

    log: Literal["noise", "plain", "great", "bad", "none"] = "plain"
    """The least that an event must be worth to stand in `logs/heralds.log`."""
    heralds: dict[str, HeraldConfig] = {}


@dataclass(frozen=True)
class Target:
    """Where a herald's messages go, with its secret."""

    url: str
    format: Format
    secret: str = ""

    def without_secret(self, text: str) -> str:
        """The text with the secret blotted out."""
        return text.replace(self.secret, "…") if self.secret else text


def heralds_file(realm: Realm) -> Path:
    """Where the heralds are named."""
    return realm.configs / "heralds.yaml"


def load(realm: Realm) -> HeraldsConfig:
    """The heralds; the defaults without a file. Raises `FormatError` with file and line."""
    path = heralds_file(realm)
    if not path.is_file():
        return HeraldsConfig()
    data, node = yamlfile.read(path)
    data = {} if data is None else data
    if isinstance(data, dict):
        yamlfile.check_each(data, "heralds", HeraldConfig, path, node)
    config = yamlfile.check(data, HeraldsConfig, path, node)
    for name, herald in config.heralds.items():
        problem = _flaw(name, herald)
        if problem is not None:
            keys, message, hint = problem
            line = yamlfile.line_of(node, ["heralds", name, *keys])
            raise FormatError(f"{path}:{line}", f"herald {name}: {message}", hint)
    return config


def get(realm: Realm, name: str) -> HeraldConfig:
    """One herald. Raises `NotFoundError`."""
    heralds = load(realm).heralds
    if name not in heralds:
        hint = nearest(name, heralds) if heralds else f"write one into {heralds_file(realm)}"
        raise NotFoundError(f"there is no herald '{name[:100]}'", hint)
    return heralds[name]


def _flaw(name: str, herald: HeraldConfig) -> tuple[list[str], str, str] | None:
    """(key, what is wrong, what to do) that the schema alone cannot say."""
    if not HERO_ID.fullmatch(name) or name == LOG:
        return [], "this cannot be its name", f"use lower-case letters, digits, - and _; not {LOG}"
    if herald.secret_env and herald.secret_file:
        return ["secret_file"], "secret_env and secret_file are both given", "keep one of them"
    has_secret = bool(herald.secret_env or herald.secret_file)
    if has_secret != (SECRET in herald.url):
        return ["url"], f"url and secret do not go together: {SECRET} stands for it in the url", (
            f"put {SECRET} into the url and name secret_env or secret_file"
        )  # fmt: skip
    if not has_secret and _shows_secret(herald.url):
        return ["url"], "the url holds a secret", f"write {SECRET} in its place and name secret_env or secret_file"
    for rule in herald.rules:
        unknown = [event for event in rule.events if event not in (ALL, *eventwords.names())]
        if unknown:
            return ["rules"], f"there is no event '{unknown[0][:100]}'", nearest(unknown[0], eventwords.names())
        if not rule.events:
            return ["rules"], "a rule without events fits nothing", f"name some, or {ALL} for all"
    return None


def _shows_secret(url: str) -> bool:
    parts = urlsplit(url)
    hooks = ("discord.com/api/webhooks", "hooks.slack.com/services")
    return parts.scheme in SECRET_SCHEMES or parts.password is not None or any(hook in url for hook in hooks)


def target(realm: Realm, name: str, herald: HeraldConfig) -> Target:
    """Where the messages go. Raises `NotFoundError` or `RefusedError` for a secret that cannot be had."""
    secret = _secret(realm, name, herald)
    return Target(herald.url.replace(SECRET, secret), herald.format, secret)


def _secret(realm: Realm, name: str, herald: HeraldConfig) -> str:
    if herald.secret_env:
        value = os.environ.get(herald.secret_env, "").strip()
        if not value:
            raise NotFoundError(
                f"herald {name}: the variable {herald.secret_env} is not set", "set it, or use secret_file"
            )
        return value
    if not herald.secret_file:
        return ""
    path = realm.path(herald.secret_file)
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise RefusedError(f"herald {name}: others may read the secret in {path}", f"chmod 600 {path}")
        value = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise NotFoundError(
            f"herald {name}: no secret in {path}: {error.strerror}", "write it there, mode 0600"
        ) from None
    if not value:
        raise NotFoundError(f"herald {name}: {path} is empty", "write the secret into it")
    return value
