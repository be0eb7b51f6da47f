"""YAML that people do not write: it is refused with a message, whatever it holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from realm_cli import yamlfile
from realm_cli.errors import FormatError
from realm_cli.task_config import TasksConfig

LAUGHS = "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 100_000, "over 30 deep"),
        ("- " * 100_000, "over 30 deep"),
        ("? " * 100_000, "over 30 deep"),
        ("{a: " * 3_000 + "1" + "}" * 3_000, "over 30 deep"),
        ("".join(f"{' ' * depth}a:\n" for depth in range(600)), "over 30 deep"),
        (f"a: &a [x, x]\n{LAUGHS}tasks: *i\n", "over 20 aliases"),
        ("tasks: &a {work: *a}\n", "what no value can be"),
        ("&a [*a]\n", "what no value can be"),
        (f"free_mb: {'9' * 5_000}\n", "what no value can be"),
        ("window_s: 2020-13-45\n", "what no value can be"),
        ("window_s: .nan\n", "window_s"),
        ("tasks: {work: {cooldown_s: 1e300}}\n", "cooldown_s"),
        ("tasks: {work: {priority: 99999999999999999999}}\n", "priority"),
    ],
)
def test_what_would_take_the_stack_or_the_memory_is_refused(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "tasks.yaml"
    path.write_text(text)
    with pytest.raises(FormatError, match=words) as caught:
        yamlfile.load(path, TasksConfig)
    assert str(path) in caught.value.message


def test_an_anchor_and_its_alias_are_read(tmp_path: Path) -> None:
    path = tmp_path / "tasks.yaml"
    path.write_text("tasks:\n  a: &often {cooldown_s: 5}\n  b: *often\n")
    config = yamlfile.load(path, TasksConfig)
    assert config.tasks["a"] == config.tasks["b"]
    assert config.tasks["b"].cooldown_s == 5
