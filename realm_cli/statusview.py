"""The watchtower's snapshot as text for a terminal of 80 columns."""

from __future__ import annotations

import textwrap

from realm_cli.terminal import facts, human_seconds
from realm_cli.watchtower import Snapshot

WIDTH = 80


def render(snapshot: Snapshot) -> str:
    """The snapshot for people, at most 80 columns wide."""
    blocks = [_hero(snapshot), _battle(snapshot), _board(snapshot), _skills(snapshot)]
    return "\n\n".join("\n".join(_folded(line) for line in block.splitlines()) for block in blocks)


def _folded(line: str) -> str:
    """A line too long for the screen goes on below, under its value."""
    if len(line) <= WIDTH:
        return line
    indent = len(line) - len(line.partition("  ")[2].lstrip())
    return textwrap.fill(line, WIDTH, subsequent_indent=" " * indent, break_on_hyphens=False, drop_whitespace=True)


def _number(value: float | None, form: str = ".4g") -> str:
    return "-" if value is None else format(value, form)


def _hero(snapshot: Snapshot) -> str:
    hero = snapshot.hero
    loss = "" if hero["loss"] is None else f"  (loss {hero['loss']:.4f})"
    val_loss = "" if hero["val_loss"] is None else f"  (val loss {hero['val_loss']:.4f})"
    pairs = [
        ("hero", f"{hero['name']}, level {hero['level']}"),
        ("xp", f"{hero['xp']:,} steps"),
        ("gold", f"{hero['gold']:,}"),
        ("atk", _number(hero["atk"]) + loss),
        ("def", _number(hero["def"]) + val_loss),
        ("saved", f"{hero['checkpoints']} checkpoints"),
    ]
    return facts(pairs)


def _battle(snapshot: Snapshot) -> str:
    battle = snapshot.battle
    running = battle["tokens_per_s"] is not None
    quest = battle["quest"] and f"{battle['quest']} {battle.get('quest_name') or ''}".strip()
    done = (
        quest and battle.get("samples_total") and f"{battle['samples_done']:,} of {battle['samples_total']:,} samples"
    )
    pairs = [
        ("battle", battle["state"] + (f": {battle['reason']}" if battle["reason"] else "")),
        ("quest", quest),
        ("done", done),
        ("speed", f"{battle['tokens_per_s']:,.0f} trained tokens/s" if running else None),
        (
            "left",
            f"quest {human_seconds(battle['eta_s'])}, board {human_seconds(battle['board_eta_s'])}"
            if running
            else None,
        ),
        ("heartbeat", f"{battle['heartbeat_age_s']} s ago" if battle.get("pid") else None),
        ("next", _hint(snapshot)),
    ]
    return facts(pairs)


def _hint(snapshot: Snapshot) -> str | None:
    """What to do when nothing runs."""
    board = snapshot.board
    if snapshot.battle["state"] not in ("stopped", "dead", "failed"):
        return None
    if board["inbox"] + board["high"] + board["normal"] + board["low"] + board["processing"] == 0:
        return "forge a quest: realm quest forge --skill bin --level 1 --count 2000"
    return "train what is queued: realm battle start"


def _board(snapshot: Snapshot) -> str:
    return "board    " + "  ".join(f"{name} {count}" for name, count in snapshot.board.items())


def _skills(snapshot: Snapshot) -> str:
    lines = []
    for name, skill in snapshot.skills.items():
        closed = ", closed level" if skill["closed"] else ""
        accuracy = "not evaluated yet" if skill["accuracy"] is None else f"{skill['accuracy']:.0%}"
        lines.append(f"skill    {name}, level {skill['level']} in training{closed}: {accuracy}")
    return "\n".join(lines) or "skill    none installed"
