"""What makes a level harder than the one before: plain numbers by level, and the words that it draws."""

from __future__ import annotations

from functools import cache

from realm_sy import MAX_LEVEL
from realm_sy.formats import FORMATS
from realm_sy.lexicon import Pool, lexicon

HERRINGS_FROM = 16
HIDDEN_FROM = 31
"""From here on a slot does not tell its number of syllables."""
MOST_SHARED = 0.5
"""Share of tiles that repeat another one at the highest level; aiming at more brings 0.51 at most with this lexicon."""
CLUELESS_FROM, CLUELESS_SHARE = 50, 0.15
"""Share of puzzles with one word that has no clue: it is what the tiles left over spell."""

KINDS = {
    "definition": (1, 10, 2),
    "synonym": (1, 5, 3),
    "category": (5, 2, 3),
    "example": (5, 2, 3),
    "rhyme": (10, 1, 2),
    "origin": (15, 1, 2),
    "relation": (20, 1, 3),
    "structure": (27, 1, 2),
    "truncated": (40, 2, 4),
}
"""From which level on a kind of clue comes, and how often there and at the highest level."""
FORMATS_FROM = dict(zip(FORMATS, (1, 1, 1, 4, 8, 12, 16, 22), strict=True))
"""From which level on replies take a form."""
NUMBERINGS = {1: "number", 13: "letter", 26: "roman", 39: "bullet"}
BANKS = {1: ("row",), 18: ("row", "grouped"), 34: ("row", "grouped", "each")}


def _along(level: int, first: float, last: float, start: int = 1) -> float:
    return first + (last - first) * max(0, level - start) / (MAX_LEVEL - start)


def word_count(level: int) -> int:
    """Words of a puzzle, 3 to 12."""
    return round(_along(level, 3, 12))


def syllables(level: int) -> tuple[int, int]:
    """Fewest and most syllables of a word, 1 to 3 at first, 4 to 6 at last."""
    return round(_along(level, 1, 4)), round(_along(level, 3, 6))


def frequencies(level: int) -> tuple[float, float]:
    """Rarest and commonest Zipf frequency of a word: 5.5 and more at first, 2.0 to 3.2 at last."""
    return _along(level, 5.5, 2.0), _along(level, 8.0, 3.2)


def shared(level: int) -> float:
    """Share of tiles that repeat another one."""
    return _along(level, 0.0, MOST_SHARED)


def herrings(level: int) -> int:
    """Tiles that belong to no word."""
    return round(_along(level, 1, 6, HERRINGS_FROM)) if level >= HERRINGS_FROM else 0


@cache
def kinds(level: int) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """The kinds of clues of a level, and their weights."""
    known = {kind: _along(level, low, high, start) for kind, (start, low, high) in KINDS.items() if start <= level}
    return tuple(known), tuple(known.values())


@cache
def formats(level: int) -> tuple[str, ...]:
    """The forms of replies of a level."""
    return tuple(name for name, start in FORMATS_FROM.items() if start <= level)


def numbering(level: int) -> str:
    """How clues are numbered."""
    return NUMBERINGS[max(start for start in NUMBERINGS if start <= level)]


def banks(level: int) -> tuple[str, ...]:
    """How the tiles may be laid out."""
    return BANKS[max(start for start in BANKS if start <= level)]


@cache
def pool(level: int) -> Pool:
    """The words that a level draws, each with a clue that tells its meaning."""
    book, (few, many), (rare, common) = lexicon(), syllables(level), frequencies(level)
    return Pool(
        word
        for word, tiles in enumerate(book.tiles)
        if few <= len(tiles) <= many
        and 10 * rare <= book.frequencies[word] <= 10 * common
        and not {"definition", "synonym"}.isdisjoint(book.clues[word])
    )
