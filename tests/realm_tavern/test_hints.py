"""Hints: each case has its reason and what to do; the most important first, four at most."""

from __future__ import annotations

import os
import shlex
import time
from pathlib import Path

import msgspec
import pytest

from helpers import Run, rows, write_rows
from realm_cli import control, intake, status, store
from realm_cli.manager import Manager
from realm_cli.process import this_process
from realm_cli.quests import Board
from realm_cli.realm import FLAGS, Realm
from realm_cli.records import ProcessMark, TrainingStatus, now
from realm_cli.watchtower import gaze
from realm_guild import requests
from realm_guild_heroes import HERO, FakeBattle, checkpoint, examined, nothing
from realm_tavern import hints
from realm_tavern.hints import STUCK_SECONDS, Action, Hint

GONE = ProcessMark(pid=1, started="another-boot:1", host=this_process().host)


@pytest.fixture
def settled(realm: Realm) -> Realm:
    """A realm that lacks nothing: a held-out set, a quest on the board, a battle that runs."""
    held_out = realm.path(realm.config.training.held_out)
    held_out.parent.mkdir(parents=True, exist_ok=True)
    held_out.touch()
    fights(realm)
    add(realm, 4)
    return realm


def fights(realm: Realm, state: str = "training", process: ProcessMark | None = None, reason: str = "") -> None:
    """What a battle of this state would have written last."""
    mark = process or this_process()
    status.write(realm, TrainingStatus(state=state, reason=reason, hero=HERO, process=mark, heartbeat=now(), step=12))


def add(realm: Realm, count: int, start: int = 0) -> str:
    (record,) = intake.add_files(
        realm, Manager.of(realm), [write_rows(realm.root / f"q{start}.jsonl", rows(count, start))]
    )
    return record.id


def given(realm: Realm, free: int = 10**9, needed: int = 10**6) -> list[Hint]:
    flags = {flag: control.read(realm, flag) for flag in FLAGS}
    return hints.hints(realm, gaze(realm, Manager.of(realm)), flags, free, needed)


def only(realm: Realm, **disk: int) -> Hint:
    (hint,) = given(realm, **disk)
    return hint


def empty_board(realm: Realm) -> None:
    for file in Board(realm).files("normal"):
        store.delete(file.path)


def test_a_realm_that_lacks_nothing_gets_no_hint(settled: Realm) -> None:
    assert given(settled) == []


def test_an_empty_board_is_answered_by_forging_at_the_hero_s_level(settled: Realm, run: Run) -> None:
    empty_board(settled)
    assert given(settled) == []  # the battle trains; one that forges has its next quest soon
    fights(settled, "idle")
    hint = only(settled)
    assert hint == Hint(
        "The board is empty: forge 1,000 BIN L1?",
        "no training file is queued; the battle waits for one",
        "realm quest forge --skill bin --level 1 --count 1000",
        Action("/api/forge", "Forge", {"skill": "bin", "level": 1, "count": 1000}),
    )
    assert run(*shlex.split(hint.command)[1:]).code == 0
    assert given(settled) == []


def test_an_empty_board_without_skills_asks_for_a_file(settled: Realm) -> None:
    empty_board(settled)
    fights(settled, "idle")
    for path in settled.skills.glob("*.yaml"):
        path.unlink()
    assert only(settled).command == "realm quest add FILE"


def test_quests_without_a_battle_ask_for_one(settled: Realm) -> None:
    add(settled, 4, 100)
    fights(settled, "stopped", GONE)
    hint = only(settled)
    assert (hint.text, hint.command) == ("2 quests on the board and nobody fights: set out.", "realm play")
    assert "2 training files in the queue, and no battle runs" in hint.why


def test_a_dead_battle_says_where_it_died(settled: Realm) -> None:
    fights(settled, "training", GONE)
    hint = only(settled)
    assert hint.command == "realm play"
    assert "died" in hint.why
    assert "while training at step 12" in hint.why


def test_a_failed_battle_shows_its_reason(settled: Realm) -> None:
    fights(settled, "failed", GONE, "RuntimeError: no\nluck")
    hint, second = given(settled)
    assert hint.why == "the battle failed: RuntimeError: no luck"
    assert second.command == "realm play"


def test_a_pause_says_who_asked_and_offers_to_resume(settled: Realm, run: Run) -> None:
    control.raise_flag(settled, "pause", "a\nfilm")
    hint = only(settled)
    assert hint.why.endswith(": a film")
    assert hint.action == Action("/api/control/resume", "Resume", {})
    (settled.control / ".pause").write_text("")  # as by `touch`
    assert only(settled).why == "paused by somebody"
    assert run("battle", "resume").code in (0, 4)


def test_a_full_disk_comes_before_all_but_a_fallen_hero(settled: Realm) -> None:
    control.raise_flag(settled, "pause")
    fights(settled, "training", GONE)
    texts = [hint.text for hint in given(settled, free=999_999, needed=10**6)]
    assert [text.partition(":")[0] for text in texts] == [
        "The hero has fallen", "The treasury is full", "The hero rests",
    ]  # fmt: skip
    assert "1000.0 kB of disk are free and 1.0 MB are needed" in given(settled, free=999_999, needed=10**6)[1].why


def test_a_rejected_quest_is_named_with_the_line_that_shows_why(settled: Realm, run: Run, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"messages": []}\n')
    run("quest", "add", broken)
    hint = only(settled)
    assert hint.text == "1 quest was rejected or lost: see why."
    assert hint.why.startswith("broken: ")
    assert hint.action == Action("/quests", "To the board")
    assert run(*shlex.split(hint.command)[1:]).code == 0
    assert "broken.jsonl" in run(*shlex.split(hint.command)[1:]).out


def test_a_held_quest_is_offered_for_a_retry_and_a_cancelled_one_is_no_trouble(settled: Realm, run: Run) -> None:
    board, held = Board(settled), add(settled, 4, 200)
    board.cancel(add(settled, 4, 300), "not wanted")
    assert given(settled) == []
    file = board.find(held)
    assert file is not None
    board.end(file, "held", "out of memory three times")
    hint = only(settled)
    assert (hint.text, hint.why) == ("1 quest is held back: free it?", "q200: out of memory three times")
    assert run(*shlex.split(hint.command)[1:]).code == 0
    assert given(settled) == []


def test_a_lost_level_is_named_with_its_figures(settled: Realm) -> None:
    fighting = FakeBattle(settled)
    for step in (10, 20, 30):
        fighting.stands_at(step)
    assert gaze(settled, Manager.of(settled)).skills["bin"].level == 2
    fights(settled)
    assert given(settled) == []
    checkpoint(settled, 40)
    examined(settled, 40, level=1, knows=nothing)
    hint = only(settled)
    assert hint.text == "BIN level 1 is forgotten: learn it again?"
    assert hint.why == "the last eval of bin level 1 gave 0 %, and 80 % are needed"
    assert (hint.command, hint.action) == ("realm skill relearn bin --level 1", Action("/skill/bin", "To bin"))


def test_pending_evals_are_told_when_no_battle_will_make_them(settled: Realm) -> None:
    checkpoint(settled, 10)
    requests.ask(settled, HERO, 10, "bin", 1, "request")
    assert given(settled) == []
    empty_board(settled)
    fights(settled, "stopped", GONE)
    assert given(settled)[-1].command == "realm skill eval bin --pending"


def test_a_file_in_the_inbox_that_is_never_taken_is_named_after_a_while(settled: Realm) -> None:
    lying = [settled.inbox / "low" / name for name in ("notes.txt", "half.jsonl.part", ".hidden", "good.jsonl")]
    for path in lying:
        path.write_text("x")
    assert given(settled) == []  # somebody may be writing it
    for path in lying:
        os.utime(path, times=(0, time.time() - STUCK_SECONDS - 1))
    hint = only(settled)
    assert hint.text == "2 files in the inbox will never become a quest."
    assert "*.jsonl, *.jsonl.gz, *.jsonl.zst" in hint.why
    assert "inbox/low/half.jsonl.part" in hint.why


def test_a_strange_name_in_the_inbox_stays_on_one_line(settled: Realm) -> None:
    path = settled.inbox / os.fsdecode(b"evil\n<b>\xff.txt")
    path.write_text("x")
    os.utime(path, times=(0, 0))
    assert only(settled).why.endswith("inbox/evil <b>\N{REPLACEMENT CHARACTER}.txt is none")


def test_a_missing_held_out_set_is_the_last_hint(settled: Realm) -> None:
    settled.path(settled.config.training.held_out).unlink()
    assert "held_out.jsonl does not exist" in only(settled).why


def test_four_hints_at_most_and_none_of_them_has_a_line_break(settled: Realm, tmp_path: Path) -> None:
    settled.path(settled.config.training.held_out).unlink()
    control.raise_flag(settled, "pause", "x\ny")
    checkpoint(settled, 10)
    requests.ask(settled, HERO, 10, "bin", 1, "request")
    fights(settled, "failed", GONE, "<script>\x1b[31m\n")
    found = given(settled, free=0)
    assert len(found) == hints.MOST
    words = [text for hint in found for text in (hint.text, hint.why, hint.command)]
    assert all(text.isprintable() for text in words), words


def test_of_thousands_of_ended_quests_the_newest_are_read(settled: Realm) -> None:
    record = Board(settled).record(add(settled, 4, 400))
    for number in range(3_000):
        quest = f"{number:012x}"
        store.write_atomic(settled.failed / f"{number:08d}.{quest}.x.jsonl", b"{}\n")
    for number in range(2_960, 3_000):
        quest = f"{number:012x}"
        ended = msgspec.structs.replace(record, id=quest, outcome="failed", reason="no", ended_at=now())
        store.write_record(Board(settled).record_path(quest), ended)
    assert only(settled).text == "30 quests were rejected or lost: see why."
