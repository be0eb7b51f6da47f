"""The formats of other tools' data files that are understood: the original's three, Alpaca, ShareGPT.

LLaMA-Factory's and axolotl's chat files are `alpaca`, `sharegpt` or `messages`. What would be lost without a word (tools,
pictures, preferences, thoughts, turns that are not to be trained) is refused; what a row tells besides is left out and named.
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
_LOST_OF_TURNS = (
    "tool_calls", "function_call", "reasoning_content", "reasoning", "thinking", "images", "audio", "training_detail",
    "train_detail",
)  # fmt: skip
_MARKS = ("train", "training", "loss")
_TOLD = {"role", "from", "content", "value", "weight", *_MARKS, *_LOST_OF_TURNS}
_NOTHING: tuple[Any, ...] = (None, "", [], {})
_SYSTEM = ("system", "system_prompt")
_SPEAKERS = {
    "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "chatgpt": "assistant",
    "model": "assistant", "system": "system", "developer": "developer", "tool": "tool", "observation": "tool",
    "function_call": "assistant", "function": "assistant",
}  # fmt: skip
Turn = dict[str, str]


class Format:
    """What all formats have in common."""

    reads: tuple[str, ...] = ()
    """The keys of which the turns are made."""
    turns = ""
    """The key that holds the turns themselves, where one does."""

    def left_out(self, row: dict[str, Any]) -> set[str]:
        """The names of what is in no turn and is not kept either."""
        known = {*self.reads, *_SYSTEM, *_LOST, self.turns, "metadata"}
        found = {key for key, value in row.items() if key not in known and not _is_kept(key, value)}
        metadata = row.get("metadata")
        if isinstance(metadata, dict):
            found |= {f"metadata.{key}" for key, value in metadata.items() if not _is_kept(key, value)}
        for turn in row[self.turns] if self.turns else ():
            found |= {
                f"{self.turns}.{key}" for key, value in turn.items() if key not in _TOLD and not _is_kept("", value)
            }
        return found


class Pairs(Format):
    """`user_prompt`, `assistant_response`; a system prompt may stand beside them, as in every format."""

    reads = ("user_prompt", "assistant_response")

    def recognises(self, row: dict[str, Any]) -> bool:
        """By both keys."""
        return {"user_prompt", "assistant_response"} <= set(row)

    def convert(self, row: dict[str, Any]) -> dict[str, Any]:
        """A question and its answer."""
        return _row(row, [_turn("user", row, "user_prompt"), _turn("assistant", row, "assistant_response")])


class Problems(Format):
    """`prompt`, `expected`, as the lists `problems` of static eval sets have them."""

    reads = ("prompt", "expected")

    def recognises(self, row: dict[str, Any]) -> bool:
        """By both keys."""
        return {"prompt", "expected"} <= set(row)

    def convert(self, row: dict[str, Any]) -> dict[str, Any]:
        """A question and its answer."""
        return _row(row, [_turn("user", row, "prompt"), _turn("assistant", row, "expected")])


class Messages(Format):
    """`messages` with `role` and `content`: the original's, OpenAI's, axolotl's `chat_template`, LLaMA-Factory's."""

    turns = "messages"

    def recognises(self, row: dict[str, Any]) -> bool:
        """By the key."""
        return "messages" in row

    def convert(self, row: dict[str, Any]) -> dict[str, Any]:
        """The turns as they are."""
        return _row(row, _turns(row, self.turns))


class ShareGpt(Format):
    """`conversations` with `from` and `value`, or `role` and `content`."""

    turns = "conversations"

    def recognises(self, row: dict[str, Any]) -> bool:
        """By the key."""
        return "conversations" in row

    def convert(self, row: dict[str, Any]) -> dict[str, Any]:
        """The turns, with the roles that quests know."""
        return _row(row, _turns(row, self.turns))


class Alpaca(Format):
    """`instruction`, `input`, `output`; `history` (pairs of earlier turns) may stand beside them."""

    reads = ("instruction", "input", "output", "history")

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
        return _row(row, [*turns, _turn("assistant", row, "output")])


def _row(row: dict[str, Any], turns: list[Turn]) -> dict[str, Any]:
    """A quest's row of these turns, after the system prompt that stands beside them."""
    lost = next((key for key in _LOST if row.get(key)), None)
    if lost:
        raise ConversionError(f"{lost}: {_LOST[lost]} cannot be trained, and would be lost")
    if not any(turn["role"] == "assistant" and turn["content"].strip() for turn in turns):
        raise ConversionError("no assistant says anything")
    said = [one for one in _system(row) if one not in turns]
    metadata = row.get("metadata")
    facts = {**metadata, **row} if isinstance(metadata, dict) else row
    kept = {key: facts[key] for key in KEPT if facts.get(key) not in _NOTHING and _is_kept(key, facts[key])}
    if isinstance(kept.get("skill"), str):
        kept["skill"] = ALIASES.get(kept["skill"], kept["skill"])
    return {"messages": [*said, *turns], **kept}


def _is_kept(key: str, value: Any) -> bool:
    """Whether a fact of a row comes into the quest; what is nothing is not missed."""
    return value in _NOTHING or (key in KEPT and isinstance(value, (str, int, float)))


def _turn(role: str, row: dict[str, Any], key: str) -> Turn:
    return {"role": role, "content": _text(row[key], key)}


def _system(row: dict[str, Any]) -> list[Turn]:
    texts = dict.fromkeys(_text(row[key], key) for key in _SYSTEM if row.get(key))
    return [{"role": "system", "content": text} for text in texts]


def _turns(row: dict[str, Any], key: str) -> list[Turn]:
    said = row[key]
    if not isinstance(said, list) or not said:
        raise ConversionError(f"{key} is not a list of turns")
    return [_spoken(turn, f"{key}[{number}]") for number, turn in enumerate(said)]


def _spoken(turn: Any, where: str) -> Turn:
    if not isinstance(turn, dict):
        raise ConversionError(f"{where} is not an object")
    speaker = _either(turn, "role", "from", where)
    role = _SPEAKERS.get(speaker) if isinstance(speaker, str) else None
    if role is None:
        raise ConversionError(f"{where}: the speaker is {str(speaker)[:40]!r}, expected one of {', '.join(_SPEAKERS)}")
    lost = next((key for key in _LOST_OF_TURNS if turn.get(key)), None)
    if lost:
        raise ConversionError(f"{where}: {lost} cannot be trained, and would be lost")
    _check_marks(turn, role, where)
    key = "content" if "content" in turn else "value"
    return {"role": role, "content": _text(_either(turn, "content", "value", where), f"{where}.{key}")}


def _either(turn: dict[str, Any], one: str, other: str, where: str) -> Any:
    """The value under either name."""
    if one in turn and other in turn and turn[one] != turn[other]:
        raise ConversionError(f"{where} has both {one} and {other}, and they differ")
    return turn.get(one, turn.get(other))


def _check_marks(turn: dict[str, Any], role: str, where: str) -> None:
    """Refuse marks that say otherwise than quests do which turns are trained: those of the assistant, and no others."""
    marks = [turn.get(key) for key in _MARKS]
    if role == "assistant" and (turn.get("weight", 1) == 0 or False in [mark for mark in marks if mark is not None]):
        raise ConversionError(f"{where}: the turn is not to be trained, but quests train all that the assistant says")
    if role != "assistant" and any(mark is True for mark in marks):
        raise ConversionError(f"{where}: the turn is to be trained, but quests train only what the assistant says")


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise ConversionError(f"{where} is not a text")
    return value
