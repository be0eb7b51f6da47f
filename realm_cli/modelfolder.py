"""A model folder in the Hugging Face layout: found by path or Hub id and checked without loading anything."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from realm_cli import hub, store, weights
from realm_cli.errors import FormatError, NotFoundError, RealmError

INDEX = "model.safetensors.index.json"
_CAUSAL_SUFFIXES = ("ForCausalLM", "LMHeadModel")
_CAUSAL_TYPES = frozenset([
    "bloom", "cohere", "cohere2", "falcon", "gemma", "gemma2", "gemma3_text", "glm", "gpt2", "gpt_bigcode",
    "gpt_neo", "gpt_neox", "gptj", "granite", "llama", "mistral", "mixtral", "mpt", "olmo", "olmo2", "opt", "phi",
    "phi3", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "smollm3", "stablelm", "starcoder2",
])  # fmt: skip
"""Types that transformers itself implements; for a config without `architectures`, and against code in the folder."""


@dataclass(frozen=True)
class ModelFolder:
    """A folder that passed `open_folder`."""

    path: Path
    config: dict[str, Any]

    @property
    def architecture(self) -> str:
        """`Qwen3ForCausalLM`, or the model type where the config names no architecture."""
        named = self.config.get("architectures") or [self.config["model_type"]]
        return str(named[0])

    @property
    def max_positions(self) -> int | None:
        """The longest sequence the model was made for; None where the config does not say."""
        for key in ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length"):
            if isinstance(self.config.get(key), int):
                return int(self.config[key])
        return None

    @cached_property
    def parameters(self) -> int:
        """How many numbers are trained; a tied output layer counts once."""
        tied = self.config.get("tie_word_embeddings", False)
        found = weights.tensors(self.path)
        return sum(tensor.parameters for tensor in found if not (tied and tensor.name == "lm_head.weight"))

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(path.stat().st_size for path in self.path.rglob("*") if path.is_file())

    @cached_property
    def chat_template(self) -> str | None:
        """The template that the folder brings, None when it brings none."""
        file = self.path / "chat_template.jinja"
        if file.is_file():
            return store.read_bytes(file).decode("utf-8")
        place = self.path / "tokenizer_config.json"
        found = _json_object(place).get("chat_template") if place.is_file() else None
        if isinstance(found, list):
            named = {entry.get("name"): entry.get("template") for entry in found if isinstance(entry, dict)}
            found = named.get("default")
        return found if isinstance(found, str) else None


def locate(name: str, roots: Iterable[Path]) -> ModelFolder:
    """The model that `name` means: an existing folder (relative to one of `roots`) wins, else `owner/name` on the Hub."""
    places = [root / Path(name).expanduser() for root in roots]
    for place in places:
        if place.is_dir():
            return open_folder(place.absolute())
    for place in places:
        if place.exists():
            raise FormatError(
                str(place), "a file, not a model folder", "name the folder with config.json and *.safetensors"
            )
    if not hub.HUB_ID.fullmatch(name):
        raise NotFoundError(
            f"there is no model folder {places[0]}, and '{name}' is no Hub id", "a Hub id looks like Qwen/Qwen3-0.6B"
        )
    return _from_hub(name)


def _from_hub(hub_id: str) -> ModelFolder:
    here, flaw = hub.cached(hub_id), None
    if here is not None:
        try:
            return open_folder(here)
        except FormatError as error:  # most often half downloaded, which a download completes
            flaw = error
    try:
        return open_folder(hub.download(hub_id))
    except FormatError:
        raise
    except RealmError as error:
        if flaw is None:
            raise
        raise RealmError(f"{flaw.message}; {error.message}", error.hint) from error


def open_folder(path: Path) -> ModelFolder:
    """The folder, checked: a causal language model with whole safetensors weights and a tokenizer.

    Raises `FormatError` that names what is missing.
    """
    config = _json_object(path / "config.json")
    _check_architecture(path / "config.json", config)
    _check_weights(path)
    if not (path / "tokenizer.json").is_file():
        raise FormatError(
            str(path),
            "tokenizer.json is missing",
            "write one with transformers: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)",
        )
    return ModelFolder(path, config)


def _json_object(path: Path) -> dict[str, Any]:
    try:
        data = store.parse_json(store.read_bytes(path), str(path))
    except FileNotFoundError:
        raise FormatError(
            str(path.parent), f"{path.name} is missing", "name a model folder in the Hugging Face layout"
        ) from None
    if not isinstance(data, dict):
        raise FormatError(str(path), f"expected an object, found {type(data).__name__}")
    return data


def _check_architecture(place: Path, config: dict[str, Any]) -> None:
    named = config.get("architectures") or []
    kind = config.get("model_type")
    if not isinstance(kind, str):
        raise FormatError(str(place), "model_type is missing", "name a model folder that transformers can load")
    causal = any(str(name).endswith(_CAUSAL_SUFFIXES) for name in named) if named else kind in _CAUSAL_TYPES
    if not causal or config.get("is_encoder_decoder"):
        found = ", ".join(map(str, named)) or kind
        raise FormatError(
            str(place), f"{found} is not a causal language model", "its architecture must be a …ForCausalLM"
        )
    if "auto_map" in config and kind not in _CAUSAL_TYPES:
        raise FormatError(
            str(place),
            f"model type '{kind}' needs Python code from its own folder (auto_map), which Realm never runs",
            "take a model whose type transformers implements itself",
        )


def _check_weights(path: Path) -> None:
    """Whole safetensors; whatever would have to be unpickled is refused."""
    index = path / INDEX
    if index.is_file():
        named = set(_json_object(index).get("weight_map", {}).values())
        missing = sorted(name for name in named if not (path / name).is_file())
        if missing or not named:
            raise FormatError(
                str(path),
                f"{INDEX} names {missing[0] if missing else 'no file'}, which is missing",
                "download it again",
            )
    elif not (path / "model.safetensors").is_file():
        pickled = sorted(file.name for file in path.glob("*.bin"))
        if pickled:
            raise FormatError(
                str(path),
                f"the weights are only in {pickled[0]}; loading it would unpickle, that is, could run any code in it",
                "convert it where you trust it, with transformers: AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(FOLDER)",
            )
        raise FormatError(str(path), "model.safetensors is missing", "the weights must be in the safetensors format")
    weights.tensors(path)
