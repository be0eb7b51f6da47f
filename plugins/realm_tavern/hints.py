"""Hints: what a player might do next, why, and the button or the line that does it. The most important first."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realm_cli import datafiles, phrases
from realm_cli.errors import NotFoundError
from realm_cli.questfiles import parse_name
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.records import FlagRecord, QuestRecord
from realm_cli.terminal import human_bytes
from realm_cli.watchtower import Snapshot

MOST = 4
FORGE_COUNT = 1000
"""Problems of the quest that is offered for an empty board."""
STUCK_SECONDS = 600.0
"""How long a file lies in the inbox before it counts as stuck."""
_LAST_FAILED = 30
"""How many of the newest ended quests are looked at."""
_WALKED = 1000
"""How many files of the inbox are looked at."""


@dataclass(frozen=True)
class Action:
    """What a button does: POST `body` to `url`, or open the page `url` where there is none."""

    url: str
    label: str
    body: dict[str, Any] | None = None


@dataclass(frozen=True)
class Hint:
    """One thing to do."""

    text: str
    """In words of the game."""
    why: str
    command: str = ""
    """The shell line that does it; empty where there is none."""
    action: Action | None = None


def hints(
    realm: Realm, snapshot: Snapshot, flags: Mapping[str, FlagRecord | None], disk_free: int, disk_needed: int
) -> list[Hint]:
    """What to do next, at most four."""
    found: list[Hint] = []
    for hint in _all(realm, snapshot, flags, disk_free, disk_needed):
        found.append(hint)
        if len(found) == MOST:
            break
    return found


def _all(
    realm: Realm, snapshot: Snapshot, flags: Mapping[str, FlagRecord | None], disk_free: int, disk_needed: int
) -> Iterator[Hint]:
    """Every hint that holds; made one after the other, so that files are only read for those that are shown."""
    yield from _fallen(snapshot)
    yield from _disk(realm, disk_free, disk_needed)
    yield from _paused(flags.get("pause"))
    yield from _nobody_fights(snapshot)
    yield from _empty_board(snapshot)
    yield from _ended_badly(realm, snapshot)
    yield from _lost_levels(snapshot)
    yield from _pending_evals(snapshot)
    yield from _stuck(realm)
    yield from _no_held_out(realm)


def _runs(snapshot: Snapshot) -> bool:
    return snapshot.battle.pid is not None


def _waiting(snapshot: Snapshot) -> int:
    return snapshot.board.queued + snapshot.board.processing


def _number(count: int, noun: str, nouns: str = "") -> str:
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"


def _fallen(snapshot: Snapshot) -> Iterator[Hint]:
    reason = phrases.why(snapshot.battle.reason or "")
    if snapshot.battle_state == "dead":
        yield Hint("The hero has fallen: raise it again.", f"the battle died: {reason}", "realm play")
    elif snapshot.battle_state == "failed":
        yield Hint("The battle was lost: see why, then go on.", f"the battle failed: {reason}", "realm battle log")


def _disk(realm: Realm, free: int, needed: int) -> Iterator[Hint]:
    if free < needed:
        why = (
            f"{human_bytes(free)} of disk are free and {human_bytes(needed)} are needed, so no checkpoint can be saved"
        )
        command = f"du -sh {shlex.quote(str(realm.models))} {shlex.quote(str(realm.backups))}"
        yield Hint("The treasury is full: make room.", why, command)


def _paused(flag: FlagRecord | None) -> Iterator[Hint]:
    if flag is not None:
        who = phrases.one_line(flag.who) or "somebody"
        reason = phrases.one_line(flag.reason)
        why = f"paused by {who}" + (f": {reason}" if reason else "")
        yield Hint("The hero rests: wake it?", why, "realm battle resume", Action("/api/control/resume", "Resume", {}))


def _nobody_fights(snapshot: Snapshot) -> Iterator[Hint]:
    count = _waiting(snapshot)
    if count and not _runs(snapshot) and snapshot.battle_state != "dead":
        why = f"{_number(count, 'training file')} in the queue, and no battle runs"
        yield Hint(f"{_number(count, 'quest')} on the board and nobody fights: set out.", why, "realm play")


def _empty_board(snapshot: Snapshot) -> Iterator[Hint]:
    # A battle that forges its own quests never shows an empty board for long.
    if _waiting(snapshot) or (_runs(snapshot) and snapshot.battle_state != "idle"):
        return
    open_ones = {name: skill.level for name, skill in snapshot.skills.items() if not skill.unlock}
    why = "no training file is queued" + ("; the battle waits for one" if _runs(snapshot) else ", and no battle runs")
    if not open_ones:
        yield Hint("The board is empty: bring a quest.", why, "realm quest add FILE")
        return
    skill, level = min(open_ones.items(), key=lambda item: (item[1], item[0]))
    text = f"The board is empty: forge {FORGE_COUNT:,} {skill.upper()} L{level}?"
    command = f"realm quest forge --skill {skill} --level {level} --count {FORGE_COUNT}"
    body = {"skill": skill, "level": level, "count": FORGE_COUNT}
    yield Hint(text, why, command, Action("/api/forge", "Forge", body))


def _ended_badly(realm: Realm, snapshot: Snapshot) -> Iterator[Hint]:
    """Quests that are held and quests that failed, among the newest in `queue/failed`."""
    if not snapshot.board.failed:
        return
    records = _last_ended(realm)
    held = [record for record in records if record.outcome == "held"]
    failed = [record for record in records if record.outcome == "failed"]
    if held:
        yield _about(held, "is held back: free it?", "are held back: free them?")
    if failed:
        yield _about(failed, "was rejected or lost: see why.", "were rejected or lost: see why.")


def _last_ended(realm: Realm) -> list[QuestRecord]:
    """The records of the newest quests in `queue/failed`, oldest first."""
    board = Board(realm)
    names = sorted(name for name in os.listdir(realm.failed) if name[:1] != ".")[-_LAST_FAILED:]  # numbers lead
    records = []
    for name in names:
        file = parse_name(realm.failed / name)
        with suppress(NotFoundError):  # it was queued again this moment
            if file is not None:
                records.append(board.record(file.id))
    return records


def _about(records: list[QuestRecord], one: str, several: str) -> Hint:
    last = records[-1]
    text = f"{_number(len(records), 'quest')} {one if len(records) == 1 else several}"
    why = f"{phrases.quest_name(last.name)}: {phrases.short(last.reason) or 'no reason was given'}"
    verb = "retry" if last.outcome == "held" else "show"
    return Hint(text, why, f"realm quest {verb} {last.id}", Action("/quests", "To the board"))


def _lost_levels(snapshot: Snapshot) -> Iterator[Hint]:
    for name, skill in snapshot.skills.items():
        for lost in phrases.lost(skill):
            why = (
                f"the last eval of {name} level {lost.level} gave {phrases.percent(lost.now or 0)}, "
                f"and {phrases.percent(skill.threshold)} are needed"
            )
            text = f"{name.upper()} level {lost.level} is forgotten: learn it again?"
            command = f"realm skill relearn {name} --level {lost.level}"
            yield Hint(text, why, command, Action(f"/skill/{name}", f"To {name}"))


def _pending_evals(snapshot: Snapshot) -> Iterator[Hint]:
    count = snapshot.pending_evals
    if count and not _runs(snapshot):
        skill = next(iter(snapshot.skills), "SKILL")
        why = f"{_number(count, 'eval is', 'evals are')} pending, and no battle runs that would make them"
        text = f"The guild waits with {_number(count, 'trial')}."
        yield Hint(text, why, f"realm skill eval {skill} --pending")


def _stuck(realm: Realm) -> Iterator[Hint]:
    found = [path for path in _inbox_files(realm) if _is_stuck(path)]
    if found:
        shown = phrases.one_line(datafiles.printable(found[0].relative_to(realm.inbox)))
        why = f"only complete files *{', *'.join(datafiles.SUFFIXES)} are taken in; inbox/{shown} is none"
        text = f"{_number(len(found), 'file')} in the inbox will never become a quest."
        yield Hint(text, why, f"ls -la {shlex.quote(str(realm.inbox))}")


def _inbox_files(realm: Realm) -> Iterator[Path]:
    left = _WALKED
    for folder, subfolders, names in os.walk(realm.inbox):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(names)[:left]:
            yield Path(folder) / name
        left -= len(names)
        if left <= 0:
            return


def _is_stuck(path: Path) -> bool:
    """A name that is never taken in, and no change for so long that nobody is writing any more.

    Hidden files are not meant as quests.
    """
    if path.name.startswith(".") or datafiles.is_quest_name(path.name):
        return False
    try:
        return time.time() - path.stat().st_mtime >= STUCK_SECONDS
    except FileNotFoundError:
        return False


def _no_held_out(realm: Realm) -> Iterator[Hint]:
    path = realm.path(realm.config.training.held_out)
    if not path.exists():
        why = f"{datafiles.printable(path)} does not exist, so there is no validation loss and no DEF"
        yield Hint("The hero has no shield wall: DEF is unknown.", why, "realm config get training.held_out")
