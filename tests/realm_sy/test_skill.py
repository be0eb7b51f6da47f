from __future__ import annotations

import hashlib
import math
import os
import random
import re
import statistics
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from realm_cli.errors import UsageError
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.skillbook import open_skill
from realm_cli.skills import Problem, Split, belongs, is_closed
from realm_sy import MAX_LEVEL, levels
from realm_sy.formats import FORMATS
from realm_sy.lexicon import lexicon
from realm_sy.puzzle import Puzzle, draw
from realm_sy.skill import SySkill, worded

SKILL = SySkill()
LEVELS = range(1, MAX_LEVEL + 1)
BOOK = lexicon()


@cache
def puzzles(level: int, count: int = 12) -> list[Puzzle]:
    rng = random.Random(f"test {level}")
    return [draw(level, rng) for _ in range(count)]


@pytest.mark.parametrize("level", LEVELS)
def test_every_tile_is_used_once_and_counts_are_true(level: int) -> None:
    for puzzle in puzzles(level):
        used = Counter(tile for word in puzzle.solved() for tile in word)
        spare = Counter(puzzle.bank) - used
        assert not used - Counter(puzzle.bank)
        assert spare.total() == puzzle.herrings == levels.herrings(level)
        assert not set(spare) & set(used)
        assert len({one.word for one in puzzle.asked}) == len(puzzle.asked) == levels.word_count(level)
        prompt = worded(puzzle, level, "array", "row").prompt
        numbers = [int(number) for number in re.findall(r"\d+", prompt.partition("\n")[0])]
        assert numbers == [len(puzzle.asked), len(puzzle.bank), *([puzzle.herrings] if puzzle.herrings else [])]
        assert f"[{', '.join(puzzle.bank)}]" in prompt


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("form", FORMATS)
def test_golden_scores_all_and_echo_silence_and_a_changed_letter_nothing(level: int, form: str) -> None:
    for puzzle in puzzles(level)[:2]:
        problem = worded(puzzle, level, form, levels.banks(level)[-1])
        answer = problem.answer
        assert SKILL.judge(problem, answer).correct
        assert SKILL.judge(problem, f"<think>\nwell\n</think>\n```\n{answer}\n```\n").correct
        places = [place for place, letter in enumerate(answer) if letter.isalnum()]
        for place in random.Random(level).sample(places, min(len(places), 25)):
            old = answer[place]
            new = str(9 - int(old)) if old.isdecimal() else "Q" if old.upper() == "Z" else "Z"
            assert not SKILL.judge(problem, answer[:place] + new + answer[place + 1 :]).correct
        for reply in (problem.prompt, problem.key, "", " \n", problem.prompt + "\n" + answer):
            assert not SKILL.judge(problem, reply).correct


def shown(level: int) -> dict[str, float]:
    """What the puzzles of a level are like, measured."""
    found = puzzles(level)
    solved = [word for puzzle in found for word in puzzle.solved()]
    total = sum(map(len, solved))
    repeated = sum(sum(map(len, p.solved())) - len({tile for word in p.solved() for tile in word}) for p in found)
    asked = [one for puzzle in found for one in puzzle.asked]
    return {
        "words": len(found[0].asked), "syllables": total / len(solved), "shared": repeated / total,
        "rarity": -statistics.mean(BOOK.frequencies[one.word] for one in asked), "herrings": found[0].herrings,
        "vague": sum(one.kind not in ("definition", "synonym") for one in asked) / len(asked),
    }  # fmt: skip


def test_each_dimension_moves_with_the_level() -> None:
    at = {level: shown(level) for level in (1, 10, 20, 30, 40, 50)}
    for name in ("words", "syllables", "shared", "rarity", "vague"):
        values = [facts[name] for facts in at.values()]
        assert values[0] < values[2] < values[5], name
        assert values[1] < values[4], name
    assert [levels.herrings(level) for level in (1, 15, 16, 36, 50)] == [0, 0, 1, 4, 6]
    assert (at[1]["words"], at[50]["words"]) == (3, 12)
    assert (levels.syllables(1), levels.syllables(50)) == ((1, 3), (4, 6))
    assert (levels.frequencies(1)[0], levels.frequencies(50)[0]) == (5.5, 2.0)
    assert at[1]["shared"] == 0
    assert at[50]["shared"] > 0.4
    for one, next_one in zip(LEVELS, LEVELS[1:], strict=False):
        assert levels.word_count(one) <= levels.word_count(next_one)
        assert levels.herrings(one) <= levels.herrings(next_one)
        assert levels.shared(one) < levels.shared(next_one)


def test_kinds_of_clues_come_with_their_levels() -> None:
    first = {kind: next(level for level in LEVELS if kind in levels.kinds(level)[0]) for kind in levels.KINDS}
    assert first == {
        "definition": 1, "synonym": 1, "category": 5, "example": 5, "rhyme": 10, "origin": 15, "relation": 20,
        "structure": 27, "truncated": 40,
    }  # fmt: skip
    for level in LEVELS:
        assert {one.kind for puzzle in puzzles(level) for one in puzzle.asked} <= {*levels.kinds(level)[0], "none"}
    assert {one.kind for level in LEVELS for puzzle in puzzles(level) for one in puzzle.asked} >= set(levels.KINDS)


def test_the_presentation_changes_with_the_level() -> None:
    marks = {level: worded(puzzles(level)[0], level, "lines", "row").prompt.split("\n")[3] for level in (1, 13, 26, 39)}
    assert [mark.split(" ")[0] for mark in marks.values()] == ["1.", "A.", "i.", "•"]
    assert "___" in worded(puzzles(30)[0], 30, "lines", "row").prompt
    for level in (31, 50):
        prompt = worded(puzzles(level)[0], level, "lines", "each").prompt
        assert "___" not in prompt
        assert prompt.count("(?)") == prompt.count("Tiles: ") == levels.word_count(level)
    assert [levels.banks(level) for level in (17, 18, 34)] == [("row",), ("row", "grouped"), ("row", "grouped", "each")]
    grouped = worded(puzzles(20)[0], 20, "lines", "grouped").prompt.partition("Tiles:\n")[2].partition("\n\n")[0]
    assert sorted(re.findall(r"[a-z]+", grouped)) == sorted(puzzles(20)[0].bank)


def test_every_form_is_drawn_and_a_prompt_states_one() -> None:
    rng = random.Random(1)
    found = [SKILL.problem(level, rng) for level in LEVELS for _ in range(4)]
    assert {problem.meta["kind"] for problem in found} == set(FORMATS)
    assert levels.formats(1) == ("array", "lines", "commas")
    assert levels.formats(22) == tuple(FORMATS)
    for problem in found:
        stated = [name for name, form in FORMATS.items() if f"Reply with {form.asked}." in problem.prompt]
        assert stated == [problem.meta["kind"]]
        assert problem.prompt.count("Reply with") == 1


def test_prompt_answer_and_key_read_as_documented() -> None:
    problem = SKILL.problem(1, random.Random(3))
    assert problem.prompt.startswith("Put 3 words together from ")
    assert problem.key.count("; ") >= 2
    words = problem.key.lower()
    assert all(word in words for word in re.findall("[a-z]+", problem.answer.lower()))


def test_the_problems_of_a_seed_never_change() -> None:
    assert digest() == "113bb311ffaae3c17155bcc7b8fe4cb20512544b7900107433da481c92776a8e"


def digest() -> str:
    found = [SKILL.problem(level, random.Random(level)) for level in LEVELS]
    return hashlib.sha256(repr(found).encode()).hexdigest()


def test_the_same_seed_gives_the_same_problems_in_another_process() -> None:
    script = (
        "import hashlib, random; from realm_sy.skill import SySkill; s = SySkill();"
        "print(hashlib.sha256(repr([s.problem(l, random.Random(l)) for l in range(1, 51)]).encode()).hexdigest())"
    )
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        ran = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
        assert ran.stdout.strip() == digest()


def content(problem: Problem) -> str:
    """What a puzzle asks and what is right, read from prompt and answer alone: its key is not believed."""
    clues = re.findall(" — (.+)$", problem.prompt, re.MULTILINE)
    found = FORMATS[problem.meta["kind"]].read(problem.answer) or ()
    words = [value[0] if isinstance(value, tuple) else value for value in found]
    return "; ".join(sorted(f"{word}: {clue}" for word, clue in zip(words, clues, strict=True)))


def collisions(count: int) -> tuple[int, int]:
    """(puzzles on both sides of the split, all puzzles) of so many problems at every level, of two seeds."""
    sides: dict[Split, set[str]] = {"train": set(), "eval": set()}
    for level in LEVELS:
        for seed in ("a", "b"):
            rng = random.Random(f"{seed} {level}")
            for problem in [SKILL.problem(level, rng) for _ in range(count)]:
                if problem.meta["kind"] != "summary":  # its answer does not tell the words
                    for split, side in sides.items():
                        if belongs(SKILL, level, problem, split):
                            side.add(content(problem))
    return len(sides["train"] & sides["eval"]), len(sides["train"] | sides["eval"])


def test_a_puzzle_is_on_the_same_side_of_the_split_however_it_is_worded() -> None:
    for level in (1, 25, 50):
        for puzzle in puzzles(level):
            written = [worded(puzzle, level, form, bank) for form in FORMATS for bank in levels.banks(level)]
            assert {problem.key for problem in written} == {puzzle.key()}
            assert len({content(problem) for problem in written if problem.meta["kind"] != "summary"}) == 1


def test_no_key_is_on_both_sides_of_the_split() -> None:
    both, known = collisions(10)
    assert both == 0
    assert known > 850


@pytest.mark.drill
def test_no_key_of_a_hundred_thousand_is_on_both_sides_of_the_split() -> None:
    both, known = collisions(1_000)
    assert both == 0
    assert known > 88_000


def test_the_levels_are_endless_and_others_refused() -> None:
    assert not any(is_closed(SKILL, level) for level in LEVELS)
    sets = [math.comb(len(levels.pool(level).words), levels.word_count(level)) for level in LEVELS]
    assert min(sets) == sets[0] == 862_924
    for level in (0, 51, -1):
        with pytest.raises(UsageError, match=f"sy has no level {level}"):
            SKILL.problem(level, random.Random(0))


def test_the_realm_knows_the_skill_and_locks_it_at_first(realm: Realm) -> None:
    entry = open_skill(realm, Manager.load(), "sy")
    config = entry.config
    assert (config.name, config.icon, config.color, config.max_level) == ("Word Weaving", "🧩", "#8B5CF6", 50)
    assert config.unlock == {"bin": 10}
    problem = SKILL.problem(50, random.Random(1))
    assert entry.reply_tokens([problem]) > len(problem.answer)
    assert isinstance(problem, Problem)
    assert Path(realm.skills / "sy.yaml").is_file()
