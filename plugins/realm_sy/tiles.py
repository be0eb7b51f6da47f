"""What can be spelled from a bank of tiles."""

from __future__ import annotations

from collections import Counter

from realm_sy.lexicon import Lexicon


def spellings(word: str, bank: Counter[str], most: int, start: int = 0) -> int:
    """In how many ways the tiles of `bank` spell `word` from `start` on; the count stops at `most`."""
    found = 0
    for end in range(start + 1, len(word) + 1):
        tile = word[start:end]
        if bank[tile] > 0:
            if end == len(word):
                return found + 1
            bank[tile] -= 1
            found += spellings(word, bank, most - found, end)
            bank[tile] += 1
            if found >= most:
                break
    return found


def words_of(lexicon: Lexicon, bank: Counter[str], count: int, start: str = "") -> set[str]:
    """The words of the lexicon that exactly `count` tiles of the bank spell."""
    if count == 0:
        return {start} if lexicon.is_word(start) else set()
    found = set[str]()
    for tile in sorted(bank):
        if bank[tile] > 0 and lexicon.is_start(start + tile):
            bank[tile] -= 1
            found |= words_of(lexicon, bank, count - 1, start + tile)
            bank[tile] += 1
    return found
