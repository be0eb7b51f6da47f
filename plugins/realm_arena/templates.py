"""Chat templates: rendering as transformers does, with jinja2 alone, and which characters of the text are trained.

Trained is what the hero has to produce itself: an assistant's content as the template shows it, with the end-of-turn
token behind it. What the template puts before the content (role header, empty think block) is prompt.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn

from jinja2 import TemplateError, TemplateSyntaxError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from realm_arena.rows import Message
from realm_cli.errors import FormatError

Span = tuple[int, int]
_EMPTY_THOUGHT = re.compile(r"<think>\s*</think>\s*\Z")
_PRIVATE = range(0xE000, 0xF900)
"""Code points that no content should hold; one of them marks the places of contents."""


class ConversationError(FormatError):
    """The template refuses a conversation, or cannot be used for training."""


class ChatTemplate:
    """A compiled chat template. All its renderings show the same date and time."""

    def __init__(self, source: str, special_tokens: Mapping[str, str], control_tokens: Iterable[str] = ()) -> None:
        """`special_tokens` are the names that templates use (`bos_token`…), `control_tokens` all texts of special tokens."""
        self.source = source
        self._names = dict(special_tokens)
        self._skeletons: dict[tuple[str, ...], list[str] | None] = {}
        longest_first = sorted({*control_tokens, *special_tokens.values()} - {""}, key=len, reverse=True)
        self._turn_end = re.compile(rf"\s*(?:{'|'.join(map(re.escape, longest_first))})") if longest_first else None
        environment = _environment(datetime.now())
        try:
            self._template = environment.from_string(source)
        except TemplateSyntaxError as error:
            raise FormatError(
                "chat template", f"line {error.lineno}: {error.message}", "correct the template"
            ) from None

    def render(self, messages: Sequence[Message], *, add_generation_prompt: bool = False) -> str:
        """The conversation as text. Raises `ConversationError` when the template refuses it."""
        plain = [{"role": message.role, "content": message.content} for message in messages]
        return self._render(plain, add_generation_prompt)

    def spans(self, messages: Sequence[Message], *, own_thoughts: bool = True) -> tuple[str, list[Span]]:
        """The whole conversation as text, and the stretches of characters that are trained, in order.

        Without `own_thoughts`, the empty think blocks are taken out that the template itself puts before replies.
        """
        plain = [{"role": message.role, "content": message.content} for message in messages]
        text = self._render(plain)
        found = self._by_skeleton(text, plain)
        if found is None:
            found = self._by_marks(text, plain)
        spans = [(start, self._with_turn_end(text, end)) for start, end in found]
        return (text, spans) if own_thoughts else _without_thoughts(text, spans)

    def _by_skeleton(self, text: str, plain: list[dict[str, str]]) -> list[Span] | None:
        """The assistant's spans where the text is just the template's own pieces with all contents between them.

        Most are, and then one rendering is enough: the pieces are the same for every conversation of the same roles.
        """
        roles = tuple([message["role"] for message in plain])
        if roles not in self._skeletons:
            self._skeletons[roles] = self._skeleton(plain)
        pieces = self._skeletons[roles]
        whole = None if pieces is None else _fitted(text, pieces, [message["content"] for message in plain])
        if whole is None:
            return None
        return [span for role, span in zip(roles, whole, strict=True) if role == "assistant"]

    def _skeleton(self, plain: list[dict[str, str]]) -> list[str] | None:
        """What the template puts before, between and after the contents; None when that is not told so simply."""
        marks = _marks("", len(plain))
        try:
            rest = self._render(_replaced(plain, dict(enumerate(marks))))
        except ConversationError:
            return None
        pieces = []
        for mark in marks:
            before, found, rest = rest.partition(mark)
            if not found or mark in rest:
                return None
            pieces.append(before)
        return [*pieces, rest]

    def _by_marks(self, text: str, plain: list[dict[str, str]]) -> list[Span]:
        """The assistant's spans by comparison with renderings that have marks in place of its contents."""
        answers = [number for number, message in enumerate(plain) if message["role"] == "assistant"]
        marks = _marks(text, len(answers))
        marked = self._render(_replaced(plain, dict(zip(answers, marks, strict=True))))
        found = _literal(text, marked, marks, [plain[number]["content"] for number in answers])
        if found is not None:
            return found
        found = []
        for number, mark in zip(answers, marks, strict=True):
            alone = marked if len(answers) == 1 else self._render(_replaced(plain, {number: mark}))
            place = _place(text, alone, mark, plain[number]["content"], f"messages[{number}]")
            found += [place] if place else []
        return found

    def _with_turn_end(self, text: str, end: int) -> int:
        """`end`, or where the special token ends that follows it, with nothing but white space between."""
        match = self._turn_end.match(text, end) if self._turn_end else None
        return match.end() if match else end

    def _render(self, messages: list[dict[str, str]], add_generation_prompt: bool = False) -> str:
        try:
            return self._template.render(
                messages=messages,
                tools=None,
                documents=None,
                add_generation_prompt=add_generation_prompt,
                **self._names,
            )
        except TemplateError as error:
            raise ConversationError("chat template", f"refuses the conversation: {error}") from None
        except Exception as error:  # the edge of a template: a program that someone else wrote
            problem = f"fails on the conversation: {type(error).__name__}: {error}"
            raise ConversationError("chat template", problem) from error


def _without_thoughts(text: str, spans: list[Span]) -> tuple[str, list[Span]]:
    """Text and spans without the empty think blocks right before spans."""
    pieces, moved, here, gone = list[str](), list[Span](), 0, 0
    for start, end in spans:
        before = _EMPTY_THOUGHT.sub("", text[here:start])
        gone += start - here - len(before)
        pieces += [before, text[start:end]]
        moved.append((start - gone, end - gone))
        here = end
    return "".join([*pieces, text[here:]]), moved


def _replaced(messages: list[dict[str, str]], contents: Mapping[int, str]) -> list[dict[str, str]]:
    return [
        {**message, "content": contents[number]} if number in contents else message
        for number, message in enumerate(messages)
    ]


def _marks(text: str, count: int) -> list[str]:
    """`count` different short texts, made with a character that does not occur in `text`."""
    rare = next((mark for mark in map(chr, _PRIVATE) if mark not in text), None)
    if rare is None:
        raise ConversationError("chat template", "the conversation holds every private-use character of Unicode")
    return [f"{rare}{number}{rare}" for number in range(count)]


def _literal(text: str, marked: str, marks: list[str], contents: list[str]) -> list[Span] | None:
    """Where the contents stand when the template shows each one once, in order, as it is or stripped; else None."""
    pieces, rest = [], marked
    for mark in marks:
        before, found, rest = rest.partition(mark)
        if not found:
            return None
        pieces.append(before)
    return _fitted(text, [*pieces, rest], contents)


def _fitted(text: str, pieces: list[str], contents: list[str]) -> list[Span] | None:
    """Where the contents stand when `text` is the pieces with the contents between them, as they are or stripped."""
    found: list[Span] = []
    here = 0
    for piece, content in zip(pieces, contents, strict=False):
        if not text.startswith(piece, here):
            return None
        start = here + len(piece)
        shown = content if text.startswith(content, start) else content.strip()
        if not text.startswith(shown, start):
            return None
        here = start + len(shown)
        found.append((start, here))
    return found if text[here:] == pieces[-1] else None


def _place(text: str, marked: str, mark: str, content: str, path: str) -> Span | None:
    """Where one content stands in `text`, by comparison with the rendering that has `mark` in its place.

    None when the template leaves the content out.
    """
    if marked.count(mark) > 1:
        raise ConversationError("chat template", f"shows {path} more than once, so no one place can be trained")
    first = marked.find(mark)
    if first < 0 or not content.strip():
        return None
    start = _common(text, marked[:first])
    after = marked[first + len(mark) :]
    end = len(text) - _common(text[start:][::-1], after[::-1])
    start = min(start, _own_start(text, end, content, start))
    return (start, end) if start < end else None


def _common(one: str, other: str) -> int:
    """How many characters two texts begin with in common."""
    if one.startswith(other):
        return len(other)
    low, high = 0, len(other)
    while high - low > 1:
        middle = (low + high) // 2
        if one.startswith(other[:middle]):
            low = middle
        else:
            high = middle
    return low


def _own_start(text: str, end: int, content: str, otherwise: int) -> int:
    """Where the content begins when all of it stands before `end`, white space apart.

    A template that takes a message's think block apart and puts it together again shows it with the same opening tag
    that it gives to a message without one; only the comparison with the content tells whose it is.
    """
    own = content.strip()
    if text.endswith(own, 0, end):
        return end - len(own)
    here = end
    for character in reversed("".join(own.split())):
        while here > 0 and text[here - 1].isspace():
            here -= 1
        if here == 0 or text[here - 1] != character:
            return otherwise
        here -= 1
    return here


def _environment(moment: datetime) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, "jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = moment.strftime
    return environment


class _Generation(Extension):
    """Accepts `{% generation %}…{% endgeneration %}` around what an assistant says; renders what is inside."""

    tags = {"generation"}  # noqa: RUF012 (jinja2 declares it so)

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


def _raise_exception(message: str) -> NoReturn:
    raise TemplateError(message)


def _to_json(
    value: Any, ensure_ascii: bool = False, indent: int | None = None, separators: Any = None, sort_keys: bool = False
) -> str:
    """JSON without the escapes for HTML that jinja2's own filter makes."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
