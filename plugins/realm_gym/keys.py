"""The key of a problem: its prompt apart from white space and case."""

from __future__ import annotations

import hashlib

LONGEST = 200
"""Characters of a key; of a longer one the hash is the key, as every row of a quest carries it."""


def key_of(prompt: str) -> str:
    """The same for two wordings that differ in white space and case only."""
    text = " ".join(prompt.split()).casefold()
    return text if len(text) <= LONGEST else hashlib.sha256(text.encode()).hexdigest()
