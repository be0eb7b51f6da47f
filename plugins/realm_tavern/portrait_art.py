"""The pixels of the portrait: a colour for each letter, and the dinosaur itself, made of letters.

A picture is a place (column and row of its upper left corner on the canvas of 40 by 40) and its rows; a dot lets
through what lies below.
"""

from __future__ import annotations

from dataclasses import dataclass

SIZE = 40
"""Pixels of the canvas, across and down."""

COLOURS = {
    "K": "#17331f", "G": "#4db154", "L": "#8ddb6d", "D": "#2f7f47",  # outline, skin, lit, shaded
    "B": "#f7eab6", "b": "#dcc588", "O": "#f59a3c", "o": "#cf6a2c", "P": "#f2958c",  # belly, spikes, cheek
    "E": "#101a22", "w": "#ffffff", "e": "#e9f2f5", "g": "#b9ccd3",  # eye, whites, shell
    "T": "#a8713a", "t": "#d39c5b", "u": "#6f4723",  # wood
    "I": "#9fb2c0", "i": "#dfe9ef", "m": "#5f7482",  # iron
    "C": "#7fd3f0", "c": "#d9f7ff",  # bright steel
    "Y": "#f6c945", "y": "#fff0a0", "n": "#b97f1e",  # gold
    "R": "#d8433f", "r": "#f27a63", "q": "#93272f",  # cloth
    "U": "#4a7fd6", "V": "#9b6be0",  # gems
    "S": "#c66ad8", "s": "#eaa6f2", "z": "#84389c",  # slime
    "N": "#3a2030",  # the slime's outline
    "H": "#8b98a8",  # words and clouds, readable on dark and light
}  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """Rows of letters with their place on the canvas."""

    x: int
    y: int
    rows: tuple[str, ...]

    def moved(self, across: int, down: int) -> Picture:
        """The same picture somewhere else."""
        return Picture(self.x + across, self.y + down, self.rows)


def picture(x: int, y: int, rows: str) -> Picture:
    """A picture from its text."""
    return Picture(x, y, tuple(rows.split()))


HEAD = picture(
    6, 4,
    """
    ......K.................
    .....KOK.KKKKKK.........
    ....KOOOKLLLLLLKK.......
    ....KOoGLLGGGGGGLK......
    .KKKKoGGGGGGGGGGGLK.....
    KOOOooGGGGGGGGGGGGLK....
    .KOOoGGGGGGGGGGGGGGLK...
    ..KOoGGGGGGGGGGGGGGGKK..
    ..KoGGGGGGGGGGGGGGGGGLK.
    ...KGGGGGGGGGGGGGGGKGGLK
    ...KGGGGGGGGGGGGGGGGGGGK
    ...KDGGGGGGGGKGGGGGGGGGK
    ...KDGGGGGGGGGKKGGGGGGDK
    ....KDGGGGGGGGGGKKKKKKK.
    ....KDDGGGGGGDDDDDDDDK..
    .....KKDGGGGDKKKKKKKK...
    """,
)  # fmt: skip

BODY = picture(
    0, 15,
    """
    .........KKKKKKKKKKKK.........
    ......KKKKKDGGGGGDDK..........
    .....KOOOOoGGGGGGGGK..........
    ......KOOooGGGGGGGGK..........
    .......KOoGGGGGGGGBBK.........
    .......KooGGGGGGGBBBBK........
    .....KKKoGGGGGGGBBBBBK........
    ....KOOOoGGGGGGGBBBBBBK.......
    ....KOOooGGGGGGBBBBBBBK.......
    .....KOoGGGGGGGBBBBBBBK.......
    ..KKKKooGGGGGGGBBBBBBBK.......
    .KOOOOoGGGGGGGGbbBBBBBK.......
    .KOOooGGGGGGGGGBBBBBBbK.......
    KKKKoGGGGGGGGGGBBBBBBbK.......
    KLLKGGGGGGGGGGGbbBBBbbK.......
    KLGGGGGGGGGGGGGGBBBBbK........
    KGGGGGGGDGGGGGGGBBBbbK........
    .KDGGGGDDGGGGGGGGBbbGGK.......
    ..KDDDDDDGGGGGDDGGDDGGK.......
    ...KKKDDKDGGGGDDKDGGGGGK......
    ......KKKDDGGGDDKDDGGGDK......
    ........KDBGBGBDKDBGBGBK......
    ........KKKKKKKKKKKKKKKK......
    """,
)  # fmt: skip

SHELL = picture(
    8, 23,
    """
    .K.....K......K......K
    KeK...KeK....KeK....KeK
    KeeK.KeeeK..KeeeK..KwwK
    KeeeKeeeeeKKeeeeeKKwwwK
    KeeeeeeeeeeeeeeeeewwwwK
    KgeeePPeeeeeeUUeeeewwwK
    KgeePPPPeeeeUUUUeeewwwK
    .KgeePPeeeeeUUUUeeewwK
    .KgeeeeeeYYeeUUeeeeewK
    ..KgeeeeYYYYeeeeeeeeK
    ..KggeeeYYYYeeeeeeeeK
    ...KggeeeYYeeeeeeegK
    ....KKggggeeeegggKK
    ......KKKgggggKKK
    .........KKKKK
    """,
)  # fmt: skip

SHELL_CAP = picture(
    12, 7,
    """
    .....KKKK.....
    ...KKeewwKK...
    ..KeeePewwwK..
    .KgeePPPeewwK.
    .KgeeePeeeewK.
    KgeeeeeeeeeewK
    KgKegKeeKgeKeK
    .K.KK.KK.KK.K.
    """,
)  # fmt: skip

SMALL_ARM = picture(
    25, 22,
    """
    ..KK.
    .KLLK
    KGGGK
    KDGGK
    .KKK.
    """,
)  # fmt: skip

NEAR_ARM = picture(
    12, 23,
    """
    .KK...
    KGGKK.
    KGGGGK
    KDGGGK
    .KDDK.
    ..KK..
    """,
)  # fmt: skip

ARM = picture(
    19, 22,
    """
    KKKKK.
    GGGGLK
    DGGGGK
    KDDDK.
    .KKK..
    """,
)  # fmt: skip

EYES = picture(
    17, 9,
    """
    EEE
    wwE
    wEE
    EEE
    EEE
    """,
)  # fmt: skip

EYES_CLOSED = picture(
    16, 11,
    """
    E...E
    .EEE.
    """,
)  # fmt: skip

CHEEK = picture(16, 15, "PPP PPP")
