from __future__ import annotations

import random
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from tokenizers import Tokenizer

from realm_bin.calls import Call
from realm_bin.operations import NAMES, OPERATIONS
from realm_bin.skill import BinSkill
from realm_bin.symbols import BITS, SIGNS, WORDS, Symbols, draw_symbols
from realm_bin_forms import FORMS, LEVELS, key_of, problems
from realm_cli import store
from realm_cli.embedded_tokenizer import CIRCLED_DIGITS, tokenizer_json
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.skillbook import open_skill
from realm_profiles.markers import STOP_EMOJI, THINK_EMOJI

ROOT = Path(__file__).parents[2]
POOLS = {"bits": BITS, "words": WORDS, "signs": SIGNS}
LETTERS = {name: set("".join(pool)) for name, pool in POOLS.items()}
HERO: dict[str, Any] = yaml.safe_load((ROOT / "configs" / "heroes" / "dio-mini.yaml").read_text("utf-8"))
ROW_FRAME = 4
"""Tokens that open and close the two turns of a row."""


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """That of dio-mini."""
    return Tokenizer.from_str(store.to_json(tokenizer_json(HERO["embedded"]["words"])).decode())


def tokens(tokenizer: Tokenizer, text: str) -> int:
    return len(tokenizer.encode(text).ids)


def test_a_key_reads_as_documented() -> None:
    symbols = Symbols("Δ", "Λ", {"add": "zig", "multiply_by_2": "@"})
    inner = Call(OPERATIONS["multiply_by_2"], (3,), 2)
    nested = Call(OPERATIONS["add"], (6, 1), 2, inner, 0)
    assert symbols.key() == "Key: Δ = ⓪, Λ = ①, zig = add, @ = multiply_by_2"
    assert symbols.written(nested.equation()) == "zig(@(ΛΛ), Λ) = ΛΛΛ"
    assert nested.operations() == ["add", "multiply_by_2"]
    assert Call(OPERATIONS["increment"], (2,), 1, Call(OPERATIONS["increment"], (1,), 1), 0).operations() == [
        "increment"
    ]


def test_the_pools_share_no_character_with_each_other_or_the_digits() -> None:
    assert all(len(pool) == len(set(pool)) for pool in POOLS.values())
    for one, other in combinations(LETTERS.values(), 2):
        assert not one & other
    for letters in LETTERS.values():
        assert not letters & {*"0123456789", *CIRCLED_DIGITS}
        assert not any(letter.isnumeric() or letter.isspace() for letter in letters)
    assert all(len(symbol) == 1 for symbol in (*BITS, *SIGNS))


def test_the_pools_share_no_character_with_the_markers_and_hold_no_emoji() -> None:
    markers = {*"".join(THINK_EMOJI), *"".join(STOP_EMOJI)}
    assert len(THINK_EMOJI) == len(STOP_EMOJI) == 10
    for letters in LETTERS.values():
        assert not letters & markers
        # Below U+2000, Unicode has no other character that is an emoji or becomes part of one.
        assert max(letters) < "\u2000"
        assert not letters & {*"#*0123456789", "\u00a9", "\u00ae"}


def test_no_sign_and_no_bit_stands_in_what_is_written_without_symbols_and_no_word_is_one_of_it() -> None:
    written = set()
    for form in [form for form in FORMS if not form.in_symbols]:
        for level in LEVELS:
            for problem in problems(form, level, 30):
                written |= {*problem.prompt, *problem.answer}
    assert not written & (LETTERS["bits"] | LETTERS["signs"])
    assert not {*WORDS} & {*NAMES, "min", "max", "sign", "sum", "borrow", "true", "false", "is"}
    for one, other in combinations(OPERATIONS, 2):
        assert not one.endswith(other), "a name at the end of another would be replaced within it"
        assert not other.endswith(one)


def test_two_bits_and_the_used_operations_get_random_names() -> None:
    rng = random.Random(0)
    inner = Call(OPERATIONS["increment"], (1,), 1)
    nested = Call(OPERATIONS["add"], (2, 1), 1, inner, 0)
    drawn = [draw_symbols(nested, rng) for _ in range(5_000)]
    pairs = Counter((symbols.zero, symbols.one) for symbols in drawn)
    assert len(pairs) == len(BITS) * (len(BITS) - 1)
    assert max(pairs.values()) < 60
    for name in ("add", "increment"):
        names = Counter(symbols.names[name] for symbols in drawn)
        assert set(names) == {*WORDS, *SIGNS}
        assert max(names.values()) < 2 * min(names.values())
    assert all(len({*symbols.names.values()}) == 2 for symbols in drawn)


def test_a_value_in_symbols_is_parsed_and_white_space_within_it_is_not_forgiven() -> None:
    skill, form = BinSkill(), FORMS[7]
    assert str(form) == "plain in symbols"
    for level in LEVELS:
        for problem in problems(form, level, 20):
            result = problem.answer.rpartition(" = ")[2]
            assert skill.judge(problem, result).parsed == skill.judge(problem, problem.answer).parsed == result
            if len(result) > 1:
                assert not skill.judge(problem, f"{result[:1]} {result[1:]}").correct
            spaced = problem.answer.replace("(", " ( ").replace(")", "\n)").replace(" = ", "=")
            assert skill.judge(problem, spaced).correct


def test_dio_mini_s_tokenizer_spells_every_symbol(tokenizer: Tokenizer) -> None:
    assert tokenizer.get_vocab_size() >= 304
    for symbol in (*BITS, *WORDS, *SIGNS):
        ids = tokenizer.encode(symbol).ids
        assert tokenizer.decode(ids) == symbol
        assert len(ids) == len(symbol.encode()), "no word of the tokenizer hides in it"
    assert {tokens(tokenizer, symbol) for symbol in BITS} == {2}
    assert {tokens(tokenizer, sign) for sign in SIGNS} == {1}


def test_rows_of_dio_mini_keep_to_its_length(tokenizer: Tokenizer) -> None:
    skill = BinSkill()
    for level, share in ((8, 0.0), (10, 0.01), (12, 0.04), (15, 0.06)):
        rng, longest, too_long = random.Random(level), HERO["max_length"], 0
        for _ in range(600):
            lesson = skill.lesson(level, rng)
            too_long += tokens(tokenizer, lesson.prompt) + tokens(tokenizer, lesson.answer) + ROW_FRAME > longest
        assert too_long <= share * 600
    for level in range(8, 21):
        rng = random.Random(level)
        asked = [skill.problem(level, rng) for _ in range(100)]
        assert max(tokens(tokenizer, one.prompt + one.answer) for one in asked) + ROW_FRAME < HERO["max_length"]


def test_a_right_reply_has_room_whatever_it_is_written_in(realm: Realm, tokenizer: Tokenizer) -> None:
    entry = open_skill(realm, Manager.load(), "bin")
    for form in FORMS:
        for level in (1, 8, 15, 30):
            for problem in problems(form, level, 10):
                assert entry.reply_tokens([problem]) > tokens(tokenizer, problem.answer)
    # What evals of the first levels may take stays as it was: a token for each character, and half as much again.
    for level in range(1, 8):
        for problem in problems(FORMS[0], level, 20):
            assert entry.reply_tokens([problem]) == 8 + 3 * len(problem.answer) // 2


def test_the_key_is_at_the_head_of_every_prompt_in_symbols() -> None:
    for form in FORMS:
        for level in LEVELS:
            for problem in problems(form, level, 5):
                assert bool(key_of(problem.prompt)) is form.in_symbols
                assert problem.prompt.count("Key: ") == form.in_symbols
