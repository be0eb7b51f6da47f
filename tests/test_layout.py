"""The tree's own rules: packaging and folders agree, files stay small, light modules stay light."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SOURCES = [file for folder in ("realm_cli", "plugins", "tests", "benchmarks") for file in (ROOT / folder).rglob("*.py")]
TEMPLATE = ROOT / "realm_cli" / "template"

IMPORT_EVERYTHING_LIGHT = """
import pkgutil, sys
from importlib import import_module
import realm_cli
from realm_cli.main import CORE_COMMANDS
from realm_cli.manager import Manager

OF_SERVICES = {"realm_cli." + name for name in ("web", "webbody", "webserver", "pages", "listquery")}
for module in pkgutil.walk_packages(realm_cli.__path__, "realm_cli."):
    if not module.name.endswith("__main__") and module.name not in OF_SERVICES:
        import_module(module.name)
for part in [*CORE_COMMANDS, *Manager.load().parts("realm_commands").values()]:
    part.load()
print(*sorted({"torch", "transformers", "flask", "paramiko", "reasoning_gym"} & set(sys.modules)))
"""


def test_each_plugin_folder_is_a_package_an_entry_point_and_installed() -> None:
    folders = {path.name.removeprefix("realm_") for path in (ROOT / "plugins").iterdir() if path.is_dir()}
    declared = PROJECT["project"]["entry-points"]["realm"]
    installed = {entry.name: entry.value for entry in entry_points(group="realm")}
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]

    assert declared == {name: f"realm_{name}.hooks" for name in folders}
    assert declared == {name: installed.get(name) for name in declared}, "run: make setup"
    assert set(packages) == {"realm_cli", *(f"plugins/realm_{name}" for name in folders)}
    assert all((ROOT / "plugins" / f"realm_{name}" / "__init__.py").is_file() for name in folders)


def test_the_import_linter_watches_every_plugin() -> None:
    plugins = {path.name for path in (ROOT / "plugins").iterdir() if path.is_dir()}
    linter = PROJECT["tool"]["importlinter"]
    _, independence, main, core = linter["contracts"]

    assert set(linter["root_packages"]) == {"realm_cli", *plugins}
    assert set(independence["modules"]) == set(main["source_modules"]) == set(core["forbidden_modules"]) == plugins


@pytest.mark.parametrize("file", [path for path in TEMPLATE.rglob("*") if path.is_file()], ids=lambda path: path.name)
def test_a_file_of_the_template_equals_the_one_of_the_repository_s_own_realm(file: Path) -> None:
    # Compared with git's copy: the realm in the working tree may have been configured by its user.
    name = file.relative_to(TEMPLATE).as_posix()
    git = subprocess.run(["git", "show", f":{name}"], cwd=ROOT, capture_output=True)
    if git.returncode and not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")

    assert git.returncode == 0, f"{name} is in realm_cli/template but not in git: {git.stderr.decode()}"
    assert git.stdout == file.read_bytes()


def test_no_python_file_lies_in_the_queue() -> None:
    assert list((ROOT / "queue").rglob("*.py")) == []  # it would shadow the standard library's queue


def test_every_line_of_gitignore_is_anchored() -> None:
    lines = (ROOT / ".gitignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]

    assert [pattern for pattern in patterns if not pattern.lstrip("!").startswith("/")] == []


def test_no_pinned_version_has_a_local_label_a_hash_or_an_address() -> None:
    pins = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]

    assert [pin for pin in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*", pin)] == []


def test_no_source_file_is_longer_than_400_lines() -> None:
    lengths = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in SOURCES}

    assert {name: length for name, length in lengths.items() if length > 400} == {}


def test_no_function_is_longer_than_60_lines() -> None:
    long = [
        f"{file.relative_to(ROOT)}:{node.lineno} {node.name}"
        for file in SOURCES
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.end_lineno or 0) - node.lineno >= 60
    ]

    assert long == []


def test_the_core_the_hooks_and_the_commands_import_nothing_heavy() -> None:
    process = subprocess.run([sys.executable, "-c", IMPORT_EVERYTHING_LIGHT], capture_output=True, text=True)

    assert (process.returncode, process.stderr) == (0, "")  # a plugin that cannot be loaded would warn here
    assert process.stdout.split() == []
