"""Where problems come from: a place in the library is a seed with an index below `CHUNK`.

The library draws an item from seed + index, so neighbouring seeds would give the same items. Ours are multiples of
`CHUNK`: two places never share an item.
"""

from __future__ import annotations

import random

CHUNK = 64
"""Items of one data set of the library."""
SEED_BITS = 46
"""With the index behind them, 52: what every JSON reader takes as a whole number."""
NARROW = {"pool_matrix": 26}
"""Tasks that seed a generator which takes 32 bits."""


def draw(task: str, rng: random.Random) -> int:
    """A seed of the library."""
    return rng.getrandbits(NARROW.get(task, SEED_BITS)) * CHUNK
