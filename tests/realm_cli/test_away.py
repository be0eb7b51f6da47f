"""What happened since a moment: told from journal, events and ledger, reading only the end of long logs."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from helpers import Run
from realm_cli import away, journal, store
from realm_cli.errors import UsageError
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import EventRecord, JournalRecord
from realm_cli.watchtower import gaze
from realm_guild_heroes import HERO, checkpoint

BEGUN = datetime.now(timezone.utc) - timedelta(days=30)


def at(hours: float) -> str:
    """A moment so many hours ago."""
    return (datetime.now(timezone.utc) - timedelta(hours=hours)).isoformat(timespec="milliseconds")


def happened(realm: Realm, hours: float, name: str, **facts: object) -> None:
    journal.append_event(realm.events, EventRecord(name=name, time=at(hours), facts=facts))


def ended(realm: Realm, hours: float, quest: int, outcome: str) -> None:
    entry = JournalRecord(
        entry=journal.QUEST_END, time=at(hours), hero=HERO, quest=f"{quest:012x}", outcome=outcome, step=quest
    )
    journal.append(realm.journal, entry)


def saved(realm: Realm, step: int, hours: float) -> None:
    """A checkpoint that was saved so many hours ago."""
    checkpoint(realm, step)
    path = realm.ledger / HERO / f"{step}.json"
    path.write_bytes(store.to_json({**json.loads(path.read_text()), "created_at": at(hours)}))


def since(realm: Realm, hours: float, most: int = away.READ_BYTES) -> away.Account:
    return away.account(realm, gaze(realm, Manager.of(realm)), away.Before(at(hours)), most)


@pytest.fixture
def night(realm: Realm) -> Realm:
    """A realm in which much happened, the older part of it before the night."""
    saved(realm, 900, 3)
    happened(realm, 20, "battle_crashed", step=100, reason="long ago")
    ended(realm, 20, 1, "completed")
    happened(realm, 7, "battle_crashed", step=1_000, reason="out of memory")
    happened(realm, 6.9, "battle_resumed", step=900)
    for number, outcome in ((2, "completed"), (3, "completed"), (4, "failed"), (5, "held")):
        ended(realm, 6, number, outcome)
    happened(realm, 5, "service_flapping", service="tavern", reason="5 crashes in 10 minutes")
    happened(realm, 4, "disk_guarded", deeds=["a"])
    happened(realm, 3, "new_champion", hero=HERO, step=900, by="guild")
    for _ in range(2):
        happened(realm, 2, "eval_done", skill="bin", level=1, state="ok", correct=1, size=2, closed=True)
    return realm


def test_what_matters_comes_first_with_its_numbers(night: Realm) -> None:
    lines = since(night, 8).lines
    assert lines[0] == "the battle crashed once and went on once"
    assert lines[1].startswith("3 troubles (1 battle crashed, 1 service flapping, 1 disk guarded), last: ")
    assert lines[1].endswith("the disk is nearly full: 1 things were deleted by the rules")
    assert lines[2:] == [
        f"new champion: {HERO} at step 900",
        "2 quests done, 200 gold; 1 failed, 1 held",
        "900 steps: 0 to 900",
        "2 evals made",
    ]


def test_the_same_stands_in_the_json(night: Realm, run: Run) -> None:
    shown = run("status", "--since", "8h", "--json").json
    assert shown["quests"] == {"completed": 2, "failed": 1, "held": 1}
    assert shown["steps"] == {"from": 0, "to": 900}
    assert shown["events"] == {
        "battle_crashed": 1, "battle_resumed": 1, "service_flapping": 1, "disk_guarded": 1, "new_champion": 1,
        "eval_done": 2,
    }  # fmt: skip
    assert [trouble["name"] for trouble in shown["troubles"]] == ["battle_crashed", "service_flapping", "disk_guarded"]
    assert shown["champion"]["text"] == f"new champion: {HERO} at step 900"
    assert (shown["complete"], len(shown["lines"])) == (True, 6)
    text = run("status", "--since", "8h").out
    assert max(map(len, text.splitlines())) <= 80


def test_a_time_in_which_nothing_happened_says_so(night: Realm, run: Run) -> None:
    assert since(night, 1).lines == []
    assert run("status", "--since", "1h").out.splitlines()[1] == "  nothing happened"


def test_steps_begin_at_the_checkpoint_that_was_there_then(realm: Realm) -> None:
    for step, hours in ((100, 9.0), (200, 7.0), (300, 5.0), (400, 1.0)):
        saved(realm, step, hours)
    assert [since(realm, hours).steps.before for hours in (10, 8, 6, 2, 0.5)] == [0, 100, 200, 300, 400]


def test_steps_of_checkpoints_that_were_dropped_since_count(realm: Realm) -> None:
    saved(realm, 100, 5)
    saved(realm, 200, 1)
    Ledger(realm).bury(100, "retention")
    grave = next(realm.ledger.glob("*/deleted/checkpoint-100-*.record.json"))
    name = grave.name.removesuffix(".record.json")
    stamp = (datetime.now(timezone.utc) - timedelta(hours=5)).strftime("%Y%m%d-%H%M")
    grave.with_name(f"{name}.json").rename(grave.with_name(f"checkpoint-100-{stamp}.json"))
    assert [since(realm, hours).steps.before for hours in (6, 4)] == [0, 100]


@pytest.mark.parametrize("moment", ["tomorrow", "8", "8x", "", "2999-01-01", "99999999999999d"])
def test_what_is_no_time_is_refused(realm: Realm, moment: str) -> None:
    with pytest.raises(UsageError):
        away.moment_of(realm, moment)


@pytest.mark.parametrize(
    ("text", "hours"), [("8h", 8), ("30m", 0.5), ("2d", 48), ("1w", 168), ("1.5h", 1.5), ("90 s", 0.025)]
)
def test_ages_are_understood(realm: Realm, text: str, hours: float) -> None:
    told = datetime.fromisoformat(away.moment_of(realm, text))
    assert abs((datetime.now(timezone.utc) - told).total_seconds() - 3600 * hours) < 30


def test_a_date_and_a_time_are_of_this_place(realm: Realm) -> None:
    local = datetime(2026, 5, 1, 7, 30).astimezone(timezone.utc).isoformat(timespec="milliseconds")
    assert away.moment_of(realm, "2026-05-01 07:30") == local
    assert away.moment_of(realm, "2026-05-01T07:30:00+00:00") == "2026-05-01T07:30:00.000+00:00"


def test_last_is_the_time_before_this_one(night: Realm, run: Run) -> None:
    first = run("status", "--since", "last")
    assert (first.code, first.err.splitlines()[0][:26]) == (4, "error: `--since last` was ")
    happened(night, 0, "quest_failed", quest="a", file="new.jsonl", reason="it broke")
    assert run("status", "--since", "last").out.splitlines()[1].startswith("  1 trouble, last: ")
    assert run("status", "--since", "last").out.splitlines()[1] == "  nothing happened"


def test_torn_and_strange_lines_are_passed_over(night: Realm) -> None:
    content = night.events.read_bytes().splitlines(keepends=True)
    night.events.write_bytes(b"".join([*content[:3], b"\xff{torn\n", b"[]\n", b'{"time": 5}\n', *content[3:], b'{"na']))
    assert since(night, 8).events["eval_done"] == 2


@pytest.fixture(scope="module")
def long_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a million events, one every five seconds for a month."""
    path = tmp_path_factory.mktemp("logs") / "events.jsonl"
    with open(path, "wb") as file:
        for number in range(500_000):
            moment = (BEGUN + timedelta(seconds=5 * number)).isoformat(timespec="milliseconds")
            file.write(b'{"kind":"event","version":1,"name":"quest_done","time":"%b","facts":{}}\n' % moment.encode())
    return path


@pytest.mark.parametrize("number", [0, 1, 499_990, 499_999, 123_456])
def test_the_place_of_a_moment_in_a_long_log_is_found_exactly(long_log: Path, number: int) -> None:
    moment = (BEGUN + timedelta(seconds=5 * number)).isoformat(timespec="milliseconds")
    lines, whole = journal.lines_since(long_log, moment, 1 << 40)
    assert (len(lines), whole) == (500_000 - number, True)
    assert moment.encode() in lines[0]


def test_a_moment_after_all_events_reads_almost_nothing(long_log: Path) -> None:
    begun = time.process_time()
    assert len(list(store.read_lines(long_log))) == 500_000
    whole = time.process_time() - begun
    begun = time.process_time()
    for _ in range(20):
        assert journal.lines_since(long_log, "2999", 1 << 20) == ([], True)
    assert (time.process_time() - begun) / 20 < whole / 20


def test_of_more_than_may_be_read_the_end_is_counted_and_said_so(realm: Realm, long_log: Path) -> None:
    realm.events.write_bytes(long_log.read_bytes())
    happened(realm, 0, "quest_failed", quest="a", file="new.jsonl")
    found = since(realm, 24 * 40, most=100_000)
    assert (found.complete, 1_000 < found.events["quest_done"] < 2_000) == (False, True)
    assert found.lines[0].startswith("at least 1 trouble, last: ")
