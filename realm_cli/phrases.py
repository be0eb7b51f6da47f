"""How numbers of the game read, the same in `realm status`, in `realm play` and wherever else they are shown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from realm_cli.records import EvalView, SampleView
from realm_cli.snapshot_records import HeroView, MasteryView, SkillView

CLOSED = "closed"
"""Stands wherever the accuracy of a closed level is shown: its whole table is trained, so it may be known by heart."""
TO = "\N{EN DASH}"
"""Between the ends of a range."""
LONGEST = 140
"""Characters of an answer that are shown; the whole of it stands in the eval's file."""


def percent(share: float) -> str:
    """`74 %`, rounded down: 80 % has reached a threshold of 80 %, and 100 % has no mistake."""
    return f"{math.floor(100 * share + 1e-6)} %"


def with_interval(share: float, interval: Iterable[float], evals: int | None = None) -> str:
    """A share with its 95 % interval in brackets, and how many evals it is the mean of."""
    low, high = (round(100 * end) for end in interval)
    counted = "" if evals is None else f", {evals} eval{'' if evals == 1 else 's'}"
    return f"{percent(share)} ({low}{TO}{high}{counted})"


def accuracy(skill: SkillView) -> str:
    """The standing at the level in training, of a skill as the watchtower shows it."""
    if skill.accuracy is None or skill.interval is None:
        return "not evaluated yet"
    return with_interval(skill.accuracy, skill.interval, skill.evals)


def power(value: float | None, what: str, real: float | None) -> str:
    """A game number with the real one beside it: `55.13 (loss 0.0181)`."""
    return "-" if value is None or real is None else f"{value:.4g} ({what} {real:.4f})"


def powers(hero: HeroView) -> dict[str, str]:
    """Attack, defence and accuracy of a hero as the watchtower shows it."""
    return {
        "atk": power(hero.atk, "loss", hero.loss),
        "def": power(hero.defence, "val loss", hero.val_loss),
        "acc": "-" if hero.acc is None else percent(hero.acc),
    }


def levels(numbers: Iterable[int]) -> str:
    """Numbers with runs joined, `1, 5`; empty for none."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}{TO}{run[-1]}" for run in runs)


def lost(skill: SkillView) -> list[MasteryView]:
    """The mastered levels whose last eval fell below the threshold."""
    return [one for one in skill.mastered if one.now is not None and one.now < skill.threshold - 1e-9]


def mastered(skill: SkillView) -> str:
    """`mastered 1, 2; lost 2 (64 %)`; empty without a mastered level."""
    if not skill.mastered:
        return ""
    gone = ", ".join(f"{one.level} ({percent(one.now or 0)})" for one in lost(skill))
    return f"mastered {levels(one.level for one in skill.mastered)}" + (f"; lost {gone}" if gone else "")


def locked(unlock: Mapping[str, int]) -> str:
    """What has to be mastered before a skill is trained, of the levels that its `unlock` still waits for; empty for none."""
    missing = [f"{name} level {level}" for name, level in unlock.items()]
    return f"locked until {' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} mastered" if missing else ""


def eval_result(skill: str, level: int, correct: int, size: int, closed: bool) -> str:
    """`bin level 3: 41 of 50 right (82 %), closed`."""
    text = f"{skill} level {level}: {correct} of {size} right ({percent(correct / max(1, size))})"
    return text + (f", {CLOSED}" if closed else "")


def eval_view(view: EvalView) -> str:
    """The last eval in one line."""
    return f"{eval_result(view.skill, view.level, view.correct, view.size, view.closed)}, step {view.step:,}"


def exchange(sample: SampleView) -> str:
    """A problem and what the hero answered."""
    return f"{short(sample.prompt)} → {short(sample.answer) or '(nothing)'}"


def quest_name(name: str) -> str:
    """A quest's name without the ending that all of them have."""
    for ending in (".gz", ".zst", ".jsonl"):
        name = name.removesuffix(ending)
    return name


def why(reason: str) -> str:
    """A battle's reason in words; the name of the signal by which it was asked to stop tells a player nothing."""
    return "" if reason in ("SIGTERM", "SIGINT") else one_line(reason)


def one_line(text: str) -> str:
    """Text from outside on one line: no line breaks, no control characters."""
    return " ".join("".join(mark if mark.isprintable() else " " for mark in text).split())


def short(text: str) -> str:
    """A problem or an answer on one line, cut where it is long."""
    text = one_line(text)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
