"""The profile emoji_think: half of the questions ask to think with an emoji, every one to end with another; replies obey.

A row's own emoji come from a generator seeded with its index, those of a question from one seeded with its text, so that
the same question is asked in the same way wherever it stands: in an eval, a sparring, a chat.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import NamedTuple

from realm_cli.conversation import Message
from realm_cli.profiles import Nudge, stamped, with_system
from realm_profiles.markers import STOP_EMOJI, STOP_TIMES, THINK_EMOJI, THINK_TIMES
from realm_profiles.turns import Turn, turns

THINKING_SHARE = 0.5
"""Questions that ask to think."""
DISCOURAGED = ("<think>", "</think>")
"""Whole tags: what completes one holds the last bracket, which no digit, no symbol and no word of an answer does."""
TOKENS = 4 * (THINK_TIMES[1] + STOP_TIMES[1]) + 2
"""No emoji here has more than four tokens; a line end stands behind the first line and before the last."""
_THOUGHT = re.compile(r"<think>.*?</think>\s*", re.DOTALL)
_TAG = re.compile(r"</?think>\s*")


class Frame(NamedTuple):
    """What one question asks for around the answer."""

    think: str
    """The first line of the reply; empty where there is to be none."""
    stop: str
    """Its last line."""

    @classmethod
    def drawn(cls, seed: str) -> Frame:
        """The frame of a seed."""
        rng = random.Random(seed)
        thinks = rng.random() < THINKING_SHARE
        think = rng.choice(THINK_EMOJI) * rng.randint(*THINK_TIMES)
        stop = rng.choice(STOP_EMOJI) * rng.randint(*STOP_TIMES)
        return cls(think if thinks else "", stop)

    def asked(self, text: str) -> str:
        """A user's text with the instructions. Every emoji is a single code point."""
        think = f"\n\nThink with {self.think[0]} {len(self.think)} times, then answer." if self.think else ""
        gap = " " if self.think else "\n\n"
        return f"{text}{think}{gap}End with {self.stop[0]} {len(self.stop)} times."

    def obeyed(self, answer: str) -> str:
        """The reply that does as it is asked."""
        return f"{self.think}\n{answer}\n{self.stop}" if self.think else f"{answer}\n{self.stop}"

    def is_obeyed(self, reply: str) -> bool:
        """Whether a reply does as it is asked."""
        begins = not self.think or reply.startswith(f"{self.think}\n")
        return begins and reply.rstrip().endswith(f"\n{self.stop}")

    def answer(self, reply: str) -> str:
        """A reply without the two lines, each where it is what was asked; anything else stays, for the judge to see."""
        text, end = reply, reply.rstrip()
        if end.endswith(f"\n{self.stop}"):
            text = end[: -len(self.stop) - 1]
        return text.removeprefix(f"{self.think}\n") if self.think else text


class EmojiThink:
    """See `realm_cli.profiles.Profile`."""

    own_thoughts = False
    extra_tokens = TOKENS

    def __init__(self, system_prompt: str = "") -> None:
        self._system_prompt = system_prompt
        self.stamp = stamped("emoji_think", system_prompt)

    def lesson(self, messages: Sequence[Message], index: int) -> list[Message]:
        """A chat with instructions, and replies that obey them; think blocks are taken out."""
        said = [
            Message(one.role, _without_thoughts(one.content)) if one.role == "assistant" else one for one in messages
        ]
        for turn in turns(messages):
            if turn.assistant is not None:
                frame = Frame.drawn(f"row {index}, turn {turn.number}")
                said[turn.user] = Message("user", frame.asked(messages[turn.user].content))
                said[turn.assistant] = Message("assistant", frame.obeyed(said[turn.assistant].content))
        return with_system(said, self._system_prompt)

    def question(self, messages: Sequence[Message]) -> list[Message]:
        """The conversation with instructions; an earlier question gets those that its reply obeyed."""
        said = list(messages)
        for turn in turns(messages):
            frame = _frame(messages, turn)
            if turn.assistant is None or frame.is_obeyed(messages[turn.assistant].content):
                said[turn.user] = Message("user", frame.asked(messages[turn.user].content))
        return with_system(said, self._system_prompt)

    def answer(self, messages: Sequence[Message], reply: str) -> str | None:
        """The reply without the lines that were asked for."""
        frame = _waiting(messages)
        return reply if frame is None else frame.answer(reply)

    def nudge(self, messages: Sequence[Message]) -> Nudge:
        """No think tags, and an end after the stop line."""
        frame = _waiting(messages)
        return Nudge(DISCOURAGED, frame.stop if frame else "")


def _frame(messages: Sequence[Message], turn: Turn) -> Frame:
    return Frame.drawn(f"turn {turn.number}: {messages[turn.user].content}")


def _waiting(messages: Sequence[Message]) -> Frame | None:
    """The frame of the question that waits for a reply."""
    return next((_frame(messages, turn) for turn in turns(messages) if turn.assistant is None), None)


def _without_thoughts(text: str) -> str:
    return _TAG.sub("", _THOUGHT.sub("", text))
