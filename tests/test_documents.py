"""The documents say what is true: their commands exist and run, their tables and messages are those of the code."""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import io
import json
import pkgutil
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from rich.console import Console

import documents
import realm_arena_models
import realm_cli
from documents import NAMES, ROOT, Shell, code, table
from helpers import environment
from realm_cli import errors, hookspecs, status
from realm_cli.main import root, take_realm_option
from realm_cli.manager import Manager
from realm_cli.process import this_process
from realm_cli.realm import Realm
from realm_cli.records import EvalView, Record, SampleView, TrainingStatus, now
from realm_cli.terminal import Context
from realm_guild.playscene import Watcher
from realm_guild.playview import picture

SOURCES = [file for folder in ("realm_cli", "plugins") for file in (ROOT / folder).rglob("*.py")]
CHATS = '{"messages": [{"role": "user", "content": "say %d"}, {"role": "assistant", "content": "it is %d"}]}\n'


# -- what there is -------------------------------------------------------------------------------------------------


def test_there_are_seven_documents_and_the_license() -> None:
    assert sorted(path.name for path in ROOT.glob("*.md")) == sorted(NAMES)
    assert (ROOT / "LICENSE").is_file()
    assert [path for folder in ("realm_cli", "plugins", "tests") for path in (ROOT / folder).rglob("*.md")] == []


def test_links_between_documents_lead_somewhere() -> None:
    for name in NAMES:
        targets = re.findall(r"\]\(([^)#]+)[^)]*\)", documents.text(name))
        assert [target for target in targets if not (ROOT / target).exists()] == [], name


def test_every_make_target_in_the_documents_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {word for name in NAMES for word in re.findall(r"`make ([a-z]+)`", documents.text(name))}
    assert {"play", "setup", "test"} <= named <= targets


def test_no_file_names_a_package_index_or_a_folder_of_one_machine() -> None:
    hosts = [
        r"pypi\.[o]rg",
        r"pythonhosted\.[o]rg",
        r"download\.pytorch\.[o]rg",
        r"anaconda\.[o]rg",
        r"/[w]ork/",
        r"/tmp/[w]\b",
    ]
    pattern = re.compile("|".join(hosts))
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.splitlines()
    files = [ROOT / name for name in listed] or [*SOURCES, *(ROOT / "tests").rglob("*.py"), *map(ROOT.joinpath, NAMES)]
    found = {
        f"{file.relative_to(ROOT)}:{number}": line
        for file in files
        if file.is_file()
        for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), start=1)
        if pattern.search(line)
    }
    assert found == {}


# -- commands ------------------------------------------------------------------------------------------------------


def parse(words: list[str]) -> None:
    """Go down the command tree and parse the options, without calling anything. Raises `click.UsageError`.

    A group or command alone is a mention, which needs no arguments.
    """
    _, rest = take_realm_option(words)
    command: click.Command = root
    context = click.Context(root, info_name="realm", obj=Context())
    while rest and isinstance(command, click.Group):
        if rest[0].startswith("-") and rest[0] not in command.list_commands(context):
            break
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command, context = found, click.Context(found, parent=context, info_name=name)
    if rest:
        with contextlib.suppress(click.exceptions.Exit):  # --help, --version
            command.parse_args(context, list(rest))


@pytest.mark.parametrize("name", NAMES)
def test_every_realm_command_in_a_document_exists(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # no realm here: all installed plugins count
    for words in documents.realm_lines(name):
        try:
            parse(words)
        except (click.UsageError, errors.RealmError) as error:
            pytest.fail(f"{name}: realm {' '.join(words)}: {error}")


def test_a_command_that_does_not_exist_is_noticed() -> None:
    for line in ("quest ad x", "quest add --agin x", "quest move x highest", "skill sample bin"):
        with pytest.raises(click.UsageError):
            parse(line.split())


@pytest.fixture
def walked(tmp_path: Path) -> Shell:
    """An empty home in which README's blocks, then QUICKSTART's, were run as written; in the end it stands in QUICKSTART's realm."""
    home = tmp_path / "you"
    shell = Shell(home)
    realm_arena_models.llama(home / "my-model")
    (home / "chats.jsonl").write_text("".join(CHATS % (number, number) for number in range(40)))
    for name in ("README.md", "QUICKSTART.md"):
        shell.folder = home / "checkout"
        walk(shell, name)
    return shell


def walk(shell: Shell, name: str) -> None:
    """Run the `sh` blocks of a document; a `text` block behind one must have its output's shape."""
    blocks = documents.blocks(name)
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        if block.language != "sh":
            continue
        exit_code, output = shell.run(block.text)
        assert exit_code == block.exit_code, f"{name}:\n{block.text}\n{output}"
        if name == "QUICKSTART.md" and following is not None and following.language == "text":
            assert documents.same_shape(following.text, output), f"{name} shows\n{following.text}\nbut it is\n{output}"


def test_the_commands_of_the_documents_run_as_written_and_leave_what_these_say(walked: Shell) -> None:
    mine = Realm(walked.home / "my-realm")
    assert mine.config.hero == "mine"
    assert len(list(mine.hero_folder().glob("checkpoint-*"))) == 1
    assert Realm(walked.home / "quick").hero_ids() == ["dio", "dio-mini"]
    # In one test, as processes that share the tests would each walk.
    _the_checkpoint_is_checked_and_loaded_as_remote_inference_says(walked)
    _the_json_keys_are_in_the_real_outputs(walked)


def test_the_picture_in_readme_is_that_of_play(realm: Realm) -> None:
    (shown,) = [block.text for block in documents.blocks("README.md") if "── dio-mini" in block.text]
    sample = SampleView("Compute: add(①, ①)", "add(①, ①) = ①⓪", "add(①, ①) = ①⓪")
    view = EvalView(skill="bin", level=4, step=8500, correct=36, size=50, closed=True, right=sample, wrong=sample)
    status.write(
        realm,
        TrainingStatus(
            state="training", hero="dio-mini", quest="0" * 12, quest_name="train_bin_level4_no69.jsonl", step=8596,
            loss=0.12, smoothed_loss=0.1172, val_loss=0.1263, samples_done=1500, samples_total=2000, eta_s=1.0,
            tokens_per_s=8610.0, last_eval=view, process=this_process(), heartbeat=now(),
        ),
    )  # fmt: skip
    watcher = Watcher(realm, Manager.of(realm), lambda seen: True)
    watcher.look()
    terminal = Console(width=80, height=24, color_system=None, force_terminal=True, file=io.StringIO())
    terminal.print(picture(watcher.scene, 80, 24))
    real = terminal.file.getvalue()  # type: ignore[attr-defined]
    labels = [line.split()[0] for line in shown.splitlines() if line.strip() and line.split()[0].isalpha()]
    assert {"level", "ATK", "quest", "loss", "speed", "eval"} <= set(labels)
    assert [label for label in labels if f"{label} " not in real and label not in ("not",)] == []
    keys = next(line for line in shown.splitlines() if "p pause" in line)
    assert keys.strip("─ ") in real


def test_a_changed_shape_is_noticed() -> None:
    assert documents.same_shape("step 12  loss 0.5\n…\nend 1s\n", "step 3 loss 12.25e-3\nmore\nmore\nend 2m 03s\n")
    assert not documents.same_shape("step 12  loss 0.5\n", "step 12  los 0.5\n")
    assert not documents.same_shape("one\n", "one\ntwo\n")


def _the_checkpoint_is_checked_and_loaded_as_remote_inference_says(walked: Shell) -> None:
    check, load = [block.text for block in documents.blocks("REMOTE_INFERENCE.md") if block.language == "python"]
    (checkpoint,) = Realm(walked.home / "my-realm").hero_folder().glob("checkpoint-*")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / checkpoint.name
        shutil.copytree(checkpoint, copy)
        assert _python(check, copy) == (0, "")
        code_, said = _python(load, copy)
        assert (code_, said[-1:]) == (0, "\n"), (
            said
        )  # what it replies after one quest is gibberish, line breaks included
        (copy / "config.json").write_bytes((copy / "config.json").read_bytes() + b" ")
        assert _python(check, copy) == (1, "not as in the manifest: config.json\n")
    shown = {name for row in table("REMOTE_INFERENCE.md", "## What is in it") for name in code(row[0])}
    assert {path.name for path in checkpoint.iterdir()} <= shown | {"special_tokens_map.json"}


def _python(program: str, folder: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", program, folder], capture_output=True, text=True, env=environment(), check=False
    )
    return done.returncode, done.stdout or done.stderr


# -- the tables of ARCHITECTURE ------------------------------------------------------------------------------------


def test_the_hook_table_is_that_of_the_specifications() -> None:
    real = [
        f"{name}{inspect.signature(function)}".replace("'", "")
        for name, function in vars(hookspecs).items()
        if name.startswith("realm_")
    ]
    assert [code(row[0])[0] for row in table("ARCHITECTURE.md", "## Hooks")] == real


def test_the_event_table_names_every_event() -> None:
    shown = [name for row in table("ARCHITECTURE.md", "### Events") for name in code(row[0])]
    assert sorted(shown) == sorted(set(_emitted()) | {"quest_failed", "quest_skipped"})


def _emitted() -> Iterator[str]:
    """Names in calls of `emit`, as far as they are written out."""
    calls = [node for file in SOURCES for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
    for call in calls:
        if ast.unparse(call.func).rpartition(".")[2] in (
            "emit",
            "emit_event",
            "emit_once",
            "partial",
            "tell",
            "tell_once",
        ):
            for argument in call.args[:4]:
                choices = [argument.body, argument.orelse] if isinstance(argument, ast.IfExp) else [argument]
                yield from (text for choice in choices if isinstance(choice, ast.Constant) for text in _texts(choice))


def test_the_table_of_record_kinds_is_that_of_the_record_classes() -> None:
    shown = [code(row[0])[0] for row in table("ARCHITECTURE.md", "### Record kinds")]
    offered = Manager.load().parts("realm_records")
    for module in pkgutil.walk_packages(realm_cli.__path__, "realm_cli."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    classes = _subclasses(Record)  # a base of several records has no kind of its own
    core = {one.kind for one in classes if one.__module__.startswith("realm_cli.") and hasattr(one, "kind")}

    assert sorted(shown) == sorted(core | set(offered))
    assert {name: part.load().kind for name, part in offered.items()} == {name: name for name in offered}


def _subclasses(record: type[Record]) -> Iterator[type[Record]]:
    for below in record.__subclasses__():
        yield below
        yield from _subclasses(below)


def test_the_exit_codes_are_those_of_the_errors() -> None:
    shown = {code(row[1])[0]: int(row[0]) for row in table("ARCHITECTURE.md", "### Exit codes")}
    assert shown == {name: value for name, value in vars(errors).items() if name.startswith("EXIT_")}


def _the_json_keys_are_in_the_real_outputs(walked: Shell) -> None:
    line = json.dumps({"prompt": "Compute: add(①, ①)", "answer": "add(①, ①) = ①⓪", "reply": "①⓪"}) + "\n"
    rows = table("ARCHITECTURE.md", "### JSON keys")
    assert len(rows) > 5
    for command, shape in rows:
        typed = code(command)[0].replace("FILE", "chats.jsonl --again").replace("STEP", "3")
        exit_code, output = walked.run(f"{typed} 2>/dev/null", input=line)
        assert (exit_code, output[:1] in ("{", "[")) == (0, True), f"{typed}: {output}"
        assert documents.missing_keys(documents.parse_shape(code(shape)[0]), json.loads(output)) == [], typed


def test_the_folders_of_a_realm_are_in_the_tree() -> None:
    (tree,) = [block.text for block in documents.blocks("ARCHITECTURE.md") if block.text.startswith("configs/")]
    realm = Realm(Path("/"))
    for folder in realm.folders():
        first, _, last = folder.relative_to(realm.root).as_posix().partition("/")
        assert re.search(rf"^{first}/.*\b{re.escape(last.removeprefix('.'))}\b", tree, re.MULTILINE), folder


def test_the_modules_and_plugins_in_the_layers_exist() -> None:
    core = [name for row in table("ARCHITECTURE.md", "## Layers") for name in code(row[1])]
    assert [name for name in core if not list((ROOT / "realm_cli").glob(f"{name}*"))] == []
    plugins = {path.name for path in (ROOT / "plugins").iterdir() if (path / "hooks.py").is_file()}
    assert plugins <= {span for span in documents.inline_code("ARCHITECTURE.md") if span.startswith("realm_")}


# -- messages ------------------------------------------------------------------------------------------------------


def test_the_messages_of_troubleshooting_are_those_of_the_program() -> None:
    texts = [file.read_text() for file in (ROOT / "scripts").iterdir()]
    for file in SOURCES:
        texts += _texts(ast.parse(file.read_text()))
    lines = documents.text("TROUBLESHOOTING.md").splitlines()
    shown = [span for line in lines if line.startswith("| ") for span in code(line.split("|")[1])]
    pieces = [(span, piece.strip()) for span in shown for piece in span.split("…") if len(piece.strip()) > 1]

    assert len(shown) > 40
    assert [span for span, piece in pieces if not any(piece in text for text in texts)] == []


def _texts(tree: ast.AST) -> Iterator[str]:
    """Every text in a program; of an f-string the parts between its values."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
