"""How a puzzle is asked: the clues, the slots, the numbering and the tiles."""

from __future__ import annotations

from realm_sy.formats import FORMATS
from realm_sy.puzzle import NO_CLUE, Asked, Puzzle

_KINDS = {
    "definition": "{}",
    "synonym": "another word for: {}",
    "category": "{}",
    "example": "fills the blank: {}",
    "rhyme": "rhymes with {}",
    "origin": "shares its root with the {}",
    "relation": "{}",
    "structure": "{}",
    "truncated": "{}",
    NO_CLUE: "no clue: what the tiles left over spell",
}


def prompt_of(puzzle: Puzzle, form: str, numbering: str, bank: str, hidden: bool) -> str:
    """What the hero is asked. `bank` is `row`, `grouped`, or `each` for a bank at every clue."""
    tiles = _grouped(puzzle.bank) if bank == "grouped" else _row(puzzle.bank)
    solved = puzzle.solved()
    lines = []
    for number, (one, word) in enumerate(zip(puzzle.asked, solved, strict=True), 1):
        slot = "(?)" if hidden else " ".join(["___"] * len(word))
        lines.append(f"{_mark(number, numbering)} {slot} — {clue_text(one)}")
        if bank == "each":
            lines.append(f"   Tiles: {' '.join(puzzle.bank)}")  # no commas: the longest prompts are those
    block = [] if bank == "each" else ["", "Tiles:", tiles]
    return "\n".join([_task(puzzle), "", "Clues:", *lines, *block, "", f"Reply with {FORMATS[form].asked}."])


def clue_text(one: Asked) -> str:
    """A clue as the prompt writes it."""
    return _KINDS[one.kind].format(one.text)


def _task(puzzle: Puzzle) -> str:
    count = f"Put {len(puzzle.asked)} words together from {len(puzzle.bank)} syllable tiles, one word a clue."
    if not puzzle.herrings:
        return f"{count} Every tile is used exactly once."
    spare = "1 tile belongs" if puzzle.herrings == 1 else f"{puzzle.herrings} tiles belong"
    return f"{count} {spare} to no word, every other one is used exactly once."


def _mark(number: int, numbering: str) -> str:
    if numbering == "number":
        return f"{number}."
    if numbering == "letter":
        return f"{chr(ord('A') + number - 1)}."
    return f"{_roman(number)}." if numbering == "roman" else "•"


def _roman(number: int) -> str:
    text = ""
    for value, letters in ((10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")):
        text += letters * (number // value)
        number %= value
    return text


def _row(tiles: tuple[str, ...]) -> str:
    return f"[{', '.join(tiles)}]"


def _grouped(tiles: tuple[str, ...]) -> str:
    groups: dict[str, list[str]] = {}
    for tile in sorted(tiles):
        groups.setdefault(tile[0].upper(), []).append(tile)
    return "\n".join(f"{letter}: [{', '.join(group)}]" for letter, group in groups.items())
