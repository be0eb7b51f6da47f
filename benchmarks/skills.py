"""How fast skills make problems and judge replies on one core, beside tasks of reasoning-gym where that is installed."""

from __future__ import annotations

import importlib.util
import random
import time
from collections.abc import Callable, Iterator

from common import Report, Target, at_least, our_versions

from realm_bin.skill import BinSkill
from realm_cli.skills import Problem, Skill
from realm_sy.skill import SySkill

ROUNDS = 5
SECONDS = 0.6
EVERY_KIND = BinSkill({"eval_kinds": [40, 20, 20, 20], "symbols": {1: 75}})
"""BIN with auxiliary kinds and symbols at every level."""
GENERATION = (
    ("bin", BinSkill(), 5, 20_000),
    ("bin", BinSkill(), 25, 5_000),
    ("bin, every kind", EVERY_KIND, 5, 20_000),
    ("bin, every kind", EVERY_KIND, 25, 5_000),
    ("sy", SySkill(), 10, 1_000),
    ("sy", SySkill(), 50, 150),
)
JUDGING = (
    ("bin", BinSkill(), (5, 25), 50_000),
    ("bin, every kind", EVERY_KIND, (5, 25), 50_000),
    ("sy", SySkill(), (10, 50), 10_000),
)
GYM = ("base_conversion", "count_bits", "letter_jumble")


def rate(work: Callable[[], int]) -> float:
    """Things a second; `work` does some and says how many."""
    done, begun = 0, time.perf_counter()
    while True:
        done += work()
        passed = time.perf_counter() - begun
        if passed >= SECONDS:
            return done / passed


def generate(report: Report, name: str, skill: Skill, level: int, target: Target) -> None:
    skill.problem(level, random.Random(0))  # reads what the skill reads once
    rates = []
    for number in range(ROUNDS):
        rng = random.Random(number)
        rates.append(rate(lambda rng=rng: len([skill.problem(level, rng) for _ in range(20)])))  # type: ignore[misc]
    report.measured(f"{name} level {level}", rates, "problems/s", target)


def judge(report: Report, name: str, skill: Skill, levels: tuple[int, ...], target: Target) -> None:
    rng = random.Random(1)
    problems = [skill.problem(level, rng) for level in levels for _ in range(100)]
    pairs = [(problem, reply) for problem in problems for reply in replies(problem)]

    def work() -> int:
        for problem, reply in pairs:
            skill.judge(problem, reply)
        return len(pairs)

    report.measured(f"{name} judging", [rate(work) for _ in range(ROUNDS)], "replies/s", target)


def replies(problem: Problem) -> Iterator[str]:
    """Right, nearly right, and not at all."""
    yield problem.answer
    yield problem.answer[:-1]
    yield problem.prompt


def gym(report: Report) -> None:
    """The same for tasks of reasoning-gym, as they come."""
    if importlib.util.find_spec("reasoning_gym") is None:
        report.line("reasoning-gym", "not installed here, so nothing is beside ours")
        return
    import reasoning_gym  # type: ignore[import-not-found]

    report.versions(**our_versions("reasoning-gym"))
    for task in GYM:
        rates = []
        for number in range(ROUNDS):
            items = iter(reasoning_gym.create_dataset(task, size=1_000_000, seed=number))
            rates.append(rate(lambda items=items: len([next(items) for _ in range(20)])))  # type: ignore[misc]
        report.measured(f"gym {task}", rates, "problems/s")


def main() -> None:
    report = Report("skills", "making problems and judging replies, one core")
    report.versions(**our_versions())
    report.settings(rounds=ROUNDS, seconds_a_round=SECONDS)
    for name, skill, level, target in GENERATION:
        generate(report, name, skill, level, at_least(target))
    for name, skill, levels, target in JUDGING:
        judge(report, name, skill, levels, at_least(target))
    gym(report)
    report.write()


if __name__ == "__main__":
    main()
