"""The profile regime3: a system prompt asks for canonical forms, and the final answer stands between two markers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from realm_cli.conversation import Message
from realm_cli.errors import FormatError
from realm_cli.profiles import Nudge, with_system
from realm_cli.skills import without_thinking

START, END = "<<ANS_START>>", "<<ANS_END>>"
SYSTEM_PROMPT = (
    "Write every expression in its canonical form (op a b): the operation first, then its arguments, in parentheses. "
    f"Put the final answer between {START} and {END}, and nothing after it."
)
_THOUGHT = re.compile(r"\s*<think>.*?</think>\s*", re.DOTALL)
_MARKED = re.compile(rf".*{re.escape(START)}(.*){re.escape(END)}\s*", re.DOTALL)


class Regime3:
    """See `realm_cli.profiles.Profile`."""

    stamp = "regime3"
    own_thoughts = False
    extra_tokens = len(START) + len(END) + 2
    """A token has a character or more."""

    def __init__(self, system_prompt: str = "") -> None:
        if system_prompt:
            raise FormatError("system_prompt", "regime3 brings a system prompt of its own", "take system_prompt out")

    def lesson(self, messages: Sequence[Message], index: int) -> list[Message]:
        """A chat with the system prompt unless it has one, every reply between the markers."""
        said = [Message(one.role, _marked(one.content)) if one.role == "assistant" else one for one in messages]
        return with_system(said, SYSTEM_PROMPT)

    def question(self, messages: Sequence[Message]) -> list[Message]:
        """The conversation with the system prompt unless it has one."""
        return with_system(messages, SYSTEM_PROMPT)

    def answer(self, messages: Sequence[Message], reply: str) -> str | None:
        """What stands between the markers behind the thinking: one pair of them, and nothing behind it."""
        text = without_thinking(reply)
        found = _MARKED.fullmatch(text)
        if found is None or text.count(START) != 1 or text.count(END) != 1:
            return None
        return found[1].strip()

    def nudge(self, messages: Sequence[Message]) -> Nudge:
        """None."""
        return Nudge()


def _marked(text: str) -> str:
    """A reply with its answer between the markers. A think block of its own stays before them."""
    if START in text or END in text:
        if _MARKED.fullmatch(text) and text.count(START) == text.count(END) == 1:
            return text
        raise FormatError("regime3", f"a reply holds {START} or {END} where they mark no answer", "take them out")
    thought = _THOUGHT.match(text)
    begin = thought.end() if thought else 0
    return f"{text[:begin]}{START}{text[begin:]}{END}"
