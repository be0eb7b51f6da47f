"""What `realm play` says in plain lines: events for logs and pipes, what happened while nobody looked, the end."""

from __future__ import annotations

from pathlib import Path

from realm_cli import away, eventwords, phrases, store
from realm_cli.ledger import Ledger
from realm_cli.realm import Realm
from realm_cli.records import EventRecord, TrainingStatus, is_moment, now
from realm_cli.snapshot_records import SkillView
from realm_cli.terminal import human_seconds
from realm_cli.watchtower import Snapshot
from realm_guild.play_records import PlayRecord

SILENT = {"checkpoint_saved", "quest_added"}
"""Events that plain lines leave out."""
AWAY_BYTES = 4 * 1024 * 1024
"""How much of the end of the events is read for the time away."""
LOG_BYTES = 64 * 1024
LAST_ERRORS = 5


def event_line(event: EventRecord, training: TrainingStatus | None) -> str | None:
    """An event as a line of a log; None for one that is not worth it."""
    if event.name in SILENT:
        return None
    loss = training.smoothed_loss if training else None
    told = f", loss {loss:.4f}" if event.name == "quest_done" and loss is not None else ""
    return f"{eventwords.clock(event)}  {eventwords.words(event)}{told}"


def progress_line(training: TrainingStatus) -> str:
    """What the battle is doing now."""
    if training.state != "training" or not training.samples_total:
        reason = phrases.why(training.reason)
        return f"{training.state}{': ' if reason else ''}{reason}, step {training.step:,}"
    share = phrases.percent(training.samples_done / training.samples_total)
    loss = f"loss {training.smoothed_loss:.4f}" if training.smoothed_loss is not None else "no loss yet"
    speed = f"{training.tokens_per_s or 0:,.0f} trained tokens/s"
    return f"step {training.step:,}  {phrases.quest_name(training.quest_name)}  {share}  {loss}  {speed}"


# -- while you were away -------------------------------------------------------------------------------------


def record_path(realm: Realm) -> Path:
    """Where play remembers when it was left."""
    return realm.status / "play.json"


def remember(realm: Realm, snapshot: Snapshot) -> None:
    """Write down how the hero stands, for the next time."""
    levels = {name: skill.level for name, skill in snapshot.skills.items()}
    hero = snapshot.hero
    record = PlayRecord(left_at=now(), hero=hero.name, step=hero.step, levels=levels)
    store.write_record(record_path(realm), record)


def told_away(realm: Realm, snapshot: Snapshot) -> list[str]:
    """What happened since play was left; empty when nothing did, or when it is the first time."""
    left = store.read_or_set_aside(record_path(realm), PlayRecord)
    if left is None or left.hero != snapshot.hero.name or not is_moment(left.left_at):
        return []
    found = away.account(realm, snapshot, away.Before(left.left_at, left.step, left.levels), AWAY_BYTES)
    title = f"while you were away ({human_seconds(found.seconds)}):"
    return [title, *(f"  {line}" for line in found.lines)] if found.lines else []


# -- the end -------------------------------------------------------------------------------------------------


def summary(realm: Realm, snapshot: Snapshot) -> list[str]:
    """Where the hero stands now."""
    ledger = Ledger(realm)
    if not ledger.steps():
        return ["no checkpoint was saved; see why: realm battle log"]
    latest = ledger.get_latest()
    known = (("loss", latest.train_loss), ("val loss", latest.val_loss))
    losses = ", ".join(f"{name} {value:.4f}" for name, value in known if value is not None)
    lines = [f"{latest.hero} stands at step {latest.step:,}" + (f": {losses}" if losses else "")]
    lines += [_skill(name, skill) for name, skill in snapshot.skills.items() if not skill.unlock]
    lines.append(f"checkpoint {ledger.path_of(latest) or latest.canonical_name}")
    return [*lines, "again: realm play"]


def _skill(name: str, skill: SkillView) -> str:
    closed = f", {phrases.CLOSED}" if skill.closed else ""
    text = f"{name} level {skill.level} in training: {phrases.accuracy(skill)}{closed}"
    done = phrases.mastered(skill)
    return f"{text}; {done}" if done else text


def last_errors(realm: Realm, said: str) -> list[str]:
    """Why a battle died: what it said on its way out, else the last warnings and errors of its log."""
    lines = [line for line in said.splitlines() if line.strip()]
    if lines:
        return lines[-LAST_ERRORS:]
    path = realm.logs / "battle.log"
    if not path.exists():
        return []
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - LOG_BYTES))
        text = file.read().decode("utf-8", "replace")
    return [line for line in text.splitlines() if " ERROR " in line or " WARNING " in line][-LAST_ERRORS:]
