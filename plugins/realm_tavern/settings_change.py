"""Changes of single keys from a form or a program: the text that the YAML gets, and what the change means now."""

from __future__ import annotations

import json
import re
from typing import Any

from realm_cli import configedit, status
from realm_cli.errors import RefusedError, UsageError
from realm_cli.realm import Realm
from realm_tavern.settings_fields import BATTLE, Field, field, text_of

LONGEST = 20_000
_BARE = re.compile(r"[A-Za-z_][\w./-]*(?: [\w./-]+)*")
"""Texts that YAML reads as themselves without quotes."""
_WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
"""Except these, which it reads as something else."""


def change(realm: Realm, key: str, given: Any, *, approve: bool) -> tuple[dict[str, Any], str]:
    """Set a key to `given` (None = its default again); (what was done, the same in words)."""
    if key == "hero":
        raise UsageError("the active hero is not set as a key", "the Armory has a form for it; or: realm hero use ID")
    one = field(realm, key)
    if _is_same(one, given):
        return _facts(one, one.value, None, restart=False), f"{key} is {_said(one.value)} already"
    if one.kind.widget == "section":
        raise UsageError(f"'{key}' is a whole section", f"write it into the file by hand: {one.source}")
    if one.locked and not approve:
        raise RefusedError(
            f"{key} is locked: there are checkpoints, and their model would change under them",
            "approve the change where you mean it (a backup is made)",
        )
    done = configedit.set_value(realm, key, yaml_text(one, given), approve=approve)
    if done.backup is None:
        return _facts(one, done.after, None, restart=False), f"{key} is {_said(done.after)} already"
    restart = one.when == BATTLE and status.battle_process(realm) is not None
    said = f"{key}: {_said(done.before)} → {_said(done.after)}; it counts {one.when}"
    if restart:
        said += " (the one that runs goes on with the value before: stop it and start it again)"
    backup = done.backup.relative_to(realm.root).as_posix()
    result = {**_facts(one, done.after, backup, restart=restart), "before": done.before}
    return result, f"{said}. The file before: {backup}"


def _facts(one: Field, after: Any, backup: str | None, *, restart: bool) -> dict[str, Any]:
    return {
        "key": one.key, "before": one.value, "after": after, "backup": backup, "when": one.when, "restart": restart,
    }  # fmt: skip


def _said(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _is_same(one: Field, given: Any) -> bool:
    """Whether the key has this value already; None takes it out of the file, unless it is not in there."""
    if given is None:
        return one.is_default
    if isinstance(given, str):
        if one.kind.widget == "lines":
            return bool(_lines(given) == one.value)
        is_same_number = one.kind.widget == "number" and one.value is not None and _number(given) == one.value
        return given == text_of(one.value) or is_same_number
    return type(given) is type(one.value) and bool(given == one.value)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _lines(text: str) -> list[str]:
    """The lines of a text, spaces kept; empty ones are none."""
    return [line for line in text.replace("\r\n", "\n").split("\n") if line]


def yaml_text(one: Field, given: Any) -> str:
    """What stands behind the key in YAML."""
    if given is None:
        return "null"
    if not isinstance(given, str):
        return json.dumps(given, ensure_ascii=False)
    if len(given) > LONGEST:
        raise UsageError(f"{one.key} is longer than {LONGEST} characters", "write it into the file by hand")
    if one.kind.widget == "lines":
        return "[" + ", ".join(_quoted(one.key, line) for line in _lines(given)) + "]"
    if one.kind.widget == "text" and not (given == "" and one.kind.is_optional):
        return _quoted(one.key, given)
    if given == "" and one.kind.is_optional:
        return "null"
    return given


def _quoted(key: str, text: str) -> str:
    """A text as YAML, in quotes where it needs them."""
    if any(not (mark.isprintable() or mark == "\t") for mark in text):
        raise UsageError(f"{key}: the text has characters that cannot be seen", "take them out")
    if _BARE.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return json.dumps(text, ensure_ascii=False)
