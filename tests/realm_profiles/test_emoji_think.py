from __future__ import annotations

import random
import re

import numpy as np
import pytest

from realm_cli.conversation import Message
from realm_cli.profiles import Nudge, Profile
from realm_profiles.emoji_think import EmojiThink, Frame
from realm_profiles.markers import STOP_EMOJI, THINK_EMOJI
from realm_profiles_heroes import asked, chat

PROFILE: Profile = EmojiThink("")
ROWS = 2000
_THINK = re.compile(r"Think with (.) (\d+) times, then answer\. ")
_END = re.compile(r"End with (.) (\d+) times\.$")


def asks(user: str) -> tuple[str, str]:
    """(the line to think with, empty for none; the line to end with), as the user's text says it."""
    think, end = _THINK.search(user), _END.search(user)
    assert end is not None
    return think[1] * int(think[2]) if think else "", end[1] * int(end[2])


def test_ten_emoji_think_and_ten_others_stop_each_a_single_code_point() -> None:
    assert len(set(THINK_EMOJI)) == len(set(STOP_EMOJI)) == 10
    assert not set(THINK_EMOJI) & set(STOP_EMOJI)
    assert {len(emoji) for emoji in THINK_EMOJI + STOP_EMOJI} == {1}


def test_every_row_s_reply_does_exactly_what_its_instructions_say() -> None:
    thinking, thinks, stops = 0, set(), set()
    for index in range(ROWS):
        user, reply = PROFILE.lesson(chat(("user", f"q {index}"), ("assistant", f"a\n{index}")), index)
        think, stop = asks(user.content)
        assert user.content.startswith(f"q {index}\n\n")
        assert reply.content == (f"{think}\n" if think else "") + f"a\n{index}\n{stop}"
        thinking += bool(think)
        thinks |= {(think[0], len(think))} if think else set()
        stops.add((stop[0], len(stop)))
    assert 0.45 < thinking / ROWS < 0.55
    assert {sign for sign, _ in thinks} == set(THINK_EMOJI)
    assert {times for _, times in thinks} == set(range(2, 9))
    assert stops == {(sign, times) for sign in STOP_EMOJI for times in range(2, 5)}


def test_the_index_of_a_row_alone_decides_its_emoji() -> None:
    def frames(text: str, indices: range) -> list[tuple[str, str]]:
        return [asks(PROFILE.lesson(chat(("user", text), ("assistant", "a")), index)[0].content) for index in indices]

    assert frames("q", range(40)) == frames("another", range(40))
    assert frames("q", range(20, 40)) == frames("q", range(40))[20:]
    assert len(set(frames("q", range(40)))) > 30


def test_the_global_random_state_is_neither_read_nor_moved() -> None:
    import torch

    states = []
    for seed in (1, 2):
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        before = (random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state().tolist())  # type: ignore[index]
        states.append((PROFILE.lesson(chat(("user", "q"), ("assistant", "a")), 7), PROFILE.question(asked("q"))))
        after = (random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state().tolist())  # type: ignore[index]
        assert before == after
    assert states[0] == states[1]


def test_a_system_prompt_stays_and_one_is_added_only_where_it_is_set() -> None:
    own = chat(("system", "mine"), ("user", "q"), ("assistant", "a"))
    assert PROFILE.lesson(own, 0)[0] == EmojiThink("theirs").lesson(own, 0)[0] == Message("system", "mine")
    assert [message.role for message in PROFILE.question(asked("q"))] == ["user"]
    assert EmojiThink("theirs").question(asked("q"))[0] == Message("system", "theirs")
    assert (EmojiThink("").stamp, EmojiThink("theirs").stamp != EmojiThink("others").stamp) == ("emoji_think", True)


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("<think>\nwhy\n</think>\n\na", "a"),
        ("<think></think>a", "a"),
        ("a</think>b", "ab"),
        ("a <b> think", "a <b> think"),
    ],
)
def test_think_tags_of_a_row_are_taken_out(said: str, left: str) -> None:
    user, reply = PROFILE.lesson(chat(("user", "q"), ("assistant", said)), 3)
    think, stop = asks(user.content)
    assert reply.content == (f"{think}\n" if think else "") + f"{left}\n{stop}"


def test_every_turn_of_a_talk_has_instructions_of_its_own() -> None:
    talk = chat(
        ("assistant", "hello"), ("user", "q"), ("user", "r"), ("assistant", "a"), ("user", "s"), ("assistant", "b"),
        ("user", "unanswered"),
    )  # fmt: skip
    hello, first, second, reply, third, other, last = PROFILE.lesson(talk, 5)
    assert (hello, first, last) == (talk[0], talk[1], talk[6])
    for user, said, text in ((second, reply, "a"), (third, other, "b")):
        think, stop = asks(user.content)
        assert said.content == (f"{think}\n" if think else "") + f"{text}\n{stop}"


def test_a_question_is_asked_as_in_training_and_always_in_the_same_way() -> None:
    thinking = 0
    for number in range(400):
        (user,) = PROFILE.question(asked(f"q {number}"))
        assert PROFILE.question(asked(f"q {number}")) == [user]
        think, stop = asks(user.content)
        assert user.content == Frame(think, stop).asked(f"q {number}")
        assert PROFILE.nudge(asked(f"q {number}")) == Nudge(("<think>", "</think>"), stop)
        thinking += bool(think)
    assert 140 < thinking < 260


def test_a_talk_goes_on_with_what_was_asked_and_said_before() -> None:
    first = PROFILE.question(asked("q"))[0]
    reply = Frame(*asks(first.content)).obeyed("a")
    talk = PROFILE.question(chat(("user", "q"), ("assistant", reply), ("user", "r")))
    assert talk[:2] == [first, Message("assistant", reply)]
    assert asks(talk[2].content)[1] == PROFILE.nudge(chat(("user", "q"), ("assistant", reply), ("user", "r"))).end_after
    # A reply that was said by somebody else, or did not obey, gets no instructions that it contradicts.
    assert PROFILE.question(chat(("user", "q"), ("assistant", "a"), ("user", "r")))[0] == Message("user", "q")


def frame_with(think: bool) -> tuple[str, Frame]:
    """A question that asks to think, or one that does not, and its frame."""
    for number in range(100):
        frame = Frame(*asks(PROFILE.question(asked(f"q {number}"))[0].content))
        if bool(frame.think) is think:
            return f"q {number}", frame
    raise AssertionError("no such question")


@pytest.mark.parametrize("think", [True, False])
@pytest.mark.parametrize("text", ["a", "several\nlines ", "", "🛑🛑 inside", "🤔"])
def test_the_answer_is_taken_out_of_a_reply_that_obeys(think: bool, text: str) -> None:
    question, frame = frame_with(think)
    assert PROFILE.answer(asked(question), frame.obeyed(text)) == text
    assert PROFILE.answer(asked(question), frame.obeyed(text) + "\n") == text


def test_lines_that_were_not_asked_for_stay_in_the_answer() -> None:
    question, frame = frame_with(True)
    other = next(emoji for emoji in STOP_EMOJI if emoji != frame.stop[0])
    for reply in (
        f"{frame.think}\na\n{other * len(frame.stop)}",
        f"{frame.think}\na\n{frame.stop}{frame.stop[0]}",
        f"{frame.think}\na{frame.stop}",
    ):
        assert PROFILE.answer(asked(question), reply) == reply.removeprefix(f"{frame.think}\n")
    reply = f"{frame.think}{frame.think[0]}\na"
    assert PROFILE.answer(asked(question), f"{reply}\n{frame.stop}") == reply
    question, frame = frame_with(False)
    assert PROFILE.answer(asked(question), f"🤔🤔\na\n{frame.stop}") == "🤔🤔\na"
