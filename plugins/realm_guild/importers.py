"""The formats of other tools' data files that are understood: the original's three, Alpaca, ShareGPT.

LLaMA-Factory's and axolotl's chat files are `alpaca`, `sharegpt` or `messages`. What would be lost without a word (tools,
pictures, preferences, turns that are not to be trained) is refused.
"""

from __future__ import annotations

from typing import Any

from realm_cli.importing import ConversionError
from realm_cli.skillbook import ALIASES

KEPT = ("id", "skill", "level", "problem_key")
"""Keys that are kept beside `messages`, from the row or from its `metadata`, where they are a text or a number."""
_LOST = {
    "chosen": "preferences", "rejected": "preferences", "kto_tag": "preferences", "tools": "tools", "images": "pictures",
    "videos": "videos", "audios": "sounds",
}  # fmt: skip
_SPEAKERS = {
    "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "chatgpt": "assistant",
    "model": "assistant", "system": "system", "developer": "developer", "tool": "tool", "observation": "tool",
    "function_call": "assistant", "function": "assistant",
}  # fmt: skip
Turn = dict[str, str]


class Pairs:
    """`user_prompt`, `assistant_response`."""

    def recognises(self, row: dict[str, Any]) -> bool:
        """By both keys."""
        return {"user_prompt", "assistant_response"} <= set(row)

    def convert(self, row: dict[str, Any]) -> dict[str, Any]:
        """A question and its answer."""
        return _row(row, [_turn("user", row, "user_prompt"), _turn("assistant", row, "assistant_response")])


class Problems:
    """`prompt`, `expected`, as the lists `problems` of static eval sets have them."""

    def recognises(self, row: dict[str, Any]) -> bool:
        """By both keys."""
        return {"prompt", "expected"} <= set(row)

    def convert(self, row: dict[str, Any]) -> dict[str, Any]:
        """A question and its answer."""
        return _row(row, [_turn("user", row, "prompt"), _turn("assistant", row, "expected")])


class Messages:
    """`messages` with `role` and `content`: the original's, OpenAI's, axolotl's `chat_template`, LLaMA-Factory's."""

    def recognises(self, row: dict[str, Any]) -> bool:
        """By the key."""
        return "messages" in row

    def convert(self, row: dict[str, Any]) -> dict[str, Any]:
        """The turns as they are."""
        return _row(row, _turns(row, "messages"))


class ShareGpt:
    """`conversations` with `from` and `value`, or `role` and `content`; `system` may stand beside them."""

    def recognises(self, row: dict[str, Any]) -> bool:
        """By the key."""
        return "conversations" in row

    def convert(self, row: dict[str, Any]) -> dict[str, Any]:
        """The turns, with the roles that quests know."""
        return _row(row, [*_system(row), *_turns(row, "conversations")])


class Alpaca:
    """`instruction`, `input`, `output`; `system` and `history` (pairs of earlier turns) may stand beside them."""

    def recognises(self, row: dict[str, Any]) -> bool:
        """By the keys that are always there."""
        return {"instruction", "output"} <= set(row)

    def convert(self, row: dict[str, Any]) -> dict[str, Any]:
        """The instruction with its input below it, and the output."""
        asked = [text for key in ("instruction", "input") if (text := _text(row.get(key) or "", key))]
        history = row.get("history") or []
        if not isinstance(history, list) or any(not isinstance(pair, list) or len(pair) != 2 for pair in history):
            raise ConversionError("history is not a list of pairs")
        turns: list[Turn] = []
        for number, (question, answer) in enumerate(history):
            turns.append({"role": "user", "content": _text(question, f"history[{number}][0]")})
            turns.append({"role": "assistant", "content": _text(answer, f"history[{number}][1]")})
        turns.append({"role": "user", "content": "\n".join(asked)})
        return _row(row, [*_system(row), *turns, _turn("assistant", row, "output")])


def _row(row: dict[str, Any], turns: list[Turn]) -> dict[str, Any]:
    """A quest's row of these turns."""
    lost = next((key for key in _LOST if row.get(key)), None)
    if lost:
        raise ConversionError(f"{lost}: {_LOST[lost]} cannot be trained, and would be lost")
    if not any(turn["role"] == "assistant" and turn["content"].strip() for turn in turns):
        raise ConversionError("no assistant says anything")
    metadata = row.get("metadata")
    facts = {**metadata, **row} if isinstance(metadata, dict) else row
    kept = {key: facts[key] for key in KEPT if isinstance(facts.get(key), (str, int, float)) and facts[key] != ""}
    if isinstance(kept.get("skill"), str):
        kept["skill"] = ALIASES.get(kept["skill"], kept["skill"])
    return {"messages": turns, **kept}


def _turn(role: str, row: dict[str, Any], key: str) -> Turn:
    return {"role": role, "content": _text(row[key], key)}


def _system(row: dict[str, Any]) -> list[Turn]:
    said = _text(row.get("system") or "", "system")
    return [{"role": "system", "content": said}] if said else []


def _turns(row: dict[str, Any], key: str) -> list[Turn]:
    said = row[key]
    if not isinstance(said, list) or not said:
        raise ConversionError(f"{key} is not a list of turns")
    return [_spoken(turn, f"{key}[{number}]") for number, turn in enumerate(said)]


def _spoken(turn: Any, where: str) -> Turn:
    if not isinstance(turn, dict):
        raise ConversionError(f"{where} is not an object")
    speaker = turn.get("role", turn.get("from"))
    role = _SPEAKERS.get(speaker) if isinstance(speaker, str) else None
    if role is None:
        raise ConversionError(f"{where}: the speaker is {str(speaker)[:40]!r}, expected one of {', '.join(_SPEAKERS)}")
    if turn.get("tool_calls"):
        raise ConversionError(f"{where}: tool_calls cannot be trained, and would be lost")
    untrained = turn.get("weight", 1) == 0 or turn.get("train", True) is False or turn.get("training", True) is False
    if role == "assistant" and untrained:
        raise ConversionError(f"{where}: the turn is not to be trained, but quests train all that the assistant says")
    key = "content" if "content" in turn else "value"
    return {"role": role, "content": _text(turn.get(key), f"{where}.{key}")}


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise ConversionError(f"{where} is not a text")
    return value
