"""Draws a puzzle: words that go together, the tiles, and clues that leave one way to put them together."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

from realm_cli.errors import RealmError
from realm_sy import levels
from realm_sy.lexicon import Clue, Lexicon, Pool, lexicon
from realm_sy.tiles import spellings, words_of

ATTEMPTS = 200
"""Sets of words that are tried before a draw is given up; a few are enough."""
CLUE_TRIES = 8
"""Clues that are tried for a word before another word takes its place."""
WORD_TRIES = 12
"""Words that are tried for a place."""
_CANDIDATES = 6
NO_CLUE = "none"


@dataclass(frozen=True)
class Asked:
    """A word of a puzzle with its clue, whose kind may be `none`."""

    word: int
    kind: str
    text: str


@dataclass(frozen=True)
class Puzzle:
    """Words with clues, and the tiles in the order of the bank."""

    asked: tuple[Asked, ...]
    bank: tuple[str, ...]
    herrings: int

    def solved(self) -> list[tuple[str, ...]]:
        """The answers as their tiles."""
        return [lexicon().tiles[one.word] for one in self.asked]

    def key(self) -> str:
        """Sorted answers and clues: what names the puzzle apart from its wording."""
        words = lexicon().words
        return "; ".join(sorted(f"{words[one.word]}: {one.kind} {one.text}".rstrip() for one in self.asked))


def draw(level: int, rng: random.Random) -> Puzzle:
    """A puzzle with one solution."""
    for _ in range(ATTEMPTS):
        found = _Draft(level, rng).puzzle()
        if found is not None:
            return found
    raise RealmError(
        f"sy level {level}: no puzzle in {ATTEMPTS} attempts", "the lexicon is not the one that it came with"
    )


class _Draft:
    """One set of words and tiles, as it becomes a puzzle."""

    def __init__(self, level: int, rng: random.Random) -> None:
        self.level, self.rng = level, rng
        self.book: Lexicon = lexicon()
        self.pool: Pool = levels.pool(level)
        self.words: list[int] = []
        self.bank: Counter[str] = Counter()

    def puzzle(self) -> Puzzle | None:
        """The puzzle, or None where these words have none."""
        self._choose_words()
        others = self._choose_herrings()
        asked = self._choose_clues()
        if asked is None:
            return None
        bank = sorted(self.bank.elements())
        self.rng.shuffle(bank)
        return Puzzle(tuple(asked), tuple(bank), others)

    def _choose_words(self) -> None:
        """Words that share as many tiles as the level asks for."""
        share = levels.shared(self.level)
        for _ in range(levels.word_count(self.level)):
            word = self._choose_word(share)
            self.words.append(word)
            self.bank.update(self.book.tiles[word])

    def _choose_word(self, share: float) -> int:
        repeated, total = self.bank.total() - len(self.bank), self.bank.total()
        wanted = share > 0 and total > 0 and repeated < share * total
        best, best_distance = -1, 1e9
        for _ in range(_CANDIDATES if share else WORD_TRIES):
            word = self._candidate(wanted)
            if word in self.words:
                continue
            tiles = self.book.tiles[word]
            more = repeated + len(tiles) - len({tile for tile in tiles if tile not in self.bank})
            distance = abs(share - more / (total + len(tiles)))
            if distance < best_distance:
                best, best_distance = word, distance
        return best if best >= 0 else self._any_word()

    def _candidate(self, wanted: bool) -> int:
        """A word of the level; where wanted, one that has a tile of the bank."""
        if wanted:
            known = self.pool.with_tile[self.rng.choice(self.book.tiles[self.rng.choice(self.words)])]
            if len(known) > 1:
                return self.rng.choice(known)
        return self.rng.choice(self.pool.words)

    def _any_word(self) -> int:
        return next(word for word in self.pool.words if word not in self.words)

    def _choose_herrings(self) -> int:
        """Add tiles that belong to no word; they differ from those that do."""
        added = 0
        for _ in range(levels.herrings(self.level)):
            tile = self.rng.choice(self.pool.tiles)
            while tile in self.bank:
                tile = self.rng.choice(self.pool.tiles)
            self.bank[tile] += 1
            added += 1
        return added

    def _choose_clues(self) -> list[Asked] | None:
        """A clue for every word, so that the tiles spell no other word that fits it, and this one in one way."""
        if any(spellings(self.book.words[word], self.bank, 2) != 1 for word in self.words):
            return None
        asked = []
        for word in self.words:
            one = self._choose_clue(word)
            if one is None:
                return None
            asked.append(one)
        if self.level >= levels.CLUELESS_FROM and self.rng.random() < levels.CLUELESS_SHARE:
            place = self.rng.randrange(len(asked))
            if self._is_last_word(asked[place].word):
                asked[place] = Asked(asked[place].word, NO_CLUE, "")
        return asked

    def _choose_clue(self, word: int) -> Asked | None:
        kinds, weights = levels.kinds(self.level)
        for kind in self.rng.choices(kinds, weights, k=CLUE_TRIES):
            clue = self._clue(word, kind)
            if clue is not None and not self._fits_another(clue, word):
                return Asked(word, kind, clue.text)
        for kind in ("definition", "synonym"):
            for clue in self.book.clues[word].get(kind, ()):
                if not self._fits_another(clue, word):
                    return Asked(word, kind, clue.text)
        return None

    def _clue(self, word: int, kind: str) -> Clue | None:
        if kind == "structure":
            return self.book.structure(word)
        clues = self.book.clues[word].get("definition" if kind == "truncated" else kind)
        if not clues:
            return None
        clue = self.rng.choice(clues)
        return self.book.truncated(clue) if kind == "truncated" else clue

    def _fits_another(self, clue: Clue, word: int) -> bool:
        """Whether the tiles spell another word that the clue fits."""
        words, bank = self.book.words, self.bank
        return any(
            spellings(words[other], bank, 1) for fits in (clue.asks, clue.others) for other in fits if other != word
        )

    def _is_last_word(self, word: int) -> bool:
        """Whether the tiles that the other words leave spell nothing else of the same number of tiles."""
        left = self.bank.copy()
        for other in self.words:
            if other != word:
                left.subtract(self.book.tiles[other])
        return words_of(self.book, +left, len(self.book.tiles[word])) == {self.book.words[word]}
