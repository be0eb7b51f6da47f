"""The watchtower's snapshot as text for a terminal of 80 columns."""

from __future__ import annotations

import textwrap
from typing import Any

from realm_cli import phrases
from realm_cli.records import EvalView
from realm_cli.snapshot_records import SkillView
from realm_cli.surroundings import GpuView, Surroundings
from realm_cli.terminal import facts, human_bytes, human_seconds
from realm_cli.watchtower import ENDED, Snapshot

WIDTH = 80
LABEL = 9
"""Columns of the names; the same in every block, so that all values stand in one column."""


def render(snapshot: Snapshot) -> str:
    """The snapshot for people, at most 80 columns wide."""
    blocks = [_hero(snapshot), _battle(snapshot), _board(snapshot), _skills(snapshot), _around(snapshot.around)]
    return "\n\n".join("\n".join(_folded(line) for line in block.splitlines()) for block in blocks if block)


def _folded(line: str) -> str:
    """A line too long for the screen goes on below, under its value."""
    if len(line) <= WIDTH:
        return line
    indent = " " * (LABEL + 2)
    return textwrap.fill(line, WIDTH, subsequent_indent=indent, break_on_hyphens=False, drop_whitespace=True)


def _facts(pairs: list[tuple[str, Any]]) -> str:
    return facts([(f"{name:<{LABEL}}", value) for name, value in pairs])


def _hero(snapshot: Snapshot) -> str:
    hero, champion = snapshot.hero, snapshot.champion
    powers = phrases.powers(hero)
    return _facts(
        [
            ("hero", f"{hero.name}, level {hero.level}"),
            ("xp", f"{hero.xp:,} steps"),
            ("gold", f"{hero.gold:,}"),
            ("atk", powers["atk"]),
            ("def", powers["def"]),
            ("acc", powers["acc"]),
            ("champion", f"step {champion.step:,}, chosen by {champion.by}" if champion else None),
            ("saved", f"{hero.checkpoints} checkpoint{'' if hero.checkpoints == 1 else 's'}"),
        ]
    )


def _battle(snapshot: Snapshot) -> str:
    battle, reason = snapshot.battle, phrases.why(snapshot.battle.reason or "")
    running = battle.tokens_per_s is not None
    quest = battle.quest and f"{battle.quest} {battle.quest_name or ''}".strip()
    done = quest and battle.samples_total and f"{battle.samples_done:,} of {battle.samples_total:,} samples"
    left = f"quest {human_seconds(battle.eta_s)}, board {human_seconds(battle.board_eta_s)}"
    last = snapshot.training.last_eval if snapshot.training else None
    return _facts(
        [
            ("battle", battle.state + (f": {reason}" if reason else "")),
            ("quest", quest),
            ("done", done),
            ("speed", f"{battle.tokens_per_s:,.0f} trained tokens/s" if running else None),
            ("left", left if running and quest else None),
            ("heartbeat", f"{battle.heartbeat_age_s} s ago" if battle.pid else None),
            *(_last_eval(last) if last else []),
            ("next", _hint(snapshot)),
        ]
    )


def _last_eval(view: EvalView) -> list[tuple[str, str]]:
    """The last eval's result, with a right and a wrong answer where there is one."""
    lines = [("last eval", phrases.eval_view(view))]
    if view.right:
        lines.append(("  right", phrases.exchange(view.right)))
    if view.wrong:
        lines.append(("  wrong", f"{phrases.exchange(view.wrong)}, not {phrases.short(view.wrong.golden)}"))
    return lines


def _hint(snapshot: Snapshot) -> str | None:
    """What to do when nothing runs."""
    board = snapshot.board
    if snapshot.battle.state not in (*ENDED, "dead"):
        return None
    if board.queued + board.processing == 0:
        return "go on learning: realm play"
    return "realm battle start trains what waits, realm play goes on for ever"


def _board(snapshot: Snapshot) -> str:
    return f"{'board':<{LABEL}}  " + ", ".join(f"{name} {count}" for name, count in snapshot.board.counts().items())


def _skills(snapshot: Snapshot) -> str:
    blocks = [_skill(name, skill) for name, skill in snapshot.skills.items()]
    if snapshot.pending_evals:
        hint = "make them: realm skill eval --pending"
        blocks.append(_facts([("evals", f"{snapshot.pending_evals} pending; {hint}")]))
    return "\n".join(blocks) or _facts([("skill", "none installed")])


def _skill(name: str, skill: SkillView) -> str:
    locked = phrases.locked(skill.unlock)
    if locked:
        return _facts([("skill", f"{name}, {locked}")])
    closed = f", {phrases.CLOSED}" if skill.closed else ""
    text = f"{name}, level {skill.level} of {skill.max_level} in training: {phrases.accuracy(skill)}{closed}"
    pairs = [
        ("skill", text),
        ("", phrases.mastered(skill)),
        ("", skill.flagged and f"suspicious: {skill.flagged}"),
    ]
    return _facts(pairs)


def _around(around: Surroundings) -> str:
    """What runs beside the battle; nothing where nothing does."""
    up = [one.name for one in around.services if one.up]
    down = [f"{one.name} {one.state}: {one.reason}" for one in around.services if not one.up and one.state != "stopped"]
    running = [one.id for one in around.tasks if one.running]
    lost = around.doctor.troubles if around.doctor else []
    waiting = len(around.transfers)
    return _facts(
        [
            ("services", f"{', '.join(up)} up" if up else None),
            *(("", line) for line in down),
            ("tasks", f"{', '.join(running)} running" if running else _next_task(around)),
            *(("gpu", _gpu(gpu)) for gpu in around.gpus),
            ("oracle", ", ".join(around.oracle)),
            ("doctor", f"{lost[0]}; all of it: realm doctor" if lost else None),
            ("vault", f"{_transfer_words(waiting)}: realm vault transfers" if waiting else None),
        ]
    )


def _next_task(around: Surroundings) -> str | None:
    waiting = [one for one in around.tasks if one.enabled]
    return f"none running, {len(waiting)} enabled; reasons: realm task list" if waiting else None


def _transfer_words(count: int) -> str:
    return f"{count} transfer{' is' if count == 1 else 's are'} under way or waiting"


def _gpu(gpu: GpuView) -> str:
    use = "" if gpu.utilisation is None else f", {gpu.utilisation:.0f} % busy"
    heat = "" if gpu.temperature is None else f", {gpu.temperature} °C"
    return f"{gpu.name}: {human_bytes(gpu.memory_used)} of {human_bytes(gpu.memory_total)}{use}{heat}"
