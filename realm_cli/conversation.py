"""The turns of a conversation."""

from __future__ import annotations

import msgspec


class Message(msgspec.Struct, frozen=True):
    """One turn of a conversation."""

    role: str
    """system, user or assistant, as far as the hero's chat template knows them."""
    content: str
