"""The decision which skill is forged next: shares, targets, priorities, locks; and what each strategy promises."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realm_cli.config import CurriculumConfig, SkillPlan
from realm_guild import schedule
from realm_guild.schedule import Decision
from realm_guild.strategies import Contender

LOCKED = {"bin": 10}


def contender(skill: str, **facts: object) -> Contender:
    plan = {key: facts.pop(key) for key in ("enabled", "priority", "weight", "target") if key in facts}
    return Contender(skill, SkillPlan(**plan), **{"is_new": True, **facts})  # type: ignore[arg-type]


def draws(config: CurriculumConfig, skills: list[Contender], count: int) -> list[str]:
    return [turn.skill for turn in schedule.upcoming(config, skills, count)]


def after(config: CurriculumConfig, skills: list[Contender], count: int) -> list[Contender]:
    """The skills as they stand so many turns later."""
    for _ in range(count):
        turn = schedule.decide(config, skills).next
        assert turn is not None
        skills = schedule.after(skills, turn)
    return skills


def states(decision: Decision) -> dict[str, str]:
    return {one.skill: one.state for one in decision.verdicts}


def reasons(decision: Decision) -> dict[str, str]:
    return {one.skill: one.reason for one in decision.verdicts}


# -- shares --------------------------------------------------------------------------------------------------------

WEIGHTS = st.lists(st.floats(0.01, 100) | st.integers(1, 9).map(float), min_size=1, max_size=12)


@settings(max_examples=40, deadline=None)
@given(WEIGHTS, st.integers(1, 200))
def test_shares_are_proportional_to_weights_and_never_more_than_one_quest_off(weights: list[float], count: int) -> None:
    names = [f"s{number:02}" for number in range(len(weights))]
    skills = [contender(name, weight=weight) for name, weight in zip(names, weights, strict=True)]
    got, total = Counter[str](), sum(weights)
    for number, name in enumerate(draws(CurriculumConfig(strategy="weighted"), skills, count), start=1):
        got[name] += 1
        for one, weight in zip(names, weights, strict=True):
            assert abs(got[one] - number * weight / total) < 1 + 1e-6


def test_equal_shares_take_turns_by_name() -> None:
    skills = [contender("bin", weight=9), contender("sy"), contender("zap")]
    assert draws(CurriculumConfig(), skills, 6) == ["bin", "sy", "zap", "bin", "sy", "zap"]
    assert {one.share for one in schedule.decide(CurriculumConfig(), skills).verdicts} == {1 / 3}


def test_two_to_one_is_two_to_one() -> None:
    skills = [contender("bin", weight=2), contender("sy")]
    made = draws(CurriculumConfig(strategy="weighted"), skills, 9)
    assert all(sorted(made[start : start + 3]) == ["bin", "bin", "sy"] for start in (0, 3, 6))


def test_the_focus_has_its_share_and_the_others_share_the_rest() -> None:
    skills = [contender("bin"), contender("sy"), contender("zap")]
    config = CurriculumConfig(strategy="focus", focus="sy")
    assert Counter(draws(config, skills, 100)) == {"sy": 80, "bin": 10, "zap": 10}
    assert reasons(schedule.decide(config, skills))["sy"] == "80 % of the quests, as the focus is on it"


def test_a_focus_with_a_share_of_one_leaves_nothing_for_others() -> None:
    decision = schedule.decide(
        CurriculumConfig(strategy="focus", focus="sy", focus_share=1.0), [contender("bin"), contender("sy")]
    )
    assert states(decision) == {"bin": "waits", "sy": "next"}
    assert "only sy is forged" in reasons(decision)["bin"]


def test_catch_up_forges_the_lowest_level_until_it_is_level() -> None:
    config = CurriculumConfig(strategy="catch_up")
    skills = [contender("bin", level=5), contender("sy", level=2), contender("zap", level=5)]
    assert draws(config, skills, 4) == ["sy"] * 4
    assert reasons(schedule.decide(config, skills))["bin"] == "waits until sy has caught up from level 2"
    skills[1] = contender("sy", level=5)
    assert set(draws(config, skills, 3)) == {"bin", "sy", "zap"}


@pytest.mark.parametrize("reason", [{"locked_by": LOCKED}, {"plan": SkillPlan(enabled=False)}, {"away": "no answer"}])
def test_who_comes_late_has_its_share_from_then_on_and_makes_up_for_nothing(reason: dict[str, Any]) -> None:
    here = contender("sy")
    skills = after(CurriculumConfig(), [contender("bin"), replace(here, **reason)], 50)
    assert (skills[0].forged, skills[1].forged) == (50, 0)
    assert Counter(draws(CurriculumConfig(), [skills[0], here], 10)) == {"bin": 5, "sy": 5}


def test_who_was_away_for_long_is_at_most_one_quest_behind() -> None:
    skills = after(CurriculumConfig(), [contender("bin"), contender("sy")], 4)
    away = after(CurriculumConfig(), [skills[0], replace(skills[1], away="no answer")], 40)
    made = Counter(draws(CurriculumConfig(), [away[0], replace(away[1], away="")], 10))
    assert made["sy"] - made["bin"] in (0, 1, 2)


# -- targets -------------------------------------------------------------------------------------------------------


def test_a_skill_at_its_target_is_replayed_with_the_share_that_its_quests_gave_to_mastered_levels() -> None:
    skills = [contender("bin", level=6, mastered=5, target=5, replay=0.25), contender("sy")]
    turns = schedule.upcoming(CurriculumConfig(), skills, 50)
    assert Counter((turn.skill, turn.is_replay, turn.level) for turn in turns) == {
        ("bin", True, 5): 10, ("sy", False, 1): 40,
    }  # fmt: skip
    assert reasons(schedule.decide(CurriculumConfig(), skills))["bin"] == (
        "replayed with 20 % of the quests: its target level 5 is mastered"
    )


@pytest.mark.parametrize("facts", [{"mastered": 4, "level": 5}, {"mastered": 9, "level": 10, "replay": 0.0}])
def test_below_the_target_it_is_trained_and_without_replay_it_never_comes_again(facts: dict[str, object]) -> None:
    skills = [contender("bin", target=5, **facts), contender("sy")]
    state = "next" if facts["mastered"] == 4 else "reached"
    assert states(schedule.decide(CurriculumConfig(), skills))["bin"] == state


def test_when_all_have_reached_their_targets_nothing_is_forged_and_that_is_said() -> None:
    decision = schedule.decide(CurriculumConfig(), [contender("bin", level=3, mastered=2, target=2)])
    assert decision.next is None
    assert decision.why_nothing == (
        "no skill can be forged (bin: its target level 2 is mastered); see: realm skill schedule show"
    )


@pytest.mark.parametrize("strategy", ["equal", "catch_up"])
def test_a_skill_of_which_all_levels_are_mastered_does_not_stop_the_others(strategy: Any) -> None:
    skills = [contender("bin", level=30, mastered=30, max_level=30, replay=0.25), contender("sy", level=31)]
    config = CurriculumConfig(strategy=strategy)
    assert Counter(draws(config, skills, 10)) == {"bin": 2, "sy": 8}
    assert (
        reasons(schedule.decide(config, skills))["bin"]
        == "replayed with 20 % of the quests: all its levels are mastered"
    )
    alone = schedule.decide(config, skills[:1]).next
    assert alone is not None
    assert (alone.level, alone.is_replay) == (30, False)


# -- who takes part ------------------------------------------------------------------------------------------------


def test_lower_priorities_wait_until_none_of_the_higher_can_be_forged() -> None:
    skills = [contender("bin"), contender("sy", priority=2), contender("zap", priority=2)]
    decision = schedule.decide(CurriculumConfig(), skills)
    assert states(decision) == {"bin": "waits", "sy": "next", "zap": "turns"}
    assert reasons(decision)["bin"] == "waits for sy, zap, of a higher priority (2)"
    gone = [skills[0], replace(skills[1], away="no answer"), replace(skills[2], locked_by=LOCKED)]
    assert states(schedule.decide(CurriculumConfig(), gone)) == {"bin": "next", "sy": "away", "zap": "locked"}


def test_each_reason_is_told() -> None:
    skills = [
        contender("bin"), contender("off", enabled=False), contender("sy", locked_by=LOCKED), contender("zap", away="no answer"),
    ]  # fmt: skip
    config = CurriculumConfig(skills={"nobody": SkillPlan(weight=2)})
    decision = schedule.decide(config, skills)
    assert reasons(decision) == {
        "bin": "the only skill that can be forged", "off": "it is disabled",
        "sy": "locked until bin level 10 is mastered", "zap": "no answer",
    }  # fmt: skip
    assert decision.notes == ["curriculum.skills names 'nobody', but there is no such skill here"]
    listed = schedule.decide(CurriculumConfig(skills=["bin"]), skills)
    assert reasons(listed)["off"] == "curriculum.skills does not name it"
    assert schedule.decide(config, []).why_nothing.startswith("no skill can be forged (there is no skill)")


@pytest.mark.parametrize(
    ("focus", "facts", "why", "forged"),
    [
        ("sy", {"locked_by": LOCKED}, "cannot be forged: locked until bin level 10 is mastered", "bin"),
        ("sy", {"enabled": False}, "cannot be forged: it is disabled", "bin, zap"),
        ("sy", {"away": "no answer"}, "cannot be forged: no answer", "bin, zap"),
        ("sy", {"target": 1, "mastered": 1}, "has reached its target level 1", "bin, zap"),
        ("nobody", {}, "there is no such skill here", "bin, sy, zap"),
        ("", {}, "curriculum.focus names no skill", "bin, sy, zap"),
    ],
)
def test_a_focus_that_cannot_be_forged_is_told_with_what_happens_meanwhile(
    focus: str, facts: dict[str, object], why: str, forged: str
) -> None:
    skills = [contender("bin"), contender("sy", **facts), contender("zap")]
    decision = schedule.decide(CurriculumConfig(strategy="focus", focus=focus, focus_share=1.0), skills)
    (note,) = decision.notes
    assert why in note
    assert note.endswith(f"; forged meanwhile: {forged}")
    assert decision.next is not None
    assert decision.next.skill == "bin"


def test_the_same_facts_give_the_same_decision_and_looking_changes_none() -> None:
    skills = [contender("bin", weight=3), contender("sy")]
    config = CurriculumConfig(strategy="weighted")
    first = schedule.decide(config, skills)
    schedule.upcoming(config, skills, 30)
    assert schedule.decide(config, skills) == first
    assert schedule.decide(config, skills[::-1]).next == first.next
