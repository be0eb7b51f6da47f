"""Heralds at work, as real processes with a real receiver: told once, whatever is killed, away, slow, cut or flooded."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from helpers import BattleProcess, Run, rows, wait_for, write_rows
from realm_cli import journal, services, store
from realm_cli.events import emit
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import EventRecord, now
from realm_herald.records import HeraldRecord, Message, record_path
from realm_herald.running import HeraldWorker
from realm_herald.settings import HeraldConfig, Rule, Target
from realm_herald_receiver import Heard, Receiver

Start = Callable[..., Any]
ALL = {"events": ["*"], "again_minutes": 0}


@pytest.fixture
def tell(realm: Realm) -> Start:
    """`tell("quest_done", quest="a")`: that happens in the realm."""
    manager = Manager.of(realm)
    return partial(emit, realm, manager)


def texts(heard: list[Heard]) -> list[str]:
    return [one.json["message"] for one in heard]


def memory(realm: Realm, name: str = "phone") -> HeraldRecord:
    return store.read_record(record_path(realm, name), HeraldRecord)


def test_an_event_arrives_in_words_with_its_numbers(
    realm: Realm, configure: Start, herald: Start, tell: Start, receiver: Receiver, hook: str
) -> None:
    configure(phone={"url": hook})
    herald()
    tell("level_up", hero="dio-mini", level=3)
    (heard,) = receiver.until(1)
    body = heard.json
    assert (body["title"], body["message"], body["type"]) == ("Realm realm", "dio-mini reached level 3", "success")
    assert (body["event"], body["count"], body["realm"]) == ("level_up", "1", "realm")
    assert heard.headers["Idempotency-Key"] == body["id"]
    wait_for(lambda: memory(realm).delivered == 1, "the cursor")
    wait_for(lambda: "dio-mini reached level 3" in (realm.logs / "heralds.log").read_text(), "the log")


def test_what_happened_before_the_first_start_is_not_told(
    configure: Start, herald: Start, tell: Start, receiver: Receiver, hook: str
) -> None:
    configure(phone={"url": hook, "rules": [ALL]})
    tell("board_empty")
    herald()
    tell("battle_started")
    assert texts(receiver.until(1)) == ["the battle begins"]


def test_what_happens_while_no_herald_runs_is_told_at_the_next_start_once(
    realm: Realm, configure: Start, herald: Start, tell: Start, receiver: Receiver, hook: str
) -> None:
    configure(phone={"url": hook, "rules": [ALL]})
    first = herald()
    wait_for(lambda: record_path(realm, "phone").exists(), "the first record")
    assert first.end() == 0
    tell("board_empty")  # the very first event of the realm
    second = herald()
    assert texts(receiver.until(1)) == ["the board is empty"]
    wait_for(lambda: memory(realm).delivered == 1, "the cursor")
    second.end()
    herald()
    tell("battle_started")
    assert texts(receiver.until(2)) == ["the board is empty", "the battle begins"]


def test_killed_between_sending_and_its_cursor_it_repeats_the_same_message_once(
    realm: Realm, configure: Start, herald: Start, tell: Start, receiver: Receiver, hook: str
) -> None:
    receiver.seconds = 2.0  # it has heard, and has not answered
    configure(phone={"url": hook, "rules": [ALL]})
    first = herald()
    tell("board_empty")
    receiver.until(1)
    first.end(signal.SIGKILL)
    assert memory(realm).sending is not None
    receiver.seconds = 0.0
    herald()
    tell("battle_started")
    heard = receiver.until(3)
    assert texts(heard) == ["the board is empty", "the board is empty", "the battle begins"]
    assert heard[0].json["id"] == heard[1].json["id"] != heard[2].json["id"]


def test_a_receiver_that_is_away_is_asked_again_until_it_is_back(
    realm: Realm, configure: Start, herald: Start, tell: Start
) -> None:
    away = Receiver()
    port = away.port
    away.close()
    configure(phone={"url": f"json://127.0.0.1:{port}/hook", "rules": [ALL]})
    herald()
    tell("board_empty")
    wait_for(lambda: memory(realm).tries >= 2, "two tries")
    assert memory(realm).reason == "A Connection error occurred sending JSON notification to 127.0.0.1."
    tell("battle_started")
    back = Receiver(port)
    try:
        assert texts(back.until(2)) == ["the board is empty", "the battle begins"]
        wait_for(lambda: memory(realm).reason == "" and memory(realm).delivered == 2, "both to be settled")
    finally:
        back.close()


def test_an_answer_of_500_is_no_arrival(
    realm: Realm, configure: Start, herald: Start, tell: Start, receiver: Receiver, hook: str
) -> None:
    receiver.statuses = [500, 503, 200]
    configure(phone={"url": hook})
    herald()
    tell("board_empty")
    heard = receiver.until(3)
    assert len({one.json["id"] for one in heard}) == 1
    wait_for(lambda: memory(realm).delivered == 1, "its arrival")
    assert len(receiver.heard) == 3


def test_a_slow_receiver_delays_no_other_and_not_the_end(
    configure: Start, herald: Start, tell: Start, receiver: Receiver, hook: str
) -> None:
    slow = Receiver()
    slow.seconds = 30.0
    try:
        configure(slow={"url": f"json://127.0.0.1:{slow.port}/hook?rto=60"}, phone={"url": hook})
        running = herald()
        tell("board_empty")
        slow.until(1)
        assert texts(receiver.until(1)) == ["the board is empty"]
        assert running.process.poll() is None
    finally:
        slow.close()


def test_a_receiver_that_never_comes_to_an_end_holds_the_herald_for_a_while_only(
    realm: Realm, tell: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realm_herald.running.SEND_SECONDS", 0.05)
    monkeypatch.setattr("realm_herald.running.GATHER_SECONDS", 0.0)
    ended, tries = threading.Event(), list[str]()

    def send(target: Target, message: Message, name: str) -> str:
        tries.append(message.id)
        ended.wait()
        return ""

    store.make_folders([record_path(realm, "phone").parent])
    worker = HeraldWorker(realm, "phone", HeraldConfig(url="json://x", rules=[Rule(events=["*"])]), send)
    tell("board_empty")

    def reason() -> str:
        worker.turn()
        return memory(realm).reason

    wait_for(lambda: reason() == "it did not answer within 0.05 s", "the end of waiting")
    wait_for(lambda: reason().startswith("it still answers to the try before"), "the next turn")
    assert len(tries) == 1
    ended.set()
    wait_for(lambda: reason() == "", "the message to be told")
    assert tries == [tries[0]] * 2


def test_a_flood_becomes_one_message_that_counts(
    realm: Realm, configure: Start, herald: Start, tell: Start, receiver: Receiver, hook: str
) -> None:
    configure(phone={"url": hook, "rules": [ALL]})
    herald()
    moment = now()
    lines = [
        EventRecord(name="quest_done", time=moment, facts={"quest": f"{number:012x}", "file": f"q{number}.jsonl"})
        for number in range(9_999)
    ]
    crash = EventRecord(name="battle_crashed", time=moment, facts={"step": 1_234, "reason": "out of memory"})
    store.append_lines(realm.events, [store.to_line(one.to_dict()).strip() for one in [*lines, crash]])
    (heard,) = receiver.until(1)
    told = heard.json["message"].splitlines()
    assert any(line.endswith("the battle crashed at step 1,234: out of memory") for line in told)
    assert (len(told), told[-1]) == (9, "and 9,992 more (9,992 quest done)")
    assert (heard.json["count"], heard.json["event"], heard.json["type"]) == ("10000", "battle_crashed", "failure")
    tell("board_empty")
    receiver.until(2)
    assert len(memory(realm).held) <= 50
    assert record_path(realm, "phone").stat().st_size < 200_000


def test_the_hour_s_limit_holds_good_news_back_and_no_trouble(
    realm: Realm, configure: Start, herald: Start, tell: Start, receiver: Receiver, hook: str
) -> None:
    configure(phone={"url": hook, "per_hour": 1, "rules": [ALL]})
    herald()
    tell("battle_started")
    receiver.until(1)
    tell("level_up", hero="dio-mini", level=1)
    wait_for(lambda: len(memory(realm).held) == 1, "the level to be held")
    tell("quest_failed", quest="a", file="bad.jsonl", reason="it broke")
    heard = receiver.until(2)
    assert [line[6:] for line in texts(heard)[1].splitlines()] == [
        "dio-mini reached level 1",
        "quest failed: bad: it broke",
    ]


def test_torn_lines_spoil_only_themselves(
    realm: Realm, configure: Start, herald: Start, tell: Start, receiver: Receiver, hook: str
) -> None:
    configure(phone={"url": hook, "rules": [ALL]})
    herald()
    with open(realm.events, "ab") as file:
        file.write(b'{"kind":"event","versi')
    tell("board_empty")  # closes the torn line first
    assert texts(receiver.until(1)) == ["the board is empty"]


def test_an_events_file_that_was_replaced_or_cut_repeats_nothing_and_loses_nothing(
    realm: Realm, configure: Start, herald: Start, tell: Start, receiver: Receiver, hook: str
) -> None:
    configure(phone={"url": hook, "rules": [ALL]})
    running = herald()
    tell("board_empty")
    receiver.until(1)
    copy = realm.events.with_name("copy")
    copy.write_bytes(realm.events.read_bytes())
    os.replace(copy, realm.events)  # by a restored backup, say
    tell("battle_started")
    receiver.until(2)
    realm.events.write_bytes(b"")
    tell("level_up", hero="dio-mini", level=1)
    receiver.until(3)
    wait_for(lambda: memory(realm).delivered == 3, "all to be settled")
    running.end(signal.SIGKILL)
    content = realm.events.read_bytes()
    realm.events.unlink()
    realm.events.write_bytes(b'{"no": "event"}\n' * 50 + content)
    tell("level_up", hero="dio-mini", level=2)
    herald()
    assert texts(receiver.until(4)) == [
        "the board is empty",
        "the battle begins",
        "dio-mini reached level 1",
        "dio-mini reached level 2",
    ]


def test_a_changed_configuration_is_read_and_a_wrong_one_leaves_the_old(
    realm: Realm, configure: Start, herald: Start, tell: Start, receiver: Receiver, hook: str
) -> None:
    configure()
    running = herald()
    configure(phone={"url": hook, "rules": [ALL]})
    running.said("the configuration was changed and read again")
    tell("board_empty")
    receiver.until(1)
    configure(phone={"url": hook, "rules": [{"events": ["quest_don"]}]})
    running.said("there is no event 'quest_don'; the heralds go on as before")
    tell("battle_started")
    assert texts(receiver.until(2)) == ["the board is empty", "the battle begins"]


def test_a_disk_without_room_for_the_next_checkpoints_is_told_once(
    realm: Realm, configure: Start, herald: Start, receiver: Receiver, hook: str
) -> None:
    configure(phone={"url": hook})
    text = realm.config_file.read_text()
    assert "reserve_mb: 1\n" in text
    realm.config_file.write_text(text.replace("reserve_mb: 1\n", "reserve_mb: 1000000000\n"))
    herald()
    (heard,) = receiver.until(1)
    assert heard.json["message"].startswith("the disk is nearly full: ")
    assert heard.json["message"].endswith("are free, the next checkpoints need 1000.0 TB")


def test_two_at_once_are_refused(herald: Start, run: Run) -> None:
    herald()
    second = run("herald", "run")
    assert (second.code, "is held by another `realm herald run`" in second.err) == (5, True)


def test_it_says_that_it_makes_progress(realm: Realm, herald: Start) -> None:
    running = herald()
    beat = services.beat_path(realm, "herald")
    wait_for(beat.exists, "a heartbeat")
    first = beat.stat().st_mtime_ns
    wait_for(lambda: beat.stat().st_mtime_ns > first, "the next one")
    assert running.end() == 0
    assert not services.path_of(realm, "herald").exists()


def test_a_full_disk_delays_the_cursor_and_ends_nothing(
    realm: Realm, configure: Start, herald: Start, tell: Start, receiver: Receiver, hook: str
) -> None:
    configure(phone={"url": hook, "rules": [ALL]})
    running = herald()
    folder = record_path(realm, "phone").parent
    aside = folder.with_name("aside")
    folder.rename(aside)  # no record can be written
    tell("board_empty")
    running.said("herald phone: cannot write")
    beat = services.beat_path(realm, "herald")
    beats: set[int] = set()

    def beaten() -> bool:
        beats.add(beat.stat().st_mtime_ns)
        return len(beats) > 2

    wait_for(beaten, "some more turns")
    assert running.log.read_text().count("herald phone: cannot write") <= 2  # when it takes the event, when it tells it
    aside.rename(folder)
    assert texts(receiver.until(1)) == ["the board is empty"]
    tell("battle_started")
    assert texts(receiver.until(2))[1] == "the battle begins"


def test_a_battle_beside_it_is_told_and_waits_for_nobody(
    realm: Realm, tmp_path: Path, configure: Start, herald: Start, battle: Callable[..., BattleProcess], run: Run
) -> None:
    silent = Receiver()
    silent.seconds = 600.0
    try:
        configure(phone={"url": f"json://127.0.0.1:{silent.port}/hook?rto=600", "rules": [ALL]})
        running = herald()
        run("quest", "add", write_rows(tmp_path / "mine.jsonl", rows(20)))
        silent.until(1)  # from now on the herald hangs
        assert battle("--until-empty").wait() == 0
        assert running.process.poll() is None
        assert not _locks(running.process.pid) & {realm.events.stat().st_ino, realm.journal.stat().st_ino}
        assert json.loads(record_path(realm, "phone").read_text())["sending"]["event"] == "quest_added"
    finally:
        silent.close()


def _locks(pid: int) -> set[int]:
    """The inodes that a process holds a lock on."""
    lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return {int(line[5].rpartition(":")[2]) for line in lines if line[1] != "->" and line[4] == str(pid)}


def test_an_event_of_long_ago_in_a_journal_of_months_is_found_by_its_place(realm: Realm) -> None:
    from realm_herald.following import BACKLOG_BYTES, Follower

    follower = Follower(realm.events, None)
    begun = HeraldRecord(herald="phone", inode=follower.inode, place=follower.place)
    line = store.to_line(EventRecord(name="quest_done", time=now(), facts={"x": "y" * 4000}).to_dict())
    with open(realm.events, "wb") as file:
        file.writelines([line] * (BACKLOG_BYTES // len(line) + 1000))
    journal.append_event(realm.events, EventRecord(name="board_empty", time=now()))
    begun_at = time.monotonic()
    found = Follower(realm.events, begun).read()
    assert [event.name for _, event in found] == ["quest_done", "board_empty"]  # equal lines are one event
    assert time.monotonic() - begun_at < 30
