"""Chat rows of a known size for the benchmarks: random words, the same for the same seed."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

_LETTERS = "bcdfghjklmnpqrstvwxz"
"""No vowels: no word of these is one that a hero's tokenizer knows as a whole, so a letter is a token."""
FRAME_TOKENS = 4
"""Two roles and two ends in dio-mini's chat template; the last end is trained."""


def words(generator: random.Random, letters: int) -> str:
    """Words and single spaces, `letters` characters in all."""
    text = ""
    while len(text) < letters:
        text += "".join(generator.choices(_LETTERS, k=generator.randint(2, 8))) + " "
    return text[: letters - 1] + generator.choice(_LETTERS) if letters else ""


def chat_row(generator: random.Random, tokens: tuple[int, int], trained: tuple[float, float]) -> dict[str, Any]:
    """One question and answer with so many tokens in all, of which such a share is trained (embedded tokenizers)."""
    count = generator.randint(*tokens)
    answer = max(1, round(count * generator.uniform(*trained)) - 1)
    question = max(1, count - FRAME_TOKENS - answer)
    return {
        "messages": [
            {"role": "user", "content": words(generator, question)},
            {"role": "assistant", "content": words(generator, answer)},
        ]
    }


def training_rows(count: int, seed: int) -> list[dict[str, Any]]:
    """Rows of 30 to 120 tokens, 25 to 40 % of them trained."""
    generator = random.Random(seed)
    return [chat_row(generator, (30, 120), (0.25, 0.40)) for _ in range(count)]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """A quest file of the rows."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
