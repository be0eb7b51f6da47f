"""YAML that people write: read strictly with the line of every mistake, edited without losing comments or order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin

import msgspec
import yaml

from realm_cli import store
from realm_cli.errors import FormatError, NotFoundError, nearest

if TYPE_CHECKING:
    from ruamel.yaml import YAML

S = TypeVar("S", bound=msgspec.Struct)
DEEPEST = 30
MOST_ALIASES = 20
"""Of what people write by hand, far more than is needed."""
NULL = object()
"""A key's value in `edited` that is written as null."""


class _Loader(yaml.CSafeLoader):
    """PyYAML's safe loader, with `1e-3` a number as in YAML 1.2 and in every other tool."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\d[\d_]*)(?:\.\d*)?[eE][-+]?\d+$"),
    list("-+0123456789"),
)


def read(path: Path) -> tuple[Any, yaml.Node | None]:
    """The data of a YAML file and its node tree (for line numbers). Raises `NotFoundError` or `FormatError`."""
    try:
        text = store.read_bytes(path).decode("utf-8")
    except FileNotFoundError:
        raise NotFoundError(f"{path} does not exist", "`realm init` makes the files of a realm") from None
    except UnicodeDecodeError as error:
        raise FormatError(str(path), f"not UTF-8 (byte {error.start})", "save the file as UTF-8") from None
    loader = _Loader(text)
    try:
        _refuse_traps(text, path)
        node = loader.get_single_node()
        if node is not None:
            _refuse_twins(node, path)
        data = loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise FormatError(f"{path}:{line}", f"not valid YAML ({error.problem})") from None
    except yaml.YAMLError as error:
        raise FormatError(str(path), f"not valid YAML ({error})") from None
    except (ValueError, RecursionError) as error:
        raise FormatError(str(path), f"it holds what no value can be ({error})") from None
    finally:
        loader.dispose()
    return data, node


def _refuse_traps(text: str, path: Path) -> None:
    """Refuse what would take the reader's stack or memory: values within values without end, and copies of copies.

    The events that this takes cost as much as reading the file, so only files that have the marks for it are looked at.
    """
    if len(text) < 100_000 and text.count("- -") + sum(map(text.count, "[{?*")) < DEEPEST:
        return
    depth = aliases = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
        if depth > DEEPEST or aliases > MOST_ALIASES:
            problem = (
                f"values stand over {DEEPEST} deep in each other" if depth > DEEPEST else f"over {MOST_ALIASES} aliases"
            )
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise FormatError(f"{path}:{line}", problem, "write the values out, in fewer levels")


def _refuse_twins(node: yaml.Node, path: Path) -> None:
    """A key given twice would silently win over the first."""
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in seen:
                raise FormatError(
                    f"{path}:{line}", f"key '{name}' was already given in line {seen[name]}", "keep one of them"
                )
            seen[name] = line
            _refuse_twins(value, path)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_twins(item, path)


def line_of(node: yaml.Node | None, keys: list[str]) -> int:
    """The 1-based line of the key path `keys`, or of the deepest part of it that exists."""
    line = 1
    for key in keys:
        found = None
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if str(k.value) == key), None)
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line


def load(path: Path, schema: type[S]) -> S:
    """The file as the strict `schema`. Unknown keys and wrong types raise `FormatError` with file, line and key."""
    data, node = read(path)
    return check(data if data is not None else {}, schema, path, node)


def check(data: Any, schema: type[S], path: Path, node: yaml.Node | None = None, within: Sequence[str] = ()) -> S:
    """`data` as `schema`, or a `FormatError` that names file, line and key; `within` is the key path of `data`."""
    try:
        return msgspec.convert(data, schema)
    except msgspec.ValidationError as error:
        raise _in_entry(data, schema, path, node, within) or _explain(
            str(error), schema, path, node, list(within)
        ) from None


def _in_entry(
    data: Any, schema: type[msgspec.Struct], path: Path, node: yaml.Node | None, within: Sequence[str]
) -> FormatError | None:
    """The mistake, when it is in a named entry of a mapping: msgspec does not tell the entry's name."""
    for field in msgspec.structs.fields(schema) if isinstance(data, dict) else ():
        value, keys = data.get(field.name), [*within, field.name]
        section, entries = struct_in(field.type), entries_of(field.type)
        inside = [(value, section, keys)] if section is not None and value is not None else []
        if entries is not None and isinstance(value, dict):
            inside = [(entry, entries, [*keys, str(name)]) for name, entry in value.items()]
        for part, kind, where in inside:
            try:
                msgspec.convert(part, kind)
            except msgspec.ValidationError as error:
                named = _in_entry(part, kind, path, node, where)
                return named or (_explain(str(error), kind, path, node, where) if entries is not None else None)
    return None


def entries_of(annotation: Any) -> type[msgspec.Struct] | None:
    """The struct of a mapping's values, where a type is or may be such a mapping."""
    if get_origin(annotation) is dict:
        kind = get_args(annotation)[1]
        return kind if isinstance(kind, type) and issubclass(kind, msgspec.Struct) else None
    return next((kind for one in getattr(annotation, "__args__", ()) if (kind := entries_of(one)) is not None), None)


def check_each(
    data: dict[str, Any], key: str, schema: type[S], path: Path, node: yaml.Node | None = None
) -> dict[str, S]:
    """The named entries under `key`, each as `schema`: so that a mistake is told with the name of its entry."""
    entries = data.get(key)
    if not isinstance(entries, dict):
        return {}
    return {name: check(entry, schema, path, node, [key, str(name)]) for name, entry in entries.items()}


_UNKNOWN = re.compile(r"Object contains unknown field `(.+?)`")
_MISSING = re.compile(r"Object missing required field `(.+?)`")


def _explain(
    message: str, schema: type[msgspec.Struct], path: Path, node: yaml.Node | None, within: list[str]
) -> FormatError:
    """msgspec's message turned into one with line, key and the nearest valid key."""
    problem, _, place = message.partition(" - at `")
    place = place.removeprefix("key` in `")
    keys = [key for key in place.rstrip("`").removeprefix("$").split(".") if key and key != "[...]"]
    there = [*within, *keys]
    unknown = _UNKNOWN.match(problem)
    if unknown:
        where = [*there, unknown[1]]
        known = _fields_at(schema, keys)
        return FormatError(
            f"{path}:{line_of(node, where)}", f"unknown key '{'.'.join(where)}'", nearest(unknown[1], known)
        )
    missing = _MISSING.match(problem)
    if missing:
        return FormatError(
            f"{path}:{line_of(node, there)}", f"key '{'.'.join([*there, missing[1]])}' is missing", "add it"
        )
    key = ".".join(there) or "the file"
    return FormatError(f"{path}:{line_of(node, there)}", f"{key}: {problem[:1].lower()}{problem[1:]}")


def _fields_at(schema: type[msgspec.Struct], keys: list[str]) -> list[str]:
    """Valid field names of the object at the key path `keys`."""
    kind: Any = schema
    for key in keys:
        fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
        kind = struct_in(fields.get(key))
        if kind is None:
            return []
    return [field.name for field in msgspec.structs.fields(kind)]


def struct_in(annotation: Any) -> type[msgspec.Struct] | None:
    """The struct that a field's type is or may be (`X | None`, `Annotated[X, …]`); the values of a mapping are none."""
    if get_origin(annotation) is dict:
        return None
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = struct_in(argument)
        if found is not None:
            return found
    return None


def _editor() -> YAML:
    from ruamel.yaml import YAML

    editor = YAML(typ="rt")
    editor.preserve_quotes = True
    editor.width = 4096
    # An empty value would be the same to YAML, but not to a person.
    editor.representer.add_representer(
        type(None), lambda made, _: made.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return editor


def edited(path: Path, keys: list[str], value: Any) -> bytes:
    """The file's text with the key path set to `value`; comments, order and quotes stay. None removes the key, `NULL` writes null."""
    return edited_all(path, [(keys, value)])


def edited_all(path: Path, changes: Iterable[tuple[list[str], Any]]) -> bytes:
    """`edited` with several key paths at once."""
    from io import BytesIO

    editor = _editor()
    document = editor.load(path.read_text(encoding="utf-8"))
    if document is None:
        document = editor.map()
    for keys, value in changes:
        _change(editor, document, keys, value)
    buffer = BytesIO()
    editor.dump(document, buffer)
    return buffer.getvalue()


def _change(editor: YAML, document: Any, keys: list[str], value: Any) -> None:
    target = document
    for key in keys[:-1]:
        if not isinstance(target.get(key), dict):
            target[key] = editor.map()
        if target is not document and not target[key]:
            target[key].fa.set_flow_style()  # on one line: a block would tear the key from the comment behind it
        target = target[key]
    if value is None:
        target.pop(keys[-1], None)
    else:
        target[keys[-1]] = None if value is NULL else value
