"""Events in words that a player understands, and how much each one is worth being shown."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from realm_cli import phrases
from realm_cli.records import EventRecord

GREAT, PLAIN, BAD, NOISE = "great", "plain", "bad", "noise"

Facts = dict[str, Any]


def clock(event: EventRecord) -> str:
    """When it happened, by the clock on the wall."""
    return datetime.fromisoformat(event.time).astimezone().strftime("%H:%M:%S")


def worth(event: EventRecord) -> str:
    """great, plain, bad, or noise for what happens all the time."""
    if event.name in _NOISE:
        return NOISE
    return GREAT if event.name in _GREAT else BAD if event.name in _BAD else PLAIN


def names() -> list[str]:
    """Every event that has words here, sorted: what a herald's rule may name."""
    return sorted(_WORDS)


def importance(event: EventRecord) -> int:
    """For sorting: 3 for what is bad, 2 great, 1 plain, 0 for noise."""
    return (NOISE, PLAIN, GREAT, BAD).index(worth(event))


def words(event: EventRecord) -> str:
    """One line about the event; one that is not known here shows its name and its short facts."""
    known = _WORDS.get(event.name)
    try:
        text = known(event.facts) if known else _unknown(event)
    except (KeyError, TypeError, ValueError):  # another version of the event
        text = _unknown(event)
    return phrases.one_line(text)


def _unknown(event: EventRecord) -> str:
    short = {key: value for key, value in event.facts.items() if isinstance(value, (str, int, float))}
    told = ", ".join(f"{key} {value}" for key, value in short.items())
    return event.name.replace("_", " ") + (f": {told}" if told else "")


def _quest(facts: Facts) -> str:
    return phrases.quest_name(str(facts.get("file") or facts["quest"]))


def _because(facts: Facts) -> str:
    reason = phrases.why(str(facts.get("reason") or ""))
    return f": {reason}" if reason else ""


def _note(facts: Facts) -> str:
    return f": {facts['note']}" if facts.get("note") else ""


def _level_of(facts: Facts) -> str:
    return f"{facts['skill']} level {facts['level']}"


def _eval(facts: Facts) -> str:
    if facts["state"] != "ok":
        return f"eval {_level_of(facts)} does not count ({facts['state']}){_because(facts)}"
    share = phrases.percent(facts["correct"] / max(1, facts["size"]))
    closed = ", closed" if facts["closed"] else ""
    return f"eval {_level_of(facts)}: {facts['correct']} of {facts['size']} ({share}){closed}"


def _at_step(facts: Facts) -> str:
    return f" at step {facts['step']:,}" if isinstance(facts.get("step"), int) else ""


def _service(facts: Facts) -> str:
    return str(facts.get("service") or facts["name"])


def _champion(facts: Facts) -> str:
    chosen = "" if facts["by"] == "guild" else f", chosen by {facts['by']}"
    return f"new champion: {facts['hero']} at step {facts['step']:,}{chosen}"


_WORDS: dict[str, Callable[[Facts], str]] = {
    "achievement": lambda facts: f"achievement: {facts['title']}",
    "asset_damaged": lambda facts: f"damaged copy of {facts['asset']} in {facts['zone']} was set aside",
    "asset_dropped": lambda facts: f"{facts['asset']} went to the trash of {facts['zone']}{_because(facts)}",
    "asset_moved": lambda facts: (
        f"{facts['asset']} {'is safe in' if facts['direction'] == 'push' else 'came from'} {facts['zone']}"
    ),
    "asset_restored": lambda facts: f"{facts['asset']} is back in {facts['zone']}",
    "copies_missing": lambda facts: f"nothing new reached {facts['zone']} for {facts['days']:g} days",
    "disk_low": lambda facts: f"the disk is nearly full{_because(facts)}",
    "disk_guarded": lambda facts: f"the disk is nearly full: {len(facts['deeds'])} things were deleted by the rules",
    "vault_job": lambda facts: f"{facts['job']}: {facts['state']}{'; ' if facts['said'] else ''}{facts['said']}",
    "battle_crashed": lambda facts: f"the battle crashed{_at_step(facts)}{_because(facts)}",
    "battle_stuck": lambda facts: f"the battle is stuck{_at_step(facts)}{_because(facts)}",
    "battle_started": lambda facts: "the battle begins",
    "battle_resumed": lambda facts: f"the battle goes on at step {facts['step']:,}{_note(facts)}",
    "battle_stopped": lambda facts: f"the battle ended at step {facts['step']:,}{_because(facts)}",
    "battle_paused": lambda facts: f"paused at step {facts['step']:,}{_because(facts)}",
    "battle_unpaused": lambda facts: f"goes on after the pause at step {facts['step']:,}",
    "board_empty": lambda facts: "the board is empty",
    "checkpoint_saved": lambda facts: f"checkpoint saved at step {facts['step']:,}",
    "checkpoint_damaged": lambda facts: f"damaged checkpoint: {facts['problem']}",
    "eval_done": _eval,
    "eval_suspicious": lambda facts: f"suspicious eval, {_level_of(facts)}{_because(facts)}",
    "level_up": lambda facts: f"{facts['hero']} reached level {facts['level']}",
    "loss_not_finite": lambda facts: f"the loss was no number at step {facts['at_step']:,}; back to the checkpoint",
    "machine_failure": lambda facts: f"failure {facts['count']} of the machine{_because(facts)}",
    "new_champion": _champion,
    "oracle_loaded": lambda facts: f"the Oracle loaded {facts['hero']} at step {facts['step']:,}",
    "oracle_unloaded": lambda facts: f"the Oracle let {facts['hero']} at step {facts['step']:,} go{_because(facts)}",
    "quest_added": lambda facts: f"quest added: {_quest(facts)}",
    "quest_cancelled": lambda facts: f"quest cancelled: {_quest(facts)}{_because(facts)}",
    "quest_deleted": lambda facts: f"quest file deleted: {_quest(facts)}",
    "quest_done": lambda facts: f"quest done: {_quest(facts)}",
    "quest_expired": lambda facts: f"quest expired: {_quest(facts)}{_because(facts)}",
    "quest_failed": lambda facts: f"quest failed: {_quest(facts)}{_because(facts)}",
    "quest_held": lambda facts: f"quest held: {_quest(facts)}{_because(facts)}",
    "quest_moved": lambda facts: f"quest {_quest(facts)} moved to {facts['priority']}{_because(facts)}",
    "quest_queued_again": lambda facts: f"quest queued again: {_quest(facts)}",
    "quest_rejected": lambda facts: f"quest rejected: {_quest(facts)}{_because(facts)}",
    "quest_skipped": lambda facts: f"quest skipped: {_quest(facts)}{_because(facts)}",
    "service_crashed": lambda facts: f"the service {_service(facts)} crashed{_because(facts)}",
    "service_flapping": lambda facts: f"the service {_service(facts)} crashes again and again{_because(facts)}",
    "service_recovered": lambda facts: f"the service {_service(facts)} is well again",
    "skill_level_up": lambda facts: (
        f"{_level_of(facts)} mastered: {phrases.with_interval(facts['accuracy'], facts['interval'])}"
    ),
    "skill_regressed": lambda facts: f"{_level_of(facts)} fell to {phrases.percent(facts['accuracy'])}",
    "task_done": lambda facts: f"task {facts['task']}: {facts['said'] or 'done'}",
    "task_failed": lambda facts: f"task {facts['task']} {facts['state']}{_because(facts)}",
    "skill_relearned": lambda facts: f"{facts['skill']} goes back from level {facts['from_level']} to {facts['level']}",
}
_NOISE = {"checkpoint_saved", "eval_done", "oracle_loaded", "oracle_unloaded", "quest_added", "task_done"}
_GREAT = {"skill_level_up", "level_up", "new_champion", "achievement"}
_BAD = {
    "battle_crashed",
    "battle_stuck",
    "copies_missing",
    "disk_guarded",
    "disk_low",
    "service_crashed",
    "service_flapping",
    "asset_damaged", "checkpoint_damaged", "eval_suspicious", "loss_not_finite", "machine_failure", "quest_failed", "quest_held",
    "quest_rejected", "skill_regressed", "task_failed",
}  # fmt: skip
