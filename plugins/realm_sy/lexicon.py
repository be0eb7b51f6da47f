"""The words, their syllables and their clues, read once from `data/lexicon.json`, which `scripts/make_lexicon.py` makes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import msgspec

FILE = Path(__file__).parent / "data" / "lexicon.json"
CUT = 24
"""Characters that a truncated definition keeps."""
_PREFIX, _SUFFIX = 2, 3


class Clue(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A clue's text, and the places in the list of words of those it may ask for and of all others that it fits."""

    text: str
    asks: tuple[int, ...]
    others: tuple[int, ...] = ()


class Word(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A word as its syllables, parted by `-`, and its Zipf frequency times ten."""

    parted: str
    frequency: int

    @property
    def syllables(self) -> tuple[str, ...]:
        """The tiles of the word."""
        return tuple(self.parted.split("-"))


class File(msgspec.Struct, frozen=True):
    """The file: words in alphabetical order, clues by kind in the order of their texts."""

    words: list[Word]
    clues: dict[str, list[Clue]]


class Lexicon:
    """All words and clues. A word is known by its place in `words`."""

    def __init__(self, file: File) -> None:
        self.tiles = [word.syllables for word in file.words]
        self.words = ["".join(tiles) for tiles in self.tiles]
        self.frequencies = [word.frequency for word in file.words]
        self.clues: list[dict[str, list[Clue]]] = [{} for _ in self.words]
        """The clues that ask for a word, by kind."""
        for kind, clues in file.clues.items():
            for clue in clues:
                for word in clue.asks:
                    self.clues[word].setdefault(kind, []).append(clue)
        self._definitions = file.clues["definition"]
        self._texts = [clue.text for clue in self._definitions]
        self._shapes: dict[tuple[int, str, str], list[int]] = {}
        for place, text in enumerate(self.words):
            self._shapes.setdefault(_shape(text), []).append(place)
        self._sorted = sorted(self.words)

    def truncated(self, clue: Clue) -> Clue | None:
        """A definition cut short; it fits whatever any definition with that beginning fits. None if it is short already."""
        if len(clue.text) < CUT + 8:
            return None
        start = clue.text[:CUT]
        place, fits = bisect_left(self._texts, start), set[int]()
        while place < len(self._texts) and self._texts[place].startswith(start):
            fits.update(self._definitions[place].asks, self._definitions[place].others)
            place += 1
        return Clue(f"{start.rstrip()}…", tuple(sorted(fits)))

    def structure(self, word: int) -> Clue | None:
        """A clue that tells how a word begins and ends; None where that is nearly all of it."""
        text = self.words[word]
        if len(text) < _PREFIX + _SUFFIX + 2:
            return None
        length, start, end = shape = _shape(text)
        return Clue(f"{length} letters, begins with {start}-, ends with -{end}", tuple(self._shapes[shape]))

    def is_start(self, letters: str) -> bool:
        """Whether a word begins so."""
        place = bisect_left(self._sorted, letters)
        return place < len(self._sorted) and self._sorted[place].startswith(letters)

    def is_word(self, letters: str) -> bool:
        """Whether it is a word."""
        place = bisect_left(self._sorted, letters)
        return place < len(self._sorted) and self._sorted[place] == letters


def _shape(word: str) -> tuple[int, str, str]:
    return len(word), word[:_PREFIX], word[-_SUFFIX:]


@cache
def lexicon() -> Lexicon:
    """The lexicon, read at the first call."""
    return Lexicon(msgspec.json.decode(FILE.read_bytes(), type=File))


class Pool:
    """The words that a level draws from, and where each tile occurs among them."""

    def __init__(self, words: Iterable[int]) -> None:
        self.words = list(words)
        self.with_tile: dict[str, list[int]] = {}
        for word in self.words:
            for tile in dict.fromkeys(lexicon().tiles[word]):
                self.with_tile.setdefault(tile, []).append(word)
        self.tiles = sorted(self.with_tile)
