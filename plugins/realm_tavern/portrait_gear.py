"""The pixels of what the hero wears: in letters that `portrait` dyes, and in colours of their own."""

from __future__ import annotations

from realm_tavern.portrait_art import picture

SWORD = picture(
    18, 13,
    """
    ..............KKKK
    .............KWWXK
    ............KWWXWK
    ...........KWWXWK.
    ..........KWWXWK..
    .........KWWXWK...
    ....KKK.KWWXWK....
    ....KFFKWWXWK.....
    .....KFFWXWK......
    .....KKFFWK.......
    .....KKKFFK.......
    ....KHHKKFFK......
    ...KHHK..KKK......
    ..KFFK............
    ..KKKK............
    """,
)  # fmt: skip
"""W and X are the blade, F the guard, H the grip: other letters for each kind of sword."""

SHIELD = picture(
    9, 21,
    """
    ...KKKK...
    .KKFFFFKK.
    KFFWWWWFFK
    KFWWXXWWFK
    KFWWXXWWFK
    KFXXXXXXFK
    KFXXXXXXFK
    KFWWXXWWFK
    .KFWXXWFK.
    .KFFWWFFK.
    ..KKFFKK..
    ....KK....
    """,
)  # fmt: skip
"""F is the rim, W the field, X the cross."""

HELMET = picture(
    9, 0,
    """
    ......KKKKKK......
    ....KKXXXWWWKK....
    ...KXXXWWWWWWWK...
    ..KXXWWWWWWWWWWK..
    ..KXWWWWWWWWWWWWK.
    .KWWWWWWWWWWWWWWK.
    KFFFFFFFFFFFFFFFFK
    KFXFFFFXFFFFXFFFXK
    .KKKKKKKKKKKKKKKKK
    """,
)  # fmt: skip
"""W and X are the bowl, F the band."""

HORN = picture(
    5, 0,
    """
    .KK....
    KwK....
    KwwK...
    KwwwKK.
    KeewwwK
    .KgeewK
    ..KKKK.
    """,
)  # fmt: skip

PLUME = picture(
    2, 0,
    """
    ....KKKKKKKKK.
    ..KKrrrrrRRRRK
    .KrrRRRRRRRRqK
    KrRRRRRRqqqKK.
    KRRRRqqKKKK...
    KRRqKKK.......
    KRqK..........
    KqK...........
    .K............
    """,
)  # fmt: skip

CAPE = picture(
    2, 18,
    """
    .........KKKKKKKKK.
    .......KKRRRrrRRRYK
    ......KRRRrRRRRKKK.
    .....KRRRrRRRKK....
    ....KRRRRrRRqK.....
    ....KRRRrRRRqK.....
    ...KRRRRrRRqRK.....
    ...KRRRrRRRqRK.....
    ..KRRRRrRRqRRK.....
    ..KRRRrRRRqRRK.....
    .KRRRRrRRqRRRK.....
    .KRRRrRRRqRRRK.....
    KRRRRrRRqRRRqK.....
    KqRRRRRRqRRqK......
    KqqRRqRRRqqK.......
    .KKqqKqqqKK........
    ...KK.KKK..........
    """,
)  # fmt: skip

ARMOUR = picture(
    8, 19,
    """
    ...KKKKKKKKKKK..
    ..KYyyYYYYYYyyK.
    ..KYYYYYYnYYYYyK
    ..KnYYYYYnYYYYYK
    ..KnYYYYYnYYYYYK
    ..KnnYYYYnYYYYnK
    ..KnnnYYYnYYYnnK
    ..KKnnnnnnnnnnK.
    ..KqqqqqqyyqqqK.
    ..KqqqqqqYYqqqK.
    ..KYYYnKYYnKYYnK
    .KYYYYnKYYnKYYnK
    .KYYYnKKYYnKKYnK
    .KnnnK.KnnK.KKK.
    ..KKK...KK......
    KyyyyyyyKyyyyyyK
    KnYYYYYnKnYYYYYK
    KnYyYYYnKnYyYYYK
    """,
)  # fmt: skip

PAULDRON = picture(
    11, 20,
    """
    .KKKKK.
    KyyYYYK
    KyYYYYYK
    KYYYYYnK
    KnnnnnnK
    .KKKKKK.
    """,
)  # fmt: skip

CROWN = picture(
    12, 0,
    """
    KK...KKK...KK.
    KYK..KRK..KYK.
    KYYKKYYYKKYYK.
    KYYYYYyYYYYYK.
    KYRYYYUYYYRYK.
    KnYYYYYYYYYnK.
    KKnnnnnnnnnKK.
    """,
)  # fmt: skip

GEM = picture(0, 38, "XXX .X.")

GEMS = "RUYVCO"
"""One letter for each gem."""
