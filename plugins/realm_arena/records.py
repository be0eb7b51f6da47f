"""Files that the arena writes for itself."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from realm_cli.records import Record


class LineCount(msgspec.Struct, frozen=True):
    """A row and how many tokens it has."""

    line: int
    tokens: int


class TokenStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted while a quest was tokenized."""

    rows: int = 0
    """Lines with a sample; blank lines do not count."""
    samples: int = 0
    """What can be trained: rows that were kept, and the pieces of long texts."""
    tokens: int = 0
    trained_tokens: int = 0
    chat_rows: int = 0
    chat_tokens: int = 0
    """Of all chat rows within max_length, with a trained token or without."""
    chat_trained_tokens: int = 0
    longest: int = 0
    """Tokens of the longest row, whether it was kept or not."""
    too_long: int = 0
    """Rows left out because they are longer than max_length."""
    first_too_long: list[LineCount] = []
    untrained: int = 0
    """Rows left out because none of their tokens is trained."""
    first_untrained: list[LineCount] = []


class TokensMeta(Record, frozen=True, kw_only=True):
    """Commit marker of a token cache: written last, and only a cache that agrees with it is used."""

    kind: ClassVar[str] = "tokens"

    quest_sha256: str
    """Of the decompressed content."""
    tokenizer_hash: str
    template_hash: str
    max_length: int
    profile: str
    """Stamp of the data profile."""
    dtype: str
    """Of `ids.bin`: uint16 or uint32."""
    statistics: TokenStatistics
    files: dict[str, str]
    """File name → SHA-256."""
