"""The hero's portrait: a small dinosaur, its armour growing with its level, as the text of an SVG.

The page's stylesheet shows and moves the groups by the hero's state; without it the hero stands idle, as what is not
seen then is hidden by an attribute that any rule of a stylesheet overrides.
"""

from __future__ import annotations

from functools import lru_cache

from realm_tavern import portrait_art as art
from realm_tavern import portrait_gear as gear
from realm_tavern import portrait_signs as signs
from realm_tavern.portrait_art import Picture

TIERS = (0, 1, 5, 10, 25, 50)
"""The hero's level from which each look is worn."""
LOOKS = (
    "fresh from the egg",
    "with a wooden sword",
    "with a wooden sword and a shield",
    "with a sword, a shield and a helmet",
    "with a bright sword, a shield, a helmet and a cape",
    "in golden armour",
)
_HATCHLING_SINKS = 7
"""Rows by which the head of a hatchling is lower, down to the rim of its egg."""
_WOOD, _IRON = {"W": "T", "X": "t", "F": "u", "H": "u"}, {"W": "I", "X": "i", "F": "T", "H": "u"}
_BRIGHT, _GOLD = {"W": "C", "X": "c", "F": "Y", "H": "R"}, {"W": "Y", "X": "y", "F": "R", "H": "q"}
_SWORDS = {1: _WOOD, 2: _WOOD, 3: _IRON, 4: _BRIGHT, 5: _GOLD}
_SHIELDS = {
    2: {"F": "u", "W": "T", "X": "t"}, 3: {"F": "I", "W": "U", "X": "w"}, 4: {"F": "I", "W": "U", "X": "Y"},
}  # fmt: skip
_HELMETS = {3: {"W": "I", "X": "i", "F": "m"}, 4: {"W": "I", "X": "i", "F": "Y"}, 5: {"W": "Y", "X": "y", "F": "n"}}
_PURPLE = {"R": "V", "r": "s", "q": "z"}
_GAUNTLET = {"G": "Y", "L": "y", "D": "n"}

Canvas = dict[tuple[int, int], str]
"""The letter of each pixel that has one, by row and column."""


def tier_of(level: int) -> int:
    """Which look a hero of that level wears, 0 to 5."""
    return sum(level >= start for start in TIERS) - 1


def portrait(level: int, *, champion: bool, skills: int) -> str:
    """The portrait as SVG text; each of its mastered `skills` is a gem at its feet, up to six."""
    gems = min(max(skills, 0), len(gear.GEMS))
    return _drawn(tier_of(max(level, 0)), max(level, 0), champion, gems)


@lru_cache(maxsize=64)
def _drawn(tier: int, level: int, champion: bool, gems: int) -> str:
    sinks = _HATCHLING_SINKS if tier == 0 else 0
    hero = "".join(
        [
            _group("p-body", [*_body(tier, champion), *_gems(gems)]),
            _group("p-eyes", [art.EYES.moved(0, sinks)]),
            _group("p-eyes-closed", [art.EYES_CLOSED.moved(0, sinks)], hidden=True),
            _group("p-arm", _arm(tier)),
        ]
    )
    extras = {
        "p-foe": signs.FOE, "p-sparkle": signs.SPARKLE, "p-zzz": signs.ZZZ, "p-thought": signs.THOUGHT,
        "p-skull": signs.SKULL,
    }  # fmt: skip
    others = "".join(_group(name, [picture], hidden=True) for name, picture in extras.items())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {art.SIZE} {art.SIZE}" role="img"'
        f' shape-rendering="crispEdges"><title>{_words(tier, level, champion)}</title>'
        f'<g class="p-hero">{hero}</g>{others}</svg>'
    )


def _words(tier: int, level: int, champion: bool) -> str:
    crowned = ", crowned as champion" if champion else ""
    return f"The hero at level {level}: a small dinosaur {LOOKS[tier]}{crowned}"


def _body(tier: int, champion: bool) -> list[Picture]:
    """Everything that does not move by itself, from the back to the front."""
    if tier == 0:
        head = art.HEAD.moved(0, _HATCHLING_SINKS)
        top = gear.CROWN.moved(0, _HATCHLING_SINKS) if champion else art.SHELL_CAP
        return [head, art.CHEEK.moved(0, _HATCHLING_SINKS), top, art.SHELL]
    parts = [art.BODY, art.HEAD, art.CHEEK]
    if tier >= 5:
        parts += [
            gear.ARMOUR,
            _dyed(gear.CAPE, _PURPLE).moved(-3, 0),
            _dyed(art.NEAR_ARM, _GAUNTLET).moved(0, 1),
            gear.PAULDRON,
        ]
    elif tier >= 4:
        parts.append(gear.CAPE)
    if tier in _SHIELDS:
        parts.append(_dyed(gear.SHIELD, _SHIELDS[tier]))
    elif tier == 1:
        parts.append(art.NEAR_ARM)
    if tier in _HELMETS:
        parts += [gear.HORN if tier == 3 else gear.PLUME, _dyed(gear.HELMET, _HELMETS[tier])]
    return [*parts, gear.CROWN] if champion else parts


def _arm(tier: int) -> list[Picture]:
    if tier == 0:
        return [art.SMALL_ARM]
    return [_dyed(gear.SWORD, _SWORDS[tier]), _dyed(art.ARM, _GAUNTLET) if tier == 5 else art.ARM]


def _gems(count: int) -> list[Picture]:
    """A row of gems under the hero's feet, in the middle."""
    first = art.SIZE // 2 - 4 * count // 2
    return [_dyed(gear.GEM, {"X": letter}).moved(first + 4 * n, 0) for n, letter in enumerate(gear.GEMS[:count])]


def _dyed(picture: Picture, letters: dict[str, str]) -> Picture:
    table = str.maketrans(letters)
    return Picture(picture.x, picture.y, tuple(row.translate(table) for row in picture.rows))


def _group(name: str, pictures: list[Picture], *, hidden: bool = False) -> str:
    """The pictures over each other as one group; `display` is an attribute, which every CSS rule overrides."""
    canvas: Canvas = {}
    for picture in pictures:
        for y, row in enumerate(picture.rows, picture.y):
            canvas.update({(y, x): letter for x, letter in enumerate(row, picture.x) if letter != "."})
    away = ' display="none"' if hidden else ""
    return f'<g class="{name}"{away}>{_paths(canvas)}</g>'


def _paths(canvas: Canvas) -> str:
    """One path for each colour, made of the runs of equal pixels: a third of the text that rectangles would take."""
    paths: dict[str, list[str]] = {}
    for (y, x), letter in sorted(canvas.items()):
        if canvas.get((y, x - 1)) == letter:
            continue
        width = 1
        while canvas.get((y, x + width)) == letter:
            width += 1
        paths.setdefault(letter, []).append(f"M{x} {y}h{width}v1h-{width}z")
    return "".join(f'<path fill="{art.COLOURS[letter]}" d="{"".join(runs)}"/>' for letter, runs in paths.items())
