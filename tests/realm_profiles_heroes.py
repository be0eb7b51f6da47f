"""Heroes under a data profile, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from realm_arena_chats import THINKING
from realm_arena_models import save_tokenizer
from realm_cli.conversation import Message
from realm_cli.realm import Realm

HERO = "dio-mini"
SPECIALS = ["<|endoftext|>", "<|im_end|>", "<|im_start|>", "<think>", "</think>"]


def wear(realm: Realm, profile: str, system_prompt: str | None = None, hero: str = HERO) -> Realm:
    """Set a hero's data profile as a person would; the realm, read anew."""
    path = realm.hero_file(hero)
    config = yaml.safe_load(path.read_text())
    config.update(profile=profile, system_prompt=system_prompt)
    path.write_text(yaml.safe_dump(config, allow_unicode=True))
    return Realm(realm.root)


def chat(*turns: tuple[str, str]) -> list[Message]:
    """A conversation."""
    return [Message(role, content) for role, content in turns]


def asked(text: str) -> list[Message]:
    """A question."""
    return chat(("user", text))


def row_of(*messages: Message, **keys: Any) -> dict[str, Any]:
    """A row of a quest."""
    return {"messages": [{"role": one.role, "content": one.content} for one in messages], **keys}


def qwen_tokenizer(folder: Path) -> Path:
    """A byte-level BPE tokenizer with Qwen3's special tokens, think tags among them, and a template in its manner."""
    folder.mkdir(parents=True, exist_ok=True)
    save_tokenizer(folder, THINKING, SPECIALS)
    return folder
