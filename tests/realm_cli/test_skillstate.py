"""A hero's standing, computed from the lines of its evals."""

from __future__ import annotations

import logging
import random
import sys
from math import comb
from pathlib import Path

import pytest

from realm_cli import skillstate, store
from realm_cli.errors import FormatError
from realm_cli.realm import Realm
from realm_cli.skill_records import EvalLine, SkillState
from realm_cli.skillstate import standing, wilson


def line(
    step: int, correct: int, size: int = 50, level: int = 1, state: str = "ok", chosen: str = "a" * 12
) -> EvalLine:
    return EvalLine(
        step=step, level=level, state=state, correct=correct, size=size, closed=True, set_sha256=chosen,
        at="2026-01-01T00:00:00+00:00",
    )  # fmt: skip


@pytest.fixture
def bare(tmp_path: Path) -> Realm:
    (tmp_path / "status" / "skills" / "dio").mkdir(parents=True)
    return Realm(tmp_path)


# Computed apart, as the two solutions p of (p - share)^2 = z^2 p (1 - p) / n with z = 1.959964.
KNOWN = [
    (0, 0, 0.0, 1.0),
    (0, 10, 0.0, 0.277533),
    (10, 10, 0.722467, 1.0),
    (5, 10, 0.236593, 0.763407),
    (40, 50, 0.669631, 0.887562),
    (120, 150, 0.728871, 0.856165),
    (1, 1, 0.206549, 1.0),
    (800, 1000, 0.774081, 0.823623),
]


@pytest.mark.parametrize(("correct", "total", "low", "high"), KNOWN)
def test_the_interval_is_wilson_s(correct: int, total: int, low: float, high: float) -> None:
    assert list(wilson(correct, total)) == pytest.approx([low, high], abs=2e-5)


def test_the_interval_solves_its_own_equation() -> None:
    for total in (1, 5, 50, 150):
        for correct in range(total + 1):
            share = correct / total
            for bound in wilson(correct, total):
                assert 0.0 <= bound <= 1.0
                inside = 1.959964**2 * bound * (1 - bound) / total
                assert (bound - share) ** 2 == pytest.approx(inside, abs=1e-9)


def test_without_evals_nothing_is_known() -> None:
    found = standing([], 1)
    assert (found.accuracy, found.interval, found.steps, found.passes(0.01)) == (None, None, [], False)


def test_two_evals_are_not_enough_and_three_are() -> None:
    lines = [line(10, 50), line(20, 50), line(30, 50)]
    assert not standing(lines[:2], 1).passes(0.8)
    assert standing(lines, 1).passes(0.8)
    assert standing(lines, 1).steps == [10, 20, 30]


def test_the_mean_of_the_last_three_decides() -> None:
    lines = [line(1, 50), line(2, 50), line(3, 50), line(4, 35)]
    assert standing(lines, 1).accuracy == pytest.approx(0.9)
    assert standing(lines, 1).steps == [2, 3, 4]
    assert not standing([*lines, line(5, 34)], 1).passes(0.8)


@pytest.mark.parametrize(
    ("right", "passes"), [((40, 40, 40), True), ((40, 40, 39), False), ((50, 50, 20), True), ((50, 50, 19), False)]
)
def test_exactly_the_threshold_passes_and_one_problem_less_does_not(right: tuple[int, ...], passes: bool) -> None:
    assert standing([line(step, correct) for step, correct in enumerate(right)], 1).passes(0.8) is passes


@pytest.mark.parametrize("size", [5, 10, 15, 35, 45, 55, 60, 65, 85, 95, 170])
def test_exactly_the_threshold_passes_whatever_the_size(size: int) -> None:
    assert standing([line(step, 4 * size // 5, size) for step in range(3)], 1).passes(0.8)
    assert not standing([line(step, 4 * size // 5 - (step == 1), size) for step in range(3)], 1).passes(0.8)


def test_evals_that_are_not_ok_do_not_count() -> None:
    lines = [line(1, 50), line(2, 50), line(3, 50, state="invalid"), line(4, 50, state="error")]
    assert standing(lines, 1).steps == [1, 2]


def test_evals_of_other_levels_do_not_count() -> None:
    assert standing([line(1, 50), line(2, 50, level=2), line(3, 50)], 1).steps == [1, 3]


def test_evals_of_another_set_do_not_count() -> None:
    lines = [line(1, 50), line(2, 50), line(3, 5, 5, chosen="b" * 12)]
    assert (standing(lines, 1).steps, standing(lines, 1).accuracy) == ([3], 1.0)


def test_evals_before_and_after_the_window_do_not_count() -> None:
    lines = [line(step, 50) for step in (1, 2, 3, 4, 5)]
    assert standing(lines, 1, since=3).steps == [3, 4, 5]
    assert standing(lines, 1, upto=2).steps == [1, 2]
    assert standing(lines, 1, since=6).accuracy is None


def test_an_eval_without_problems_is_no_division_by_zero() -> None:
    assert not standing([line(step, 0, 0) for step in range(3)], 1).passes(0.8)


def write(realm: Realm, *lines: EvalLine) -> Path:
    path = skillstate.lines_path(realm, "dio", "bin")
    for one in lines:
        store.append_line(path, one.to_dict())
    return path


@pytest.mark.parametrize("recent", [False, True])
def test_three_evals_of_one_checkpoint_are_one(bare: Realm, recent: bool) -> None:
    write(bare, line(5, 50), line(5, 50), line(5, 41))
    lines = skillstate.lines(bare, "dio", "bin", recent=recent)
    assert [(one.step, one.correct) for one in lines] == [(5, 41)]
    assert not standing(lines, 1).passes(0.8)


@pytest.mark.parametrize("recent", [False, True])
def test_a_torn_line_spoils_only_itself(bare: Realm, recent: bool, caplog: pytest.LogCaptureFixture) -> None:
    path = write(bare, line(1, 50), line(2, 50))
    with open(path, "ab") as file:
        file.write(b'{"kind": "eval_line", "ver')
    write(bare, line(3, 50))
    with caplog.at_level(logging.WARNING):
        assert [one.step for one in skillstate.lines(bare, "dio", "bin", recent=recent)] == [1, 2, 3]
    assert recent or f"{path}:3: passed over a damaged line" in caplog.text


def test_a_foreign_line_is_an_error_that_names_the_file(bare: Realm) -> None:
    path = write(bare, line(1, 50))
    store.append_line(path, {"kind": "event", "version": 1})
    with pytest.raises(FormatError, match="expected kind 'eval_line'") as caught:
        skillstate.lines(bare, "dio", "bin")
    assert str(path) in caught.value.where


def test_without_a_file_there_are_no_lines(bare: Realm) -> None:
    assert skillstate.lines(bare, "dio", "bin") == skillstate.lines(bare, "dio", "bin", recent=True) == []


def test_the_end_of_a_long_file_is_enough(bare: Realm) -> None:
    path = skillstate.lines_path(bare, "dio", "bin")
    store.append_lines(path, [store.to_line(line(step, step % 50).to_dict()).strip() for step in range(3000)])
    recent = skillstate.lines(bare, "dio", "bin", recent=True)
    assert 500 < len(recent) < 3000
    assert standing(recent, 1) == standing(skillstate.lines(bare, "dio", "bin"), 1)


def test_a_standing_is_read_and_a_damaged_one_is_an_error(bare: Realm) -> None:
    assert skillstate.read(bare, "dio", "bin") is None
    assert skillstate.met(bare, "dio") == skillstate.met(bare, "nobody") == []
    path = skillstate.state_path(bare, "dio", "bin")
    store.write_record(path, SkillState(hero="dio", skill="bin", level=3))
    found = skillstate.read(bare, "dio", "bin")
    assert found is not None
    assert (found.level, found.mastered_levels, skillstate.met(bare, "dio")) == (3, [], ["bin"])
    path.write_text("{torn")
    with pytest.raises(FormatError, match="not valid JSON"):
        skillstate.read(bare, "dio", "bin")
    assert path.read_text() == "{torn"


# -- luck ----------------------------------------------------------------------------------------------------------


def at_least(wanted: int, total: int, share: float) -> float:
    """The exact probability of `wanted` or more right answers."""
    return sum(comb(total, right) * share**right * (1 - share) ** (total - right) for right in range(wanted, total + 1))


def passes_by_luck(size: int, evals: int, share: float, rng: random.Random) -> bool:
    """Whether a hero of that accuracy masters the level within so many evals, one a checkpoint."""
    lines: list[EvalLine] = []
    for step in range(evals):
        right = sum(rng.random() < share for _ in range(size))
        lines = [*lines[-2:], line(step, right, size)]
        if standing(lines, 1).passes(0.8):
            return True
    return False


def test_a_hero_of_60_percent_practically_never_masters_a_level(capsys: pytest.CaptureFixture[str]) -> None:
    exact = at_least(120, 150, 0.6)
    rng = random.Random(0)
    lucky = sum(passes_by_luck(50, 50, 0.6, rng) for _ in range(60))
    with capsys.disabled():
        sys.stdout.write(
            f"\n60 % hero, 3 x 50 problems: P(mean >= 80 %) = {exact:.2e}; {lucky} of 60 runs of 50 evals passed\n"
        )
    assert 1e-8 < exact < 1e-6
    assert lucky == 0


def test_with_the_original_s_five_problems_luck_is_the_rule(capsys: pytest.CaptureFixture[str]) -> None:
    exact = at_least(12, 15, 0.6)
    rng = random.Random(0)
    lucky = sum(passes_by_luck(5, 50, 0.6, rng) for _ in range(600)) / 600
    with capsys.disabled():
        sys.stdout.write(f"\n60 % hero, 3 x 5 problems: P(mean >= 80 %) = {exact:.3f}; within 50 evals {lucky:.2f}\n")
    assert exact == pytest.approx(0.0905, abs=1e-3)
    assert lucky > 0.85
