"""The tokenizer of an embedded model: plain JSON, made without any library.

All 256 bytes are tokens and nothing is merged, so every text survives the way there and back. ASCII digits are one token
each because they are one byte each; circled digits and the words of the configuration are tokens of their own because
they are whole entries of the vocabulary (`ignore_merges`), cut out of the text before the byte level.
"""

from __future__ import annotations

import re
from typing import Any

PAD, SYSTEM, USER, ASSISTANT, END = "<|pad|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"
SPECIAL = (PAD, SYSTEM, USER, ASSISTANT, END)
CIRCLED_DIGITS = "⓪①②③④⑤⑥⑦⑧⑨"

CHAT_TEMPLATE = (
    "{%- for message in messages %}"
    "{%- if message['role'] not in ['system', 'user', 'assistant'] %}"
    "{{- raise_exception('unknown role: ' + message['role']) }}"
    "{%- endif %}"
    "{{- '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|assistant|>' }}{%- endif %}"
)
"""One token opens a turn and one closes it: a short frame leaves the tiny model's steps to the content."""


def token_ids(words: list[str]) -> dict[str, int]:
    """Every token as it is spelled in the vocabulary, with its id: special ones, bytes, circled digits, words."""
    symbols = _byte_symbols()
    whole = [*CIRCLED_DIGITS, *words]
    tokens = [*SPECIAL, *symbols, *("".join(symbols[byte] for byte in word.encode()) for word in whole)]
    return {token: number for number, token in enumerate(dict.fromkeys(tokens))}


def tokenizer_json(words: list[str]) -> dict[str, Any]:
    """`tokenizer.json`, as the tokenizers library reads it."""
    ids = token_ids(words)
    special = [_special_token(ids[token], token) for token in SPECIAL]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    # The longest first: an alternation takes the first branch that fits, and `add` must not hide `add_signed`.
    whole = sorted([*CIRCLED_DIGITS, *words], key=lambda word: (-len(word), word))
    pattern = {"Regex": "|".join(map(re.escape, whole))}
    split = {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special,
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, byte_level]},
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": True,
            "vocab": ids,
            "merges": [],
        },
    }


def tokenizer_config(max_length: int) -> dict[str, Any]:
    """`tokenizer_config.json`, as transformers reads it."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": max_length,
        "pad_token": PAD,
        "eos_token": END,
        "clean_up_tokenization_spaces": False,
    }


def _special_token(number: int, text: str) -> dict[str, Any]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": number, "content": text, **flags, "special": True}


def _byte_symbols() -> list[str]:
    """The printable character that stands for each byte in byte-level BPE: itself, or one from U+0100 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    spare = iter(range(0x100, 0x200))
    return [chr(byte if byte in printable else next(spare)) for byte in range(256)]
