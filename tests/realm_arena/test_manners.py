"""When a battle yields its GPU, and when it goes on."""

import pytest

from realm_arena.manners import CLEAR_SECONDS, WHO, Foreigner, Manners, Seen, Wish
from realm_cli.records import FlagRecord, ProcessMark

GAME = Foreigner("game", ProcessMark(4711, "boot:1", "here"), 3000)
OTHER = Foreigner("render", ProcessMark(4712, "boot:2", "here"), 9000)
OURS = FlagRecord(who=WHO, release=True)
PERSONS = FlagRecord(who="you")
RAISED = Wish("raise", "another program uses the GPU: game (pid 4711, 3,000 MB)")
LOWERED = Wish("lower")


def seen(moment: float, *foreigners: Foreigner, pause: FlagRecord | None = None, celsius: int | None = None) -> Seen:
    return Seen(moment, foreigners, celsius, pause)


@pytest.fixture
def manners() -> Manners:
    return Manners(80)


def test_it_yields_at_once_and_goes_on_when_the_gpu_was_free_for_a_while(manners: Manners) -> None:
    assert manners.decide(seen(0)) is None
    assert manners.decide(seen(2, GAME)) == RAISED
    assert manners.decide(seen(4, GAME, pause=OURS)) is None
    assert manners.decide(seen(6, pause=OURS)) is None
    assert manners.decide(seen(8, GAME, pause=OURS)) is None  # it was gone for a moment only
    assert manners.decide(seen(10, pause=OURS)) is None
    assert manners.decide(seen(10 + CLEAR_SECONDS, pause=OURS)) == LOWERED
    assert manners.decide(seen(20)) is None


def test_a_persons_pause_stays_a_persons(manners: Manners) -> None:
    assert manners.decide(seen(0, GAME, pause=PERSONS)) is None
    assert manners.decide(seen(2, pause=PERSONS)) is None
    assert manners.decide(seen(100, pause=PERSONS)) is None


def test_a_pause_that_a_person_took_over_is_not_lowered(manners: Manners) -> None:
    assert manners.decide(seen(0, GAME)) == RAISED
    assert manners.decide(seen(2, GAME, pause=PERSONS)) is None
    assert manners.decide(seen(4, pause=PERSONS)) is None
    assert manners.decide(seen(100, pause=PERSONS)) is None


def test_a_persons_resume_is_respected_for_that_program_alone(manners: Manners) -> None:
    assert manners.decide(seen(0, GAME)) == RAISED
    assert manners.decide(seen(2, GAME, pause=OURS)) is None
    assert manners.decide(seen(4, GAME)) is None
    assert manners.decide(seen(6, GAME)) is None
    assert manners.decide(seen(8, GAME, OTHER)) == Wish(
        "raise", "another program uses the GPU: render (pid 4712, 9,000 MB)"
    )
    assert manners.decide(seen(10, GAME, pause=OURS)) is None
    assert manners.decide(seen(10 + CLEAR_SECONDS, GAME, pause=OURS)) == LOWERED


def test_a_program_with_a_pid_that_was_used_before_is_another_one(manners: Manners) -> None:
    again = Foreigner("game", ProcessMark(4711, "boot:99", "here"), 3000)
    manners.decide(seen(0, GAME))
    assert manners.decide(seen(2, GAME)) is None  # resumed by a person

    assert manners.decide(seen(4, again)) == RAISED


def test_what_an_earlier_battle_left_is_lowered_when_the_gpu_is_free(manners: Manners) -> None:
    assert manners.decide(seen(0, pause=OURS)) is None
    assert manners.decide(seen(CLEAR_SECONDS, pause=OURS)) == LOWERED


def test_what_an_earlier_battle_left_holds_while_the_program_is_there(manners: Manners) -> None:
    assert manners.decide(seen(0, GAME, pause=OURS)) is None
    assert manners.decide(seen(100, GAME, pause=OURS)) is None


def test_too_hot_it_waits_until_it_is_five_degrees_below(manners: Manners) -> None:
    assert manners.decide(seen(0, celsius=80)) is None
    assert manners.decide(seen(2, celsius=81)) == Wish(
        "raise", "the GPU has 81 °C, more than training.max_celsius (80)"
    )
    assert manners.decide(seen(4, pause=OURS, celsius=76)) is None
    assert manners.decide(seen(100, pause=OURS, celsius=76)) is None
    assert manners.decide(seen(102, pause=OURS, celsius=75)) is None
    assert manners.decide(seen(102 + CLEAR_SECONDS, pause=OURS, celsius=75)) == LOWERED


def test_a_persons_resume_holds_until_it_has_cooled_down(manners: Manners) -> None:
    manners.decide(seen(0, celsius=90))
    assert manners.decide(seen(2, celsius=90)) is None
    assert manners.decide(seen(4, celsius=95)) is None
    assert manners.decide(seen(6, celsius=70)) is None
    assert manners.decide(seen(8, celsius=81)) is not None


def test_without_a_ceiling_or_a_thermometer_heat_is_no_reason() -> None:
    assert Manners(None).decide(seen(0, celsius=200)) is None
    assert Manners(80).decide(seen(0, celsius=None)) is None
