"""What a herald holds and when it speaks: quiet hours, repeats, limits, the order of lines; by a clock of the test."""

from __future__ import annotations

import time as clock
from datetime import datetime, timedelta, timezone

import msgspec
import pytest

from realm_cli.records import EventRecord
from realm_herald.herald import GIVE_UP, Herald
from realm_herald.records import HeraldRecord, Message
from realm_herald.rules import event_id, fitting, matter, quiet_until
from realm_herald.settings import HeraldConfig, Rule

NOON = datetime(2026, 5, 1, 12, 0).astimezone()
EVERYTHING = Rule(events=["*"])


def event(name: str, moment: datetime = NOON, **facts: object) -> EventRecord:
    return EventRecord(name=name, time=moment.astimezone(timezone.utc).isoformat(timespec="milliseconds"), facts=facts)


class Told:
    """A herald that is told things, and what it says."""

    def __init__(self, *rules: Rule, per_hour: int = 20) -> None:
        config = HeraldConfig(url="json://x", rules=list(rules or (EVERYTHING,)), per_hour=per_hour)
        self.herald = Herald(config, HeraldRecord(herald="phone"))

    def take(self, *events: EventRecord, at: datetime = NOON) -> None:
        self.herald.take([(event_id(one), one) for one in events], at)

    def says(self, at: datetime = NOON) -> Message | None:
        message = self.herald.next_message(at)
        if message is not None:
            self.herald.arrived(at)
        return message

    def text(self, at: datetime = NOON) -> str:
        message = self.says(at)
        return message.text if message else ""


def test_the_first_rule_that_names_an_event_decides() -> None:
    rules = [Rule(events=["quest_done"], grade="bad"), Rule(events=["*"], grade="plain")]
    assert fitting(rules, event("quest_done")) is None
    assert fitting(rules, event("board_empty")) is rules[1]
    assert fitting(rules, event("checkpoint_saved")) is None  # noise
    assert fitting([Rule(events=["*"], grade="great")], event("battle_crashed")) is not None


@pytest.mark.parametrize(
    ("quiet", "hour", "until"),
    [
        ("22:00-07:00", 23, 31), ("22:00-07:00", 3, 7), ("22:00-07:00", 7, None), ("22:00-07:00", 12, None),
        ("12:00-14:30", 12, 14.5), ("12:00-14:30", 15, None), ("", 3, None), ("07:00-07:00", 7, None),
    ],
)  # fmt: skip
def test_quiet_hours_end_when_they_say(quiet: str, hour: int, until: float | None) -> None:
    midnight = datetime(2026, 5, 1).astimezone()
    expected = None if until is None else midnight + timedelta(hours=until)
    assert quiet_until(quiet, midnight + timedelta(hours=hour)) == expected


def test_what_falls_into_quiet_hours_is_told_when_they_end_and_trouble_is_not_held_by_another_rule() -> None:
    night = datetime(2026, 5, 1, 23, 0).astimezone()
    told = Told(Rule(events=["battle_crashed"]), Rule(events=["*"], quiet="22:00-07:00"))
    told.take(event("level_up", night, hero="dio", level=1), event("level_up", night, hero="dio", level=2), at=night)
    assert told.says(night) is None
    told.take(event("battle_crashed", night, step=5), at=night)
    assert told.text(night) == "the battle crashed at step 5"
    morning = night + timedelta(hours=8)
    assert told.text(morning).splitlines() == ["23:00 dio reached level 1", "23:00 dio reached level 2"]


def test_the_same_matter_is_not_told_again_within_its_minutes() -> None:
    told = Told(Rule(events=["*"], again_minutes=10))
    told.take(event("service_flapping", service="tavern", count=3))
    assert told.says() is not None
    later = NOON + timedelta(minutes=9)
    told.take(event("service_flapping", later, service="tavern", count=4), at=later)
    assert told.says(later) is None
    told.take(event("service_flapping", later, service="oracle"), at=later)
    assert told.text(later) == "the service oracle crashes again and again"
    much_later = NOON + timedelta(minutes=11)
    told.take(event("service_flapping", much_later, service="tavern"), at=much_later)
    assert told.says(much_later) is not None


def test_every_level_and_every_quest_is_a_matter_of_its_own() -> None:
    levels = [matter(event("level_up", hero="dio", level=level)) for level in (1, 2)]
    quests = [matter(event("quest_done", quest=quest, step=1)) for quest in "ab"]
    resumed = [matter(event("battle_resumed", hero="dio", step=step)) for step in (1, 2)]
    assert (len(set(levels)), len(set(quests)), len(set(resumed))) == (2, 2, 1)


def test_a_clock_that_was_set_back_silences_nothing() -> None:
    told = Told(per_hour=1)
    told.take(event("board_empty", hero="a"))
    assert told.says() is not None
    before = NOON - timedelta(days=1)
    told.take(event("board_empty", before, hero="a"), at=before)
    assert told.says(before) is not None


def test_more_than_the_hour_allows_is_told_together_when_it_is_over() -> None:
    told = Told(per_hour=2)
    for number in range(5):
        moment = NOON + timedelta(minutes=number)
        told.take(event("quest_done", moment, quest=str(number)), at=moment)
        assert (told.says(moment) is not None) == (number < 2)
    assert told.text(NOON + timedelta(minutes=61)).splitlines() == [
        "12:02 quest done: 2",
        "12:03 quest done: 3",
        "12:04 quest done: 4",
    ]


def test_of_many_the_most_important_are_shown_and_the_rest_is_counted() -> None:
    told = Told()
    told.take(*(event("quest_done", NOON + timedelta(seconds=n), quest=f"q{n}") for n in range(60)))
    told.take(event("battle_crashed", NOON, step=1), event("level_up", NOON, hero="dio", level=1))
    message = told.says()
    assert message is not None
    first, second, *_, last = message.text.splitlines()
    assert {first, second} == {"12:00 the battle crashed at step 1", "12:00 dio reached level 1"}
    assert last == "and 54 more (54 quest done)"
    assert (message.count, message.worth, message.event) == (62, "bad", "battle_crashed")
    assert len(message.text) < 2000  # what Discord takes


def test_long_and_strange_texts_stay_one_short_line() -> None:
    told = Told()
    told.take(event("quest_failed", quest="a", file="x" * 5000, reason="line\nbreak\x1b[31m"))
    text = told.text()
    assert (len(text), "\n" in text, text[-1]) == (180, False, "…")


def test_a_message_that_never_arrives_is_given_up_after_a_day() -> None:
    told = Told()
    told.take(event("board_empty"))
    first = told.herald.next_message(NOON)
    told.herald.failed("it is away")
    assert told.herald.next_message(NOON + GIVE_UP - timedelta(minutes=1)) == first
    assert told.herald.next_message(NOON + GIVE_UP) is None
    assert told.herald.record.sending is None


def test_a_clock_that_was_set_back_in_quiet_hours_keeps_nothing_for_long() -> None:
    told = Told(Rule(events=["*"], quiet="22:00-07:00"))
    night = NOON + timedelta(days=400, hours=11)
    told.take(event("board_empty", night), at=night)
    assert told.says(night) is None
    assert told.text(NOON) == "the board is empty"


@pytest.mark.parametrize("time", ["noon", "", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-11:00"])
def test_an_event_of_no_time_is_told_like_any_other(time: str) -> None:
    told = Told()
    told.take(event("board_empty"), msgspec.structs.replace(event("battle_stuck"), time=time))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "America/New_York")
        clock.tzset()
        lines = told.text().splitlines()
    clock.tzset()
    assert {line[6:] for line in lines} == {"the board is empty", "the battle is stuck"}
