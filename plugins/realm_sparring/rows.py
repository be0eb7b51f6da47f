"""Rows of sparring: three for each wrong answer, as many that say yes as say no. Pure: text in, rows out."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import msgspec

from realm_cli.generation import Message
from realm_cli.skills import Problem

Type = Literal["sparring_identify_incorrect", "sparring_correction", "sparring_confirm_correct"]
IDENTIFY: Type = "sparring_identify_incorrect"
CORRECTION: Type = "sparring_correction"
CONFIRM: Type = "sparring_confirm_correct"
QUESTIONS: dict[Type, str] = {
    IDENTIFY: "Is this correct?",
    CORRECTION: "This is incorrect. Find the correct solution.",
    CONFIRM: "Is this correct?",
}
NO, YES = "It is incorrect.", "It is correct."


class Stamp(NamedTuple):
    """Whose answers they are."""

    hero: str
    step: int
    weights_sha256: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a sparring quest."""

    messages: list[Message]
    type: Type
    skill: str
    level: int
    problem_key: str
    """That of `problem`, where every row of a quest has it, so that the row obeys the split."""
    problem: Problem
    proposed: str
    """The answer that is asked about: the hero's wrong one, or the golden one."""
    hero: str
    step: int
    weights_sha256: str

    @property
    def stamp(self) -> Stamp:
        """Whose answers they are."""
        return Stamp(self.hero, self.step, self.weights_sha256)


class Wrong(NamedTuple):
    """A problem with the hero's wrong answer."""

    problem: Problem
    proposed: str


def question(row_type: Type, problem: Problem, proposed: str) -> str:
    """The user's text: the problem, the proposed answer set off from it, the question."""
    return f"{problem.prompt}\n\nProposed answer:\n{proposed}\n\n{QUESTIONS[row_type]}"


def answer(row_type: Type, problem: Problem) -> str:
    """What the assistant says."""
    return problem.answer if row_type == CORRECTION else YES if row_type == CONFIRM else NO


def make(skill: str, level: int, stamp: Stamp, wrong: Sequence[Wrong], fresh: Iterable[Problem]) -> list[Row]:
    """Three rows for each wrong answer; `fresh` gives a problem for each."""

    def row(row_type: Type, problem: Problem, proposed: str) -> Row:
        said = [Message("user", question(row_type, problem, proposed)), Message("assistant", answer(row_type, problem))]
        return Row(
            messages=said, type=row_type, skill=skill, level=level, problem_key=problem.key, problem=problem,
            proposed=proposed, hero=stamp.hero, step=stamp.step, weights_sha256=stamp.weights_sha256,
        )  # fmt: skip

    made: list[Row] = []
    for (problem, proposed), other in zip(wrong, fresh, strict=True):
        made += [
            row(IDENTIFY, problem, proposed),
            row(CORRECTION, problem, proposed),
            row(CONFIRM, other, other.answer),
        ]
    return made


def sort_of(problem: Problem) -> tuple[str, str]:
    """What problems have in common that are asked and answered alike."""
    return str(problem.meta.get("kind")), str(problem.meta.get("form"))


def partners(wrong: Sequence[Wrong], pools: Iterable[Sequence[Problem]]) -> list[Problem]:
    """For each wrong answer the problem whose golden answer is confirmed: of the same sort, where the pool has one.

    A hero is wrong more often in some sorts than in others: with any problem confirmed, the sort alone would tell yes
    from no. A pool is used up before the next one is touched.
    """
    chosen: dict[int, Problem] = {}
    for pool in pools:
        missing = [number for number in range(len(wrong)) if number not in chosen]
        sorted_out: defaultdict[tuple[str, str], deque[Problem]] = defaultdict(deque)
        for problem in pool:
            sorted_out[sort_of(problem)].append(problem)
        for number in missing:
            if alike := sorted_out[sort_of(wrong[number].problem)]:
                chosen[number] = alike.popleft()
        rest = [problem for alike in sorted_out.values() for problem in alike]
        chosen |= dict(zip([number for number in missing if number not in chosen], rest, strict=False))
    return [chosen[number] for number in range(len(wrong))]


def to_jsonl(rows: Iterable[Row]) -> bytes:
    """The rows as the content of a quest file."""
    return b"".join([msgspec.json.encode(row) + b"\n" for row in rows])
