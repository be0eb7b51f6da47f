"""A battle is made to stand still; the guardian sees it, ends it with evidence and starts it again."""

from __future__ import annotations

import signal

from realm_cli import services, store
from realm_cli.process import is_running
from realm_cli.records import EventRecord
from realm_sentinels import records
from realm_sentinels.drills.stage import NotRecoveredError, Stage, send

PLAN = (
    "found a small realm with a quest, start its battle and its guardian",
    "make the battle stand still (SIGSTOP)",
    "the guardian finds it, writes down where it stood, ends it",
    "the guardian starts it again, and it trains beyond the step at which it hung",
)
STUCK_MINUTES = 0.1
SETTINGS = {"guardian": {"stuck_minutes": STUCK_MINUTES}}
"""Whether a battle is started again is left as the real realm has it: that is what is tried."""
ROWS = 8_000
HUNG_AT = 10


def play(stage: Stage) -> None:
    """The whole drill. Raises `RealmError` when it did not recover."""
    with stage.step("a battle and its guardian") as seen:
        stage.add_quest(ROWS)
        battle = stage.start(stage.line("battle", "start", "-q"), name="battle")
        guardian = stage.start(stage.line("guardian", "-q"), name="guardian")
        stage.wait_for(lambda: services.running(stage.realm, "guardian"), "the guardian to be ready")
        training = stage.fighting(battle.pid, HUNG_AT)
        stage.wait_for(lambda: _watches(stage, battle.pid), "the guardian to see the battle")
        seen.evidence = f"battle pid {battle.pid} trains at step {training.step}, guardian pid {guardian.pid}"
    with stage.step("the battle is made to stand still") as seen:
        send(training.process, signal.SIGSTOP)
        seen.evidence = f"SIGSTOP to pid {battle.pid}"
    with stage.step("the guardian ends it") as seen:
        stage.wait_for(lambda: not is_running(training.process), "the guardian to end the battle that hangs")
        told = stage.wait_for(lambda: _told(stage), "the event battle_stuck")
        seen.evidence = f"battle_stuck: {told.facts['evidence']}"
    with stage.step("it is started again and goes on") as seen:
        fallen = stage.wait_for(lambda: _settled(stage), "the guardian to decide what follows")
        if not fallen.restarted.startswith("started again"):
            raise NotRecoveredError(f"the battle was {fallen.restarted}")
        again = stage.fighting(step=fallen.step + 1)
        seen.evidence = f"{fallen.restarted}; it trains at step {again.step}, it hung at {fallen.step}"


def _watches(stage: Stage, pid: int) -> bool:
    watched = records.read(stage.realm).watched
    return watched is not None and watched.process.pid == pid


def _told(stage: Stage) -> EventRecord | None:
    lines = [line for line in store.read_tail(stage.realm.events, 65_536) if line.get("name") == "battle_stuck"]
    return EventRecord.from_dict(lines[-1], "events.jsonl") if lines else None


def _settled(stage: Stage) -> records.BattleDeath | None:
    deaths = records.read(stage.realm).deaths
    return deaths[-1] if deaths and deaths[-1].restarted else None
