"""Problems of BIN by the form in which they are asked, and their decoding without the plugin's help."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import NamedTuple

from realm_bin.settings import MAX_LEVEL
from realm_bin.skill import BinSkill
from realm_bin.wording import KINDS, TAGS
from realm_cli.skills import Problem

LEVELS = range(1, MAX_LEVEL + 1)


class Form(NamedTuple):
    """A tag or an auxiliary kind, in digits or in symbols."""

    tag: str
    kind: str
    in_symbols: bool

    def __str__(self) -> str:
        return f"{self.kind or self.tag or 'plain'}{' in symbols' if self.in_symbols else ''}"


FORMS = [
    Form(tag, kind, in_symbols)
    for in_symbols in (False, True)
    for tag, kind in [*((tag, "") for tag in TAGS), *(("", kind) for kind in KINDS[1:])]
]


def skill_of(form: Form) -> BinSkill:
    """The skill that asks everything in one form, evals and lessons."""
    mix = tuple(100 * (tag == form.tag) for tag in TAGS)
    kinds = tuple(100 * (kind == form.kind) for kind in KINDS)
    return BinSkill(
        {
            "mix": {1: mix},
            "eval_mix": mix,
            "kinds": {1: kinds},
            "eval_kinds": kinds,
            "symbols": {1: 100 * form.in_symbols},
        }
    )


SKILLS = {form: skill_of(form) for form in FORMS}


def problems(form: Form, level: int, count: int) -> list[Problem]:
    """Problems of one form; the same place in the list is the same call in every form."""
    return [SKILLS[form].problem(level, random.Random(f"{level} {number}")) for number in range(count)]


def key_of(prompt: str) -> dict[str, str]:
    """Symbol → meaning, as the head of a prompt tells it; empty for a prompt without one."""
    head, _, _ = prompt.partition("\n")
    if not head.startswith("Key: "):
        return {}
    pairs = [entry.partition(" = ") for entry in head.removeprefix("Key: ").split(", ")]
    meanings = {symbol: meaning for symbol, _, meaning in pairs}
    assert len(meanings) == len(pairs) == len(set(meanings.values())), f"not one to one: {head}"
    return meanings


def decoded(prompt: str, text: str) -> str:
    """A text in the digits and operations that the prompt's key gives it."""
    meanings = key_of(prompt)
    names = [re.escape(symbol) for symbol, meaning in meanings.items() if meaning.isascii()]
    if names:
        called = re.compile(rf"(?<![a-z0-9_])({'|'.join(names)})(?=\()")
        text = called.sub(lambda found: meanings[found[0]], text)
    return "".join(meanings.get(character, character) if not character.isascii() else character for character in text)


def task_of(problem: Problem) -> str:
    """What is asked, without the key, decoded."""
    task = problem.prompt.partition("\n")[2] if key_of(problem.prompt) else problem.prompt
    return decoded(problem.prompt, task)


def changed_characters(problem: Problem) -> Iterator[str]:
    """The golden answer with one digit, letter or sign of it changed, at every place."""
    golden, meanings = problem.answer, key_of(problem.prompt)
    bits = [symbol for symbol, meaning in meanings.items() if not meaning.isascii()] or ["⓪", "①"]
    for place, old in enumerate(golden):
        if old in bits:
            new = bits[1 - bits.index(old)]
        elif old.isdecimal():
            new = str(9 - int(old))
        elif old.isalpha() or old == "_" or old in meanings:
            new = "z" if old != "z" else "q"
        else:
            continue
        yield golden[:place] + new + golden[place + 1 :]
