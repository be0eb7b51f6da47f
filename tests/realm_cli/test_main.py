"""The command line as users and scripts meet it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from helpers import PATIENCE, Run, environment, realm_line, rows, write_rows
from realm_cli.main import root
from realm_cli.realm import Realm
from realm_cli.terminal import Context

HEAVY = {"torch", "transformers", "flask", "paramiko", "numpy", "tokenizers", "ruamel", "rich", "jinja2"}
LOADED = """
import json, sys
from realm_cli.main import main
code = main(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("line", "code", "text"),
    [
        (["status"], 0, ""),
        (["quest", "lsit"], 2, "did you mean 'list'?"),
        (["statsu"], 2, "did you mean 'status'?"),
        (["status", "--no-such-option"], 2, "no-such-option"),
        (["quest", "show", "0123456789ab"], 4, "0123456789ab"),
        (["ledger", "latest"], 4, "has no checkpoint yet"),
        (["init", "/dev/null/realm"], 1, "error: cannot make a realm in /dev/null/realm"),
        (["--realm"], 2, "--realm needs a folder"),
        (["status", "--realm", ""], 2, "--realm needs a folder"),
        (["status", "--realm="], 2, "--realm needs a folder"),
    ],
)
def test_exit_codes(run: Run, line: list[str], code: int, text: str) -> None:
    ran = run(*line)
    assert ran.code == code, ran.err
    assert text in ran.err
    assert "Traceback" not in ran.err


def test_a_refused_and_a_locked_request_have_codes_of_their_own(realm: Realm, run: Run, tmp_path: Path) -> None:
    file = write_rows(tmp_path / "a.jsonl", rows(3))
    assert run("quest", "add", file).code == 0
    assert run("quest", "add", file).code == 3
    holder = ["flock", str(realm.battle_lock), "sh", "-c", "echo held; read line"]
    with subprocess.Popen(holder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        ran = run("battle", "start", "--until-empty")
        process.communicate("\n")
    assert ran.code == 5, ran.err


def test_the_realm_is_named_before_or_after_the_verb_by_environment_or_by_place(realm: Realm, tmp_path: Path) -> None:
    def hero(*line: object, cwd: Path = tmp_path, **more: str) -> object:
        done = subprocess.run(
            realm_line(*line), cwd=cwd, env={**environment(), **more}, capture_output=True, text=True, check=False
        )
        return json.loads(done.stdout)["hero"]["name"] if done.returncode == 0 else done.returncode

    assert hero("--realm", realm.root, "status", "--json") == "dio-mini"
    assert hero("status", "--json", "--realm", realm.root) == "dio-mini"
    assert hero("status", f"--realm={realm.root}", "--json") == "dio-mini"
    assert hero("status", "--json", REALM_HOME=str(realm.root)) == "dio-mini"
    assert hero("status", "--json", cwd=realm.queue / "high") == "dio-mini"
    assert hero("status", "--json") == 4
    assert hero("status", "--json", REALM_HOME=str(tmp_path / "none"), cwd=realm.root) == 4
    assert hero("--realm", realm.root, "status", "--json", REALM_HOME=str(tmp_path / "none")) == "dio-mini"


def test_the_bare_realm_is_its_status(run: Run) -> None:
    assert run().out == run("status").out


def test_help_lists_every_group_even_without_a_realm(run: Run, tmp_path: Path) -> None:
    ran = run("--help", realm=None, cwd=tmp_path)
    assert (ran.code, ran.err) == (0, "")
    assert all(f"  {word} " in ran.out for word in ("battle", "quest", "ledger", "skill", "plugins", "play", "status"))


def test_a_reader_that_leaves_is_no_error(realm: Realm) -> None:
    line = " ".join(realm_line("config", "show", realm=realm))
    script = f"{line} | head -1 >/dev/null; {line} | true"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=environment(), check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_is_valid_where_its_shell_is_installed(run: Run, shell: str, tmp_path: Path) -> None:
    ran = run("completion", shell, realm=None, cwd=tmp_path)
    assert ran.code == 0
    assert "_REALM_COMPLETE" in ran.out
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=ran.out, text=True, check=True)


@pytest.mark.parametrize(
    ("words", "index", "expected"),
    [("realm qu", 1, {"quest"}), ("realm quest f", 2, {"forge"}), ("realm status --j", 2, {"--json"})],
)
def test_completion_offers_verbs_of_core_and_plugins(words: str, index: int, expected: set[str], realm: Realm) -> None:
    more = {"_REALM_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(index)}
    done = subprocess.run(
        realm_line(), env={**environment(), **more}, cwd=realm.root, capture_output=True, text=True, check=False
    )
    assert {line.partition(",")[2] for line in done.stdout.split()} == expected


@pytest.mark.parametrize(
    "line",
    [
        "status", "quest list", "ledger list", "plugins list", "hero list", "hero show dio-mini", "config show",
        "config check", "skill list", "skill show bin",
    ],
)  # fmt: skip
def test_json_is_one_document_and_nothing_else(run: Run, line: str) -> None:
    ran = run(*line.split(), "--json")
    assert (ran.code, ran.err) == (0, "")
    json.loads(ran.out)


@pytest.mark.parametrize("line", ["status", "quest list", "ledger list", "--help", "quest --help"])
def test_looking_loads_nothing_heavy(realm: Realm, line: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, "--realm", str(realm.root), *line.split()],
        env=environment(), capture_output=True, text=True, timeout=PATIENCE, check=True, cwd=os.sep,
    )  # fmt: skip
    code, modules = json.loads(done.stderr)
    assert code == 0
    assert HEAVY & {name.partition(".")[0] for name in modules} == set()
    # What each costs more than a thirtieth of such a line, and none needs.
    assert {"importlib.metadata", "email", "hashlib", "random", "realm_sy.formats"} & set(modules) == set()


def test_output_that_cannot_be_written_is_told_without_a_traceback(realm: Realm) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            realm_line("status", realm=realm), stdout=full, stderr=subprocess.PIPE, text=True, env=environment(),
            check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("error: cannot write the output: No space left on device")
    assert "Traceback" not in done.stderr


def numbers(command: click.Command, words: str) -> Iterator[tuple[str, click.ParamType[Any]]]:
    """Every parameter below a command that takes a number with a fraction."""
    if isinstance(command, click.Group):
        context = click.Context(command, obj=Context())
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from numbers(found, f"{words} {name}")
    for parameter in command.params:
        if isinstance(parameter.type, click.types.FloatParamType):
            yield f"{words} {parameter.name}", parameter.type


def test_no_option_takes_nan_for_a_number() -> None:
    found = dict(numbers(root, "realm"))
    assert len(found) >= 6
    for words, kind in found.items():
        for text in ("nan", "inf", "-inf"):
            with pytest.raises(click.BadParameter):
                pytest.fail(f"{words} took {kind.convert(text, None, None)}")
