"""A quest's tokens as the battle needs them: cached ones, or made now with this hero's tokenizer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from realm_arena import packing, tokens
from realm_arena.encoding import HeroTokenizer
from realm_arena.packing import MicroBatch
from realm_arena.tokens import TokenView
from realm_cli import heroes, profiles
from realm_cli.config import HeroConfig
from realm_cli.profiles import Profile
from realm_cli.realm import Realm
from realm_cli.records import SampleView


@dataclass(frozen=True)
class Hero:
    """The active hero's files and settings for one battle."""

    realm: Realm
    id: str
    config: HeroConfig
    base: Path
    """Folder of step 0."""

    @classmethod
    def active(cls, realm: Realm) -> Hero:
        """The active hero; an embedded one is built when it does not exist yet."""
        hero = realm.config.hero
        return cls(realm, hero, realm.hero(hero), heroes.base_path(realm, hero))

    @cached_property
    def tokenizer(self) -> HeroTokenizer:
        """Tokenizer and chat template."""
        return HeroTokenizer.load(self.base, self.chat_template)

    @cached_property
    def profile(self) -> Profile:
        """The data profile that it is trained under."""
        return profiles.of_hero(self.realm, self.id)

    @property
    def chat_template(self) -> Path | None:
        """The hero's own template file; None when its model's is used."""
        return self.realm.path(self.config.chat_template) if self.config.chat_template else None

    def tokens_of(self, path: Path, sha256: str) -> TokenView:
        """The quest's tokens, memory-mapped; made now if the cache has none for this tokenizer, template and profile."""
        return tokens.open_or_build(self.realm, self.tokenizer, path, sha256, self.config.max_length, self.profile)

    def batches(self, view: TokenView, samples: np.ndarray, packed: bool) -> list[MicroBatch]:
        """One step's micro-batches."""
        recipe = self.config.recipe
        return packing.micro_batches(
            view, samples, row_tokens=recipe.row_tokens, micro_batch_tokens=recipe.micro_batch_tokens,
            packed=packed, pad_id=self.tokenizer.pad_id,
        )  # fmt: skip

    def sample_view(self, view: TokenView, index: int) -> SampleView:
        """A training sample as text."""
        ids, trained = view.sample(index)
        first = int(np.argmax(trained)) if trained.any() else len(ids)
        prompt = self.tokenizer.decode([int(token) for token in ids[:first]])
        golden = self.tokenizer.decode([int(token) for token, use in zip(ids, trained, strict=True) if use])
        return SampleView(prompt=prompt, golden=golden, line=view.line(index))
