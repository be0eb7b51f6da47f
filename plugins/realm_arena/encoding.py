"""A hero's tokenizer: rows to token ids with a trained flag for each, made before anything is packed.

Only the tokenizers library and jinja2 work here, so that an inspection needs neither torch nor transformers.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray
from tokenizers import AddedToken, Tokenizer

from realm_arena.rows import Message, Row
from realm_arena.templates import ChatTemplate, ConversationError, Span
from realm_arena.tokenizerfiles import TEMPLATE_HINT, TokenizerFiles
from realm_cli.errors import FormatError, RealmError

Ids = NDArray[np.uint32]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Encoded:
    """One row as tokens. The first token is never trained: nothing before it could predict it."""

    ids: Ids
    trained: Flags


class HeroTokenizer:
    """Tokenizer and chat template of one hero. Make it with `load`."""

    def __init__(self, files: TokenizerFiles) -> None:
        self._files = files
        self._tokenizer = _tokenizer(files)
        self._prefix = _prefix(self._tokenizer)
        # Post-processors would only shift offsets from here on; the prefix is all that is wanted of them.
        self._tokenizer.post_processor = None
        added = self._tokenizer.get_added_tokens_decoder()
        self._special = {number: token.content for number, token in added.items() if token.special}
        self.vocab_size: int = max(self._tokenizer.get_vocab(with_added_tokens=True).values()) + 1
        """The highest id plus one."""
        self.eos_id: int | None = self._id("eos_token", files.eos_id)
        """Ends a prompt's completion and a text; None when the folder names none."""
        pad = self._id("pad_token", self.eos_id)
        self.pad_id: int = 0 if pad is None else pad
        self.template = self._template()

    @classmethod
    def load(cls, folder: Path, chat_template: Path | None = None) -> HeroTokenizer:
        """The tokenizer of a model folder; `chat_template` is a file that wins over the folder's own template."""
        # Said outright, the library does not warn about every process that is forked later.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
        return cls(TokenizerFiles.read(folder, chat_template))

    @cached_property
    def tokenizer_hash(self) -> str:
        """SHA-256 over all that decides which ids a text gets."""
        facts = json.dumps([self._files.names, self._files.added_tokens, self.eos_id], sort_keys=True)
        return hashlib.sha256(self._files.tokenizer_json + facts.encode()).hexdigest()

    @cached_property
    def template_hash(self) -> str:
        """SHA-256 of the chat template's text; of nothing where there is no template."""
        return hashlib.sha256((self._files.template or "").encode()).hexdigest()

    @cached_property
    def end_token_id(self) -> int | None:
        """The token that ends an assistant's turn in the chat template; `eos_id` where the template shows none."""
        probe = Row(messages=[Message("user", "a"), Message("assistant", "a")])
        try:
            encoded = self.encode([probe])[0]
        except RealmError:
            return self.eos_id
        trained = encoded.ids[encoded.trained]
        return int(trained[-1]) if len(trained) and int(trained[-1]) in self._special else self.eos_id

    def prompt_ids(self, messages: Sequence[Message], *, own_thoughts: bool = True) -> list[int]:
        """What stands before the hero's reply to `messages`, token for token as in training.

        A row with a reply is encoded and cut where its reply begins: a template's own generation prompt may differ
        from what it puts before replies (an empty think block, a space that joins the first word).
        """
        (encoded,) = self.encode([Row(messages=[*messages, Message("assistant", "a")])], own_thoughts=own_thoughts)
        trained = np.flatnonzero(encoded.trained)
        if not len(trained):
            raise ConversationError("chat template", "shows nothing of a reply, so none can be asked for")
        gaps = np.flatnonzero(np.diff(trained) > 1)
        begin = trained[gaps[-1] + 1] if len(gaps) else trained[0]
        return [int(token) for token in encoded.ids[:begin]]

    def text_ids(self, text: str) -> list[int]:
        """A plain text that is to be continued, token for token as the beginning of a text or a prompt in training."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return self._prefix + ids

    def encode(self, rows: Sequence[Row], *, own_thoughts: bool = True) -> list[Encoded]:
        """Every row as tokens, in order. Raises `ConversationError` when the template refuses one of them.

        Without `own_thoughts`, the template's empty think blocks before replies are left out.
        """
        chats = [row.messages for row in rows if row.messages is not UNSET]
        others = [row for row in rows if row.messages is UNSET]
        encoded_chats = iter(self._encode_chats(chats, own_thoughts))
        encoded_others = iter(self._encode_others(others))
        return [next(encoded_others if row.messages is UNSET else encoded_chats) for row in rows]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`, special tokens included."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=False)
        return text

    @cached_property
    def vocabulary(self) -> list[str]:
        """The text of every token, by its id; empty for an id that none has."""
        texts: list[str] = self._tokenizer.decode_batch(
            [[n] for n in range(self.vocab_size)], skip_special_tokens=False
        )
        return texts

    def token_texts(self, ids: Sequence[int]) -> list[str]:
        """A text for each token that read on one after the other; a character of several tokens stands at the last."""
        texts: list[str] = []
        shown = begun = 0
        for end in range(1, len(ids) + 1):
            # Decoded with the token before, because many decoders treat the first token of a text in a way of its own.
            before, now = self.decode(ids[shown:begun]), self.decode(ids[shown:end])
            if now.endswith("\ufffd") and end < len(ids):
                texts.append("")
                continue
            texts.append(now[len(before) :])
            shown, begun = begun, end
        return texts

    def _encode_chats(self, chats: list[list[Message]], own_thoughts: bool) -> list[Encoded]:
        if not chats:
            return []
        if self.template is None:
            raise RealmError(f"{self._files.folder} has no chat template, which chat rows need", TEMPLATE_HINT)
        rendered = [self.template.spans(messages, own_thoughts=own_thoughts) for messages in chats]
        encodings = self._tokenizer.encode_batch([text for text, _ in rendered], add_special_tokens=False)
        return [
            _encoded(encoding.ids, _flags(np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2), text, spans))
            for encoding, (text, spans) in zip(encodings, rendered, strict=True)
        ]

    def _encode_others(self, rows: list[Row]) -> list[Encoded]:
        """Prompts with completions, and texts. A prompt is tokenized alone, as it will be at inference."""
        texts: list[str] = []
        for row in rows:
            texts += [row.text] if row.text is not UNSET else [str(row.prompt), str(row.completion)]
        parts = iter([encoding.ids for encoding in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)])
        end = [] if self.eos_id is None else [self.eos_id]
        if not end and any(row.text is UNSET for row in rows):
            hint = "name its eos_token in tokenizer_config.json"
            raise RealmError(f"{self._files.folder} names no eos_token, which a completion has to end with", hint)
        done = []
        for row in rows:
            prompt = self._prefix + (next(parts) if row.text is UNSET else [])
            answer = next(parts) + end
            flags = np.zeros(len(prompt) + len(answer), dtype=np.bool_)
            flags[0 if row.text is not UNSET else len(prompt) :] = True
            done.append(_encoded(prompt + answer, flags))
        return done

    def _id(self, name: str, otherwise: int | None) -> int | None:
        """The id of a named special token."""
        text = self._files.names.get(name)
        if text is None:
            return otherwise
        number: int | None = self._tokenizer.token_to_id(text)
        if number is None and name == "eos_token":
            raise FormatError(
                str(self._files.folder), f"eos_token '{text}' is not a token of tokenizer.json", "correct it"
            )
        return otherwise if number is None else number

    def _template(self) -> ChatTemplate | None:
        if self._files.template is None:
            return None
        try:
            return ChatTemplate(self._files.template, self._files.names, self._special.values())
        except FormatError as error:
            raise FormatError(self._files.template_place, error.problem, error.hint) from None


def _tokenizer(files: TokenizerFiles) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_buffer(files.tokenizer_json)
    except Exception as error:  # the edge of the library: it raises bare exceptions
        raise FormatError(
            str(files.folder / "tokenizer.json"), f"not a tokenizer ({error})", "download it again"
        ) from None
    # A folder may have been saved with limits that would cut samples without a word.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    for token in files.added_tokens:
        if tokenizer.token_to_id(token["content"]) is None:
            add = tokenizer.add_special_tokens if token.get("special") else tokenizer.add_tokens
            add([AddedToken(**token)])
    return tokenizer


def _prefix(tokenizer: Tokenizer) -> list[int]:
    """The tokens that the post-processor puts before every text (a bos token, mostly)."""
    plain: list[int] = tokenizer.encode("a", add_special_tokens=False).ids
    whole: list[int] = tokenizer.encode("a", add_special_tokens=True).ids
    for start in range(len(whole) - len(plain) + 1):
        if whole[start : start + len(plain)] == plain:
            return whole[:start]
    return []


def _encoded(ids: list[int], trained: Flags) -> Encoded:
    trained[:1] = False
    return Encoded(np.array(ids, dtype=np.uint32), trained)


def _flags(offsets: NDArray[np.int64], text: str, spans: list[Span]) -> Flags:
    """Which tokens are trained: those that lie wholly inside a span.

    A token across a span's border belongs to the side that holds its characters, white space apart: in `[/INST] Yes`
    the template's space and the answer's first word are one token, and the hero has to produce it.
    """
    starts, ends = offsets[:, 0], offsets[:, 1]
    trained = np.zeros(len(offsets), dtype=np.bool_)
    for start, end in spans:
        trained |= (starts >= start) & (ends <= end) & (starts < ends)
        across = ((starts < start) & (ends > start)) | ((starts < end) & (ends > end))
        for index in np.flatnonzero(across):
            piece = text[starts[index] : ends[index]]
            left = int(ends[index]) - len(piece.lstrip())
            right = int(starts[index]) + len(piece.rstrip())
            trained[index] |= start <= left < right <= end
        if text[start - 1 : start] == " ":
            # Before a word it does not join, the same space is a token of its own. The hero says it either way:
            # whether it joins is only known when the reply is.
            trained |= (starts == start - 1) & (ends == start)
    return trained
