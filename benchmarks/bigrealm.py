"""A realm with a long history, made in a minute: quests on the board, checkpoints in the ledger, metrics, evals, events.

All of it is written through the project's own record classes; only the weights of most checkpoints are absent.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec

from benchmarks import rows as training
from realm_cli import skillstate, store
from realm_cli.checkpoint_records import LedgerRecord, QuestShare
from realm_cli.founding import found
from realm_cli.questfiles import file_name
from realm_cli.realm import Realm
from realm_cli.records import EventRecord, JournalRecord, PreviewRecord, PreviewSample, PreviewToken, QuestRecord
from realm_cli.skill_records import EvalLine, SkillState

BEGUN = datetime(2026, 1, 1, tzinfo=timezone.utc)
STATES = (("low", 0.3), ("normal", 0.3), ("high", 0.1), ("recently_completed", 0.2), ("failed", 0.1))


def make(root: Path, *, quests: int, checkpoints: int, rows: int) -> Realm:
    """The realm under `root`."""
    realm, _ = found(root)
    chance = random.Random(0)
    ended = _quests(realm, quests, chance)
    _checkpoints(realm, checkpoints, ended)
    _metrics(realm, rows, chance)
    _evals(realm, checkpoints)
    _events(realm, 5000)
    return realm


def _at(number: int) -> str:
    return (BEGUN + timedelta(minutes=number)).isoformat(timespec="milliseconds")


def _quests(realm: Realm, count: int, chance: random.Random) -> list[QuestRecord]:
    """Quests in every state; those that ended."""
    content = b"".join(msgspec.json.encode(row) + b"\n" for row in training.training_rows(5, 0))
    states = chance.choices([name for name, _ in STATES], [share for _, share in STATES], k=count)
    ended, journal = [], []
    for number, state in enumerate(states, 1):
        outcome = {"recently_completed": "completed", "failed": "failed"}.get(state, "")
        record = QuestRecord(
            id=f"{chance.getrandbits(48):012x}", name=f"train_bin_level{number % 9 + 1}_no{number}.jsonl",
            sha256=f"{chance.getrandbits(256):064x}", number=number, size=len(content), samples=5, tokens=120,
            trained_tokens=60, skill="bin", level=number % 9 + 1, source="benchmark", added_at=_at(number),
            priority=state if not outcome else "normal", outcome=outcome, reason="made so" if outcome == "failed" else "",
            ended_at=_at(number + 5) if outcome else "", ended_step=number if outcome else -1,
        )  # fmt: skip
        store.write_record(realm.quest_records / f"{record.id}.json", record)
        (realm.queue / state / file_name(record)).write_bytes(content)
        if outcome:
            ended.append(record)
            entry = JournalRecord(
                entry="quest_end", time=record.ended_at, hero=realm.config.hero, step=number, quest=record.id,
                outcome=outcome, reason=record.reason, facts={"name": record.name},
            )  # fmt: skip
            journal.append(store.to_line(entry.to_dict()))
        if number % 100 == 0:
            _preview(realm, record)
    realm.journal.write_bytes(b"".join(journal))
    return ended


def _preview(realm: Realm, record: QuestRecord) -> None:
    tokens = [PreviewToken(text=f"word{index} ", trained=index > 10) for index in range(20)]
    view = PreviewRecord(quest=record.id, hero=realm.config.hero, samples=[PreviewSample(line=1, tokens=tokens)])
    store.write_record(realm.previews / f"{record.id}.json", view)


def _checkpoints(realm: Realm, count: int, ended: list[QuestRecord]) -> None:
    folder = realm.ledger / realm.config.hero
    folder.mkdir(parents=True, exist_ok=True)
    parent = ""
    for number in range(1, count + 1):
        step, quest = 100 * number, ended[number % len(ended)]
        name = f"checkpoint-{step}-{BEGUN + timedelta(minutes=number):%Y%m%d-%H%M}"
        share = QuestShare(id=quest.id, name=quest.name, sha256=quest.sha256, samples=5, completed=True)
        record = LedgerRecord(
            hero=realm.config.hero, step=step, canonical_name=name, weights_sha256=quest.sha256, parent=parent,
            created_at=_at(number), train_loss=5 / number + 0.05, val_loss=5 / number + 0.06, learning_rate=0.002,
            tokens_seen=1000 * number, samples_seen=1600 * number, skill_name="bin", skill_level=quest.level,
            training_file=quest.name, quests=[share], size=7_600_000, saved_for="quest_end",
        )  # fmt: skip
        store.write_record(folder / f"{step}.json", record)
        if number > count - 5:
            (realm.hero_folder() / name).mkdir(parents=True)
        parent = name


def _metrics(realm: Realm, count: int, chance: random.Random) -> None:
    with open(realm.metrics / f"{realm.config.hero}.jsonl", "wb", buffering=1 << 20) as file:
        for step in range(1, count + 1):
            loss = 5 / step**0.4 * (0.8 + 0.4 * chance.random())
            row = {
                "step": step, "loss": loss, "norm": 0.3, "lr": 0.002, "trained": 180, "samples": 16, "s": 0.025,
                "quest": "0" * 12, "t": BEGUN.timestamp() + 0.03 * step,
            }  # fmt: skip
            file.write(msgspec.json.encode(row) + b"\n")


def _evals(realm: Realm, checkpoints: int) -> None:
    hero = realm.config.hero
    path = skillstate.lines_path(realm, hero, "bin")
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        EvalLine(
            step=100 * number, level=number % 5 + 1, state="ok", correct=20 + number % 30, size=50, closed=False,
            set_sha256="0" * 12, at=_at(number),
        )
        for number in range(1, checkpoints + 1)
    ]  # fmt: skip
    path.write_bytes(b"".join(store.to_line(line.to_dict()) for line in lines))
    store.write_record(skillstate.state_path(realm, hero, "bin"), SkillState(hero=hero, skill="bin", level=5))


def _events(realm: Realm, count: int) -> None:
    events = [EventRecord(name="checkpoint_saved", time=_at(n), facts={"step": n, "name": "c"}) for n in range(count)]
    realm.events.write_bytes(b"".join(store.to_line(event.to_dict()) for event in events))
