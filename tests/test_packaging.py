"""The wheel: everything a user needs is in it, seen from an environment that does not know this checkout."""

import json
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def output_of(*command: object, cwd: Path) -> str:
    process = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True)
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh virtual environment with the wheel installed; of this one it sees the dependencies only."""
    folder = tmp_path_factory.mktemp("wheel")
    output_of(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    output_of(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    wheel = next(folder.glob("*.whl"))
    output_of(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    show_dependencies(folder / "dependencies", next((folder / "venv").glob("lib/python3*/site-packages")))
    return folder / "venv"


def show_dependencies(links: Path, site: Path) -> None:
    """Link what is installed here, without the project itself, into a folder that `site` names in a .pth file."""
    links.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith(("realm_hero-", "_realm_hero")):
            (links / entry.name).symlink_to(entry)
    (site / "dependencies.pth").write_text(f"{links}\n")


def test_an_installed_wheel_gives_every_built_in_plugin(environment: Path, tmp_path: Path) -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["realm"]

    plugins = json.loads(output_of(environment / "bin" / "realm", "plugins", "list", "--json", cwd=tmp_path))

    assert {plugin["name"]: plugin["error"] for plugin in plugins} == dict.fromkeys(declared)
    assert all(plugin["enabled"] for plugin in plugins)


def test_python_dash_m_realm_cli_is_the_same_program(environment: Path, tmp_path: Path) -> None:
    by_name = output_of(environment / "bin" / "realm", "--version", cwd=tmp_path)

    assert output_of(environment / "bin" / "python", "-m", "realm_cli", "--version", cwd=tmp_path) == by_name


def test_an_installed_wheel_holds_the_template_of_a_realm(environment: Path, tmp_path: Path) -> None:
    where = "import realm_cli; print(realm_cli.__path__[0])"
    installed = Path(output_of(environment / "bin" / "python", "-c", where, cwd=tmp_path).strip())
    template = ROOT / "realm_cli" / "template"
    names = [path.relative_to(template) for path in template.rglob("*") if path.is_file()]

    assert installed.is_relative_to(environment)
    assert names
    assert all((installed / "template" / name).read_bytes() == (template / name).read_bytes() for name in names)


def test_an_installed_wheel_holds_the_lexicon_of_sy_and_its_licences(environment: Path, tmp_path: Path) -> None:
    where = "import realm_sy; print(realm_sy.__path__[0])"
    installed = Path(output_of(environment / "bin" / "python", "-c", where, cwd=tmp_path).strip())
    data = ROOT / "plugins" / "realm_sy" / "data"

    assert installed.is_relative_to(environment)
    for name in ("lexicon.json", "LICENSES.txt"):
        assert (installed / "data" / name).read_bytes() == (data / name).read_bytes()
    told = next(installed.parent.glob("realm_hero-*.dist-info"))
    assert "License-Expression: MIT AND CC-BY-SA-4.0" in (told / "METADATA").read_text("utf-8")
    assert [path.name for path in (told / "licenses").rglob("*") if path.is_file()] == ["LICENSE", "LICENSES.txt"]
