"""Puzzles solved by trying everything, from their prompts and the data file alone: one solution, and the judge takes it.

Nothing of the plugin's own search is used here: clues, tiles, spellings and replies are read and written anew.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import pytest

from realm_cli.skills import Problem
from realm_sy.formats import FORMATS
from realm_sy.lexicon import FILE
from realm_sy.skill import SySkill

SKILL = SySkill()
SAID = {
    "synonym": "another word for: ", "example": "fills the blank: ", "rhyme": "rhymes with ",
    "origin": "shares its root with the ",
}  # fmt: skip


class Asked(NamedTuple):
    """What a prompt says."""

    slots: list[int]
    """Syllables of each word; 0 = hidden."""
    clues: list[str]
    tiles: list[str]
    herrings: int
    words: int


@cache
def book() -> tuple[list[str], dict[str, dict[str, set[str]]]]:
    """(the words, kind → text → all words that the clue fits), as the file has them."""
    file = json.loads(FILE.read_text("utf-8"))
    words = [parted.replace("-", "") for parted, _ in file["words"]]
    fits: dict[str, dict[str, set[str]]] = defaultdict(dict)
    for kind, clues in file["clues"].items():
        for text, asks, others in clues:
            fits[kind][text] = {words[place] for place in (*asks, *others)}
    return words, fits


def asked_in(prompt: str) -> Asked:
    """The puzzle of a prompt."""
    head, *lines = prompt.split("\n")
    counts = [int(number) for number in re.findall(r"\d+", head)]
    clues = [match for line in lines if (match := re.fullmatch(r"\S+ (___(?: ___)*|\(\?\)) — (.+)", line))]
    banks = [line for line in lines if re.fullmatch(r"   Tiles: [a-z ]+|(?:[A-Z]: )?\[[a-z, ]+\]", line)]
    if "   Tiles: " in prompt:
        assert len(set(banks)) == 1
        assert len(banks) == len(clues)
        banks = banks[:1]
    tiles = [tile for bank in banks for tile in re.findall(r"\b[a-z]+", bank)]
    assert counts[1] == len(tiles)
    return Asked(
        [match[1].count("___") for match in clues], [match[2] for match in clues], tiles,
        counts[2] if len(counts) > 2 else 0, counts[0],
    )  # fmt: skip


def candidates(clue: str) -> set[str]:
    """All words of the lexicon that a clue fits."""
    words, fits = book()
    shape = re.fullmatch(r"(\d+) letters, begins with (\w+)-, ends with -(\w+)", clue)
    if shape:
        length, start, end = shape.groups()
        return {word for word in words if len(word) == int(length) and word.startswith(start) and word.endswith(end)}
    for kind, said in SAID.items():
        if clue.startswith(said):
            return fits[kind][clue.removeprefix(said)]
    found = set[str]().union(*(fits[kind].get(clue, set()) for kind in ("definition", "category", "relation")))
    if clue.endswith("…"):
        short = (text for text in fits["definition"] if text[:24].rstrip() == clue[:-1])
        found |= set().union(*(fits["definition"][text] for text in short))
    return found


def spelled(word: str, tiles: Counter[str]) -> Iterator[tuple[str, ...]]:
    """Every way in which tiles spell a word."""
    if not word:
        yield ()
    for tile in [tile for tile, count in tiles.items() if count and word.startswith(tile)]:
        for rest in spelled(word.removeprefix(tile), tiles - Counter([tile])):
            yield tile, *rest


def solve(prompt: str) -> list[tuple[str, ...]]:
    """The tiles of each answer; fails unless there is one solution."""
    puzzle = asked_in(prompt)
    assert len(puzzle.clues) == len(puzzle.slots) == puzzle.words
    bank, found = Counter(puzzle.tiles), list[tuple[str, ...]]()
    for clue in puzzle.clues:
        ways = [] if clue.startswith("no clue") else [way for word in candidates(clue) for way in spelled(word, bank)]
        assert len(ways) == 1 or clue.startswith("no clue"), (clue, ways)
        found += ways or [()]
    left = bank - Counter(tile for way in found for tile in way)
    if () in found:  # the word without a clue: so many tiles of those left over are no red herrings
        count = left.total() - puzzle.herrings
        ways = [way for word in book()[0] for way in spelled(word, left) if len(way) == count]
        assert len(ways) == 1, ways
        found[found.index(())] = ways[0]
        left -= Counter(ways[0])
    used = Counter(tile for way in found for tile in way)
    assert used + left == bank
    assert left.total() == puzzle.herrings
    assert not set(left) & set(used)
    assert all(slot in (0, len(way)) for slot, way in zip(puzzle.slots, found, strict=True))
    return found


def reply(prompt: str, found: list[tuple[str, ...]]) -> str:
    """The solution as the prompt's last line asks for it."""
    words = ["".join(way).upper() for way in found]
    asked = prompt.rpartition("Reply with ")[2]
    numbered: dict[str, Any] = {str(number): word for number, word in enumerate(words, 1)}
    if "JSON array" in asked:
        return json.dumps(words, indent=1)
    if "one a line and" in asked:
        return "\n".join(words)
    if "comma" in asked:
        return ", ".join(words)
    if "numbered list" in asked:
        return "\n".join(f"{number}. {word}" for number, word in numbered.items())
    if "table" in asked:
        return "| # | Word |\n| --- | --- |\n" + "\n".join(
            f"| {number} | {word} |" for number, word in numbered.items()
        )
    if "word and syllables" in asked:
        for number, way in enumerate(found, 1):
            numbered[str(number)] = {"syllables": [tile.upper() for tile in way], "word": "".join(way).upper()}
        return json.dumps({"solutions": numbered})
    if "first_letters" in asked:
        letters = "".join(word[0] for word in words)
        return json.dumps({"first_letters": letters, "total_syllables": sum(map(len, found)), "count": len(words)})
    assert "JSON object from the number" in asked
    return json.dumps(numbered)


def check(problem: Problem) -> None:
    """The problem's own answer is the one that trying everything finds."""
    found = solve(problem.prompt)
    verdict = SKILL.judge(problem, reply(problem.prompt, found))
    assert verdict.correct, (verdict, problem.prompt)
    for place, way in enumerate(found):  # and no other answer is taken
        other = [*found[:place], (*way[:-1], way[-1] + "s"), *found[place + 1 :]]
        assert "first_letters" in problem.prompt or not SKILL.judge(problem, reply(problem.prompt, other)).correct


@pytest.mark.parametrize("level", [1, 6, 12, 17, 23, 29, 34, 41, 46, 50])
def test_each_puzzle_has_one_solution_which_the_judge_takes(level: int) -> None:
    rng = random.Random(f"solved {level}")
    for _ in range(10):
        check(SKILL.problem(level, rng))


def test_every_form_of_replies_is_among_the_solved() -> None:
    rng, seen = random.Random("forms"), set[str]()
    for _ in range(40):
        problem = SKILL.problem(30, rng)
        if problem.meta["kind"] not in seen:
            seen.add(problem.meta["kind"])
            check(problem)
    assert seen == set(FORMATS)


def test_a_word_without_clue_is_found_from_what_is_left_over() -> None:
    rng, seen = random.Random("clueless"), 0
    while seen < 3:
        problem = SKILL.problem(50, rng)
        if "no clue" in problem.prompt:
            seen += 1
            check(problem)


@pytest.mark.drill
@pytest.mark.parametrize("level", range(1, 51))
def test_a_hundred_puzzles_of_each_level_have_one_solution(level: int) -> None:
    rng = random.Random(f"drill {level}")
    for _ in range(100):
        check(SKILL.problem(level, rng))
