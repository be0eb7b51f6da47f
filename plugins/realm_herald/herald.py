"""One herald: what it holds to be told, and when that becomes a message. Knows neither files nor networks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone

import msgspec

from realm_cli import eventwords
from realm_cli.records import EventRecord
from realm_herald import rules
from realm_herald.records import Held, HeraldRecord, Message
from realm_herald.settings import HeraldConfig, Rule

HELD = 50
"""Events that are held with their text; further ones are counted."""
LINES = 8
"""Events that one message tells; the rest is counted."""
LINE_LENGTH = 180
REMEMBERED = 500
"""Matters whose last telling is remembered."""
GIVE_UP = timedelta(days=1)
"""After so long a message that does not arrive is dropped."""
HOUR = timedelta(hours=1)
LONG_AGO = datetime(1970, 1, 2, tzinfo=timezone.utc)


class Herald:
    """Changes `record` and nothing else; whoever holds it writes it down."""

    def __init__(self, config: HeraldConfig, record: HeraldRecord) -> None:
        self._config = config
        self.record = record

    def take(self, events: Iterable[tuple[str, EventRecord]], moment: datetime) -> None:
        """Hold the events that the rules want told."""
        held, more, told = list(self.record.held), Counter(self.record.more), dict(self.record.told)
        for name, event in events:
            rule = rules.fitting(self._config.rules, event)
            if rule is None or _is_told(told, event, rule, moment):
                continue
            quiet = rules.quiet_until(rule.quiet, moment.astimezone())
            one = Held(
                id=name, name=event.name, time=event.time, text=_cut(eventwords.words(event)),
                worth=eventwords.worth(event), not_before=_stamp(quiet) if quiet else "",
            )  # fmt: skip
            held.append(one)
            if len(held) > HELD:
                dropped = min(held, key=_importance)
                held.remove(dropped)
                more[dropped.name] += 1
        remembered = dict(sorted(told.items(), key=lambda item: item[1])[-REMEMBERED:])
        self._change(held=held, more=dict(more), told=remembered)

    def next_message(self, moment: datetime) -> Message | None:
        """What is to be sent now: a message that did not arrive yet, else one made of all that is due."""
        if self.record.sending is not None:
            if moment - _moment(self.record.sending.made_at) < GIVE_UP:
                return self.record.sending
            self._change(sending=None, tries=0)
        due = [one for one in self.record.held if _is_due(one, moment)]
        if not due or not self._may_send(due, moment):
            return None
        message = _message(due, self.record.more, moment)
        held = [one for one in self.record.held if one not in due]
        self._change(sending=message, held=held, more={}, tries=0)
        return message

    def _may_send(self, due: list[Held], moment: datetime) -> bool:
        """Whether the hour has room. Trouble is counted apart, so that good news holds none back."""
        alarm = any(one.worth == eventwords.BAD for one in due)
        sent = self.record.alarms if alarm else self.record.sent
        return len(_within_hour(sent, moment)) < self._config.per_hour

    def arrived(self, moment: datetime) -> None:
        """The message was taken."""
        message = self.record.sending
        assert message is not None
        alarm = message.worth == eventwords.BAD
        sent, alarms = _within_hour(self.record.sent, moment), _within_hour(self.record.alarms, moment)
        (alarms if alarm else sent).append(_stamp(moment))
        self._change(
            sending=None, tries=0, reason="", sent=sent, alarms=alarms, delivered=self.record.delivered + 1,
            delivered_at=_stamp(moment),
        )  # fmt: skip

    def failed(self, reason: str) -> None:
        """The message did not arrive; it stays the next one."""
        self._change(tries=self.record.tries + 1, reason=reason)

    def _change(self, **changes: object) -> None:
        self.record = msgspec.structs.replace(self.record, **changes)


def _is_told(told: dict[str, str], event: EventRecord, rule: Rule, moment: datetime) -> bool:
    """Whether the same matter was told a moment ago; else it is remembered as told now."""
    matter = rules.matter(event)
    last = told.get(matter)
    if last is not None and timedelta(0) <= moment - _moment(last) < timedelta(minutes=rule.again_minutes):
        return True
    told[matter] = _stamp(moment)
    return False


def _is_due(one: Held, moment: datetime) -> bool:
    """Whether its quiet hours are over; of a clock that was set back they are not waited for a second time."""
    wait = _moment(one.not_before) - moment
    return not one.not_before or wait <= timedelta(0) or wait > timedelta(days=1)


def _importance(one: Held) -> tuple[int, str]:
    return rules.GRADES.index(one.worth), one.time


def _message(due: list[Held], more: dict[str, int], moment: datetime) -> Message:
    """The most important lines in the order of time, and how many there are beside them."""
    shown = sorted(sorted(due, key=_importance)[-LINES:], key=lambda one: one.time)
    rest = Counter(one.name for one in due if one not in shown) + Counter(more)
    lines = [shown[0].text] if len(due) == 1 else [f"{_clock(one.time)} {one.text}" for one in shown]
    if rest:
        kinds = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in rest.most_common(5))
        lines.append(f"and {rest.total():,} more ({kinds}{', …' if len(rest) > 5 else ''})")
    first = max(due, key=_importance)
    return Message(
        id=first.id, text="\n".join(lines), event=first.name, worth=first.worth, count=len(due) + sum(more.values()),
        made_at=_stamp(moment),
    )  # fmt: skip


def _clock(time: str) -> str:
    return _moment(time).astimezone().strftime("%H:%M")


def _cut(text: str) -> str:
    return text if len(text) <= LINE_LENGTH else text[: LINE_LENGTH - 1] + "…"


def _within_hour(times: list[str], moment: datetime) -> list[str]:
    """Those of the last hour; a clock that was set back makes none of them wait longer."""
    return [time for time in times if timedelta(0) <= moment - _moment(time) < HOUR]


def _stamp(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds")


def _moment(text: str) -> datetime:
    """A time; one that cannot be read, or that no clock shows, is long ago."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return LONG_AGO
    if not LONG_AGO.year < found.year < datetime.max.year:
        return LONG_AGO
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)
