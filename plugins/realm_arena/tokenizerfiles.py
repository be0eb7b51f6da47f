"""What a model folder says about its tokenizer beside `tokenizer.json`: names of special tokens, end token, template."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realm_cli import store
from realm_cli.errors import FormatError, NotFoundError

TEMPLATE_HINT = "give the hero a template: set `chat_template:` in configs/heroes/<id>.yaml to a jinja file"


@dataclass(frozen=True)
class TokenizerFiles:
    """The contents of one folder."""

    folder: Path
    tokenizer_json: bytes
    names: dict[str, str]
    """`bos_token`, `eos_token`… → text, as chat templates see them."""
    added_tokens: list[dict[str, Any]]
    """Tokens that `tokenizer_config.json` adds, in the order of their ids."""
    eos_id: int | None
    """The end token's id from `config.json`; counts only where no `eos_token` is named."""
    template: str | None
    template_place: str
    """Where the template stands, for messages."""

    @classmethod
    def read(cls, folder: Path, chat_template: Path | None) -> TokenizerFiles:
        """Read `folder`; a `chat_template` file wins over the template that the folder brings."""
        try:
            tokenizer_json = store.read_bytes(folder / "tokenizer.json")
        except FileNotFoundError:
            raise NotFoundError(
                f"{folder} has no tokenizer.json",
                "write one with transformers: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)",
            ) from None
        config = _object(folder / "tokenizer_config.json")
        added = config.get("added_tokens_decoder")
        if not isinstance(added, dict):
            # Older folders name the special tokens in a file of their own.
            config |= _object(folder / "special_tokens_map.json")
            added = {}
        template, place = _template(folder, config, chat_template)
        return cls(
            folder=folder,
            tokenizer_json=tokenizer_json,
            names=_names(config),
            added_tokens=_added_tokens(added, folder / "tokenizer_config.json"),
            eos_id=_eos_id(_object(folder / "config.json")),
            template=template,
            template_place=place,
        )


def _object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty when the file does not exist."""
    try:
        data = store.parse_json(store.read_bytes(path), str(path))
    except FileNotFoundError:
        return {}
    if not isinstance(data, dict):
        raise FormatError(str(path), f"expected an object, found {type(data).__name__}")
    return data


def _names(config: dict[str, Any]) -> dict[str, str]:
    names = {}
    for key, value in config.items():
        text = value.get("content") if isinstance(value, dict) else value
        if key.endswith("_token") and isinstance(text, str):
            names[key] = text
    return names


def _added_tokens(added: dict[str, Any], place: Path) -> list[dict[str, Any]]:
    flags = ("single_word", "lstrip", "rstrip", "normalized", "special")
    tokens = []
    for key, token in added.items():
        if not key.isdecimal() or not isinstance(token, dict) or not isinstance(token.get("content"), str):
            raise FormatError(str(place), f"added_tokens_decoder.{key} is no token", "download the file again")
        known = {flag: bool(token[flag]) for flag in flags if flag in token}
        tokens.append((int(key), {"content": token["content"], **known}))
    return [token for _, token in sorted(tokens, key=lambda item: item[0])]


def _eos_id(config: dict[str, Any]) -> int | None:
    found = config.get("eos_token_id")
    first = found[0] if isinstance(found, list) and found else found
    return first if isinstance(first, int) else None


def _template(folder: Path, config: dict[str, Any], chosen: Path | None) -> tuple[str | None, str]:
    """The template's text and place. Order: the hero's own, the folder's file, the folder's configuration."""
    if chosen is not None:
        return _text(chosen), str(chosen)
    file = folder / "chat_template.jinja"
    if file.is_file():
        return _text(file), str(file)
    place = f"{folder / 'tokenizer_config.json'} (chat_template)"
    found = config.get("chat_template")
    if isinstance(found, list):
        named = {
            entry["name"]: entry["template"]
            for entry in found
            if isinstance(entry, dict) and {"name", "template"} <= set(entry)
        }
        if "default" not in named:
            raise FormatError(
                place, f"several templates ({', '.join(named)}), none of them named 'default'", TEMPLATE_HINT
            )
        found = named["default"]
    return (found, place) if isinstance(found, str) else (None, place)


def _text(path: Path) -> str:
    try:
        return store.read_bytes(path).decode()
    except FileNotFoundError:
        raise NotFoundError(f"the chat template {path} does not exist", TEMPLATE_HINT) from None
    except UnicodeDecodeError as error:
        raise FormatError(str(path), f"not UTF-8 (byte {error.start})", "save the template as UTF-8") from None
