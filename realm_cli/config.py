"""The schema of what people write: `realm.yaml` and `heroes/*.yaml`. Strict: an unknown key is an error.

Defaults stand here and in the commented files that `realm init` writes; a test holds both together.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Positive = Annotated[int, Meta(ge=1)]
NonNegative = Annotated[int, Meta(ge=0)]
PositiveFloat = Annotated[float, Meta(gt=0)]
Fraction = Annotated[float, Meta(ge=0, lt=1)]
Depth = Literal["quick", "standard", "deep"]

LOCKED_KEYS = ("base_model", "model_name", "max_length")
"""Keys of a hero that may not change while it has checkpoints, except with --approve."""


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all configuration."""


class TrainingConfig(_Strict, frozen=True, kw_only=True):
    """How battles run on this machine; what belongs to the model is in the hero's recipe."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Positive | None = None
    save_steps: Positive = 1000
    save_minutes: PositiveFloat = 10.0
    keep_last: Positive = 3
    held_out: str = "data/validation/held_out.jsonl"
    reserve_mb: NonNegative = 500
    yield_gpu: bool = True
    yield_mb: NonNegative = 500
    watched_gpu: NonNegative | None = None
    max_celsius: PositiveFloat | None = None


class BoardConfig(_Strict, frozen=True, kw_only=True):
    """The quest board."""

    inspection: Depth = "standard"
    settle_seconds: Annotated[float, Meta(ge=0)] = 2.0
    keep_completed: Positive = 200


class SkillPlan(_Strict, frozen=True, kw_only=True):
    """What the curriculum makes of one skill."""

    enabled: bool = True
    priority: Annotated[int, Meta(ge=-1000, le=1000)] = 0
    """Higher goes first: lower ones are forged when none of these can be."""
    weight: Annotated[float, Meta(ge=0.01, le=100)] = 1.0
    """Its share beside others, where the strategy is `weighted`."""
    target: Positive | None = None
    """Once this level is mastered, the skill is only replayed."""


class CurriculumConfig(_Strict, frozen=True, kw_only=True):
    """Which skill is forged next."""

    strategy: Literal["equal", "focus", "weighted", "catch_up"] = "equal"
    focus: str = ""
    """The skill of the strategy `focus`."""
    focus_share: Annotated[float, Meta(gt=0, le=1)] = 0.8
    """Its share of the quests; the others share the rest."""
    skills: dict[str, SkillPlan] | list[str] = {}
    """What differs from the defaults, by skill. A list names those that are forged, and no others."""

    def plan(self, skill: str) -> SkillPlan:
        """The settings of one skill."""
        if isinstance(self.skills, dict):
            return self.skills.get(skill, SkillPlan())
        return SkillPlan(enabled=not self.skills or skill in self.skills)


class SparringConfig(_Strict, frozen=True, kw_only=True):
    """Wrong answers as training data."""

    stale_steps: Positive = 2000


class GuardianConfig(_Strict, frozen=True, kw_only=True):
    """The watch over the battle."""

    stuck_minutes: PositiveFloat = 15.0
    restart: bool = True


class PluginsConfig(_Strict, frozen=True, kw_only=True):
    """Which plugins stay out."""

    disabled: list[str] = []


class WebConfig(_Strict, frozen=True, kw_only=True):
    """Where the services listen; off the loopback interface they ask for the token."""

    host: str = "127.0.0.1"
    names: list[str] = []
    """Further host names under which browsers reach them."""


class TavernConfig(_Strict, frozen=True, kw_only=True):
    """The web page."""

    port: Annotated[int, Meta(ge=0, le=65535)] = 8888


class OracleServer(_Strict, frozen=True, kw_only=True):
    """A server that speaks OpenAI's language and runs a hero's checkpoints."""

    url: str
    model: str = "{hero}-step-{step}"
    key_env: str = ""


class OracleConfig(_Strict, frozen=True, kw_only=True):
    """Inference on exact checkpoints."""

    port: Annotated[int, Meta(ge=0, le=65535)] = 8765
    max_gb: PositiveFloat | None = None
    idle_minutes: PositiveFloat | None = 60.0
    load_on_request: bool = False
    max_tokens: Positive = 4096
    max_conversations: Positive = 1000
    max_seconds: Positive = 900
    servers: dict[str, OracleServer] = {}
    """By hero."""


class RealmConfig(_Strict, frozen=True, kw_only=True):
    """`configs/realm.yaml`."""

    hero: str = "dio-mini"
    training: TrainingConfig = TrainingConfig()
    board: BoardConfig = BoardConfig()
    curriculum: CurriculumConfig = CurriculumConfig()
    sparring: SparringConfig = SparringConfig()
    web: WebConfig = WebConfig()
    tavern: TavernConfig = TavernConfig()
    oracle: OracleConfig = OracleConfig()
    guardian: GuardianConfig = GuardianConfig()
    plugins: PluginsConfig = PluginsConfig()


class EmbeddedModel(_Strict, frozen=True, kw_only=True):
    """A Qwen3-architecture model made on the spot from random weights."""

    seed: NonNegative = 0
    hidden_size: Positive = 128
    layers: Positive = 2
    heads: Positive = 4
    kv_heads: Positive = 2
    head_size: Positive = 32
    intermediate_size: Positive = 384
    initializer_range: PositiveFloat = 0.02
    rope_theta: PositiveFloat = 10000.0
    words: list[str] = []
    """Words that get a token of their own."""


class Recipe(_Strict, frozen=True, kw_only=True):
    """How a hero is trained: data order and batches, optimizer, precision."""

    learning_rate: PositiveFloat = 1e-5
    warmup_steps: NonNegative = 100
    decay_after: Positive | None = None
    batch_samples: Positive = 16
    batch_tokens: Positive = 16384
    row_tokens: Positive = 2048
    micro_batch_tokens: Positive = 8192
    weight_decay: Annotated[float, Meta(ge=0)] = 0.0
    beta1: Fraction = 0.9
    beta2: Fraction = 0.95
    clip_norm: PositiveFloat = 1.0
    precision: Literal["fp32", "bf16"] = "fp32"
    gradient_checkpointing: bool = False
    epochs: Positive = 1


class HeroConfig(_Strict, frozen=True, kw_only=True):
    """`configs/heroes/<id>.yaml`."""

    model_name: str
    base_model: str
    max_length: Positive
    title: str = ""
    chat_template: str | None = None
    profile: str = "none"
    system_prompt: str | None = None
    embedded: EmbeddedModel | None = None
    recipe: Recipe = Recipe()
