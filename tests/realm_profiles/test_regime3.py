from __future__ import annotations

import pytest

from realm_cli.conversation import Message
from realm_cli.errors import FormatError
from realm_cli.profiles import Nudge, Plain, Profile
from realm_profiles.regime3 import SYSTEM_PROMPT, Regime3
from realm_profiles_heroes import asked, chat

PROFILE: Profile = Regime3("")
SYSTEM = Message("system", SYSTEM_PROMPT)


def lesson(text: str) -> str:
    return PROFILE.lesson(chat(("user", "q"), ("assistant", text)), 0)[-1].content


def test_the_system_prompt_asks_for_canonical_forms_and_names_the_markers() -> None:
    assert all(part in SYSTEM_PROMPT for part in ("(op a b)", "<<ANS_START>>", "<<ANS_END>>"))
    assert PROFILE.question(asked("q")) == [SYSTEM, Message("user", "q")]
    assert PROFILE.lesson(chat(("user", "q"), ("assistant", "a")), 0)[:2] == [SYSTEM, Message("user", "q")]


@pytest.mark.parametrize("role", ["system", "developer"])
def test_a_system_prompt_of_the_row_stays(role: str) -> None:
    own = chat((role, "mine"), ("user", "q"), ("assistant", "a"))
    assert PROFILE.lesson(own, 0) == [*own[:2], Message("assistant", "<<ANS_START>>a<<ANS_END>>")]
    assert PROFILE.question(own[:2]) == own[:2]


@pytest.mark.parametrize(
    ("said", "trained"),
    [
        ("a", "<<ANS_START>>a<<ANS_END>>"),
        ("a\nb", "<<ANS_START>>a\nb<<ANS_END>>"),
        ("work <<ANS_START>>a<<ANS_END>>", "work <<ANS_START>>a<<ANS_END>>"),
        ("<think>\nw\n</think>\n\na", "<think>\nw\n</think>\n\n<<ANS_START>>a<<ANS_END>>"),
    ],
)
def test_every_reply_stands_between_the_markers_once(said: str, trained: str) -> None:
    assert lesson(said) == trained
    assert lesson(trained) == trained


@pytest.mark.parametrize(
    "said", ["a <<ANS_END>>", "<<ANS_START>>", "<<ANS_END>>a<<ANS_START>>", "<<ANS_START>>a<<ANS_END>> and more"]
)
def test_a_reply_with_markers_out_of_place_is_refused(said: str) -> None:
    with pytest.raises(
        FormatError, match="regime3: a reply holds <<ANS_START>> or <<ANS_END>> where they mark no answer"
    ):
        lesson(said)


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("<<ANS_START>>a<<ANS_END>>", "a"),
        ("(add 1 2)\n<<ANS_START>> a\nb <<ANS_END>>\n", "a\nb"),
        ("<<ANS_START>><<ANS_END>>", ""),
        ("a", None),
        ("", None),
        ("<<ANS_START>>a", None),
        ("a<<ANS_END>>", None),
        ("<<ANS_END>>a<<ANS_START>>", None),
        ("<<ANS_START>>a<<ANS_END>>b", None),
        ("<<ANS_START>>a<<ANS_END>><<ANS_START>>b<<ANS_END>>", None),
        ("<<ANS_START>><<ANS_START>>a<<ANS_END>>", None),
        ("<<ans_start>>a<<ans_end>>", None),
        ("<think>between <<ANS_START>> and <<ANS_END>></think>\n<<ANS_START>>a<<ANS_END>>", "a"),
        ("between <<ANS_START>> and <<ANS_END>>\n</think>\n\n<<ANS_START>>a<<ANS_END>>", "a"),
        ("<think>it may be <<ANS_START>>a<<ANS_END>>", None),
        ("<think>it may be <<ANS_START>>a<<ANS_END>></think>", None),
    ],
)
def test_the_answer_is_what_stands_between_one_pair_of_markers(reply: str, answer: str | None) -> None:
    assert PROFILE.answer(asked("q"), reply) == answer


def test_it_bends_nothing_and_takes_no_system_prompt_of_the_hero() -> None:
    assert PROFILE.nudge(asked("q")) == Nudge()
    with pytest.raises(FormatError, match="regime3 brings a system prompt of its own"):
        Regime3("be short")


def test_none_adds_the_configured_system_prompt_where_there_is_none_and_nothing_else() -> None:
    row = chat(("user", "q"), ("assistant", "<think>\nw\n</think>\n\na"))
    assert Plain("").lesson(row, 0) == row
    assert Plain("").question(row[:1]) == row[:1]
    assert Plain("be short").lesson(row, 0) == [Message("system", "be short"), *row]
    assert Plain("be short").question(row[:1]) == [Message("system", "be short"), row[0]]
    own = [Message("system", "mine"), *row]
    assert Plain("be short").lesson(own, 0) == own
    assert (Plain("").stamp, Plain("be short").stamp) == ("none", "none-58750d7a")
    assert Plain("").answer(row[:1], " as it is\n") == " as it is\n"
