"""`make setup` and the search for system programs, tried on a stand-in project whose packages are a few bytes long."""

import os
import shutil
import signal
import subprocess
import zipfile
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"
UP_TO_DATE = "setup: .venv is up to date\n"

PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "backend"
backend-path = ["."]
[project]
name = "realm-hero"
version = "1"
"""
# The least that pip asks of a build backend: the wheel of an editable install.
BACKEND = """
import zipfile
def build_editable(folder, config_settings=None, metadata_directory=None):
    with zipfile.ZipFile(f"{folder}/realm_hero-1-py3-none-any.whl", "w") as wheel:
        info = "realm_hero-1.dist-info/"
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: realm-hero\\nVersion: 1\\nProvides-Extra: dev\\n"
                       "Requires-Dist: torch; extra == 'dev'\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "entry_points.txt", "[console_scripts]\\nrealm = torch:entry\\n")
        wheel.writestr(info + "RECORD", "")
    return "realm_hero-1-py3-none-any.whl"
"""


def make_wheel(folder: Path, name: str, version: str) -> None:
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        info = f"{name}-{version}.dist-info"
        source = f"version = {version!r}\ndef entry(): print(version)\n"
        wheel.writestr(f"{name}.py", source)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", f"{name}.py,,{len(source)}\n")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stand-in project; its set-up was killed twice, so that the first test begins with what that leaves behind."""
    folder = tmp_path_factory.mktemp("project")
    for name, version in (("torch", "2.13.0+cpu"), ("torch", "2.13.0"), ("torch", "2.14.0"), ("hatchling", "1")):
        make_wheel(folder, name, version)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "backend.py").write_text(BACKEND)
    (folder / "constraints.txt").write_text("hatchling==1\ntorch==2.13.0\n")
    (folder / "realm_cli").mkdir()
    (folder / "realm_cli" / "__init__.py").write_text("")
    shutil.copytree(SCRIPTS, folder / "scripts")
    for line in ("setup: making", "setup: installing Realm"):
        kill_when_it_says(line, folder)
    return folder


def start(project: Path) -> subprocess.Popen[str]:
    own = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(project)}
    return subprocess.Popen(
        [project / "scripts" / "setup.sh"],
        env=os.environ | own,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def kill_when_it_says(line: str, project: Path) -> None:
    with start(project) as process:
        assert process.stdout
        assert any(said.startswith(line) for said in process.stdout)
        os.killpg(process.pid, signal.SIGKILL)


def set_up(project: Path) -> str:
    with start(project) as process:
        said, _ = process.communicate()
    assert process.returncode == 0, said
    return said


def realm_says(project: Path) -> str:
    return subprocess.run([project / ".venv" / "bin" / "realm"], capture_output=True, text=True, check=True).stdout


def test_a_set_up_after_killed_ones_is_complete_and_leaves_nothing_to_do(project: Path) -> None:
    assert set_up(project).endswith("setup: done: .venv/bin/realm is ready\n")
    assert realm_says(project) == "2.13.0+cpu\n"  # the plain version in the constraints takes the local build
    assert set_up(project) == UP_TO_DATE


def test_a_package_that_lost_a_file_or_its_record_is_installed_again(project: Path) -> None:
    set_up(project)
    site = next(project.glob(".venv/lib/python3*/site-packages"))
    (site / "torch.py").write_text("")
    (site / "hatchling-1.dist-info" / "RECORD").unlink()
    (project / ".venv" / "realm-setup.stamp").unlink()

    said = set_up(project)

    assert "setup: torch is damaged and will be installed again\n" in said
    assert "setup: hatchling is damaged and will be installed again\n" in said
    assert realm_says(project) == "2.13.0+cpu\n"


def test_two_set_ups_at_once_do_the_work_once(project: Path) -> None:
    set_up(project)
    with (project / "constraints.txt").open("a") as file:
        file.write("# changed\n")

    with start(project) as one, start(project) as other:
        said = [one.communicate()[0], other.communicate()[0]]

    assert (one.returncode, other.returncode) == (0, 0)
    assert sorted(text.count("setup: installing Realm") for text in said) == [0, 1]
    assert set_up(project) == UP_TO_DATE


def test_an_environment_that_was_moved_is_made_again(project: Path) -> None:
    set_up(project)
    moved = project.with_name("moved")
    shutil.copytree(project, moved, symlinks=True)

    assert "setup: making .venv" in set_up(moved)
    assert realm_says(moved) == "2.13.0+cpu\n"
    assert set_up(project) == UP_TO_DATE


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """A PATH with the shell's own tools, without Chromium, rsync and apt-get."""
    for tool in ("dirname", "id", "sh", "tr"):
        (tmp_path / tool).symlink_to(str(shutil.which(tool)))
    return str(tmp_path)


@pytest.mark.parametrize(("ci", "code"), [("", 0), ("true", 1)])
def test_a_missing_system_program_is_named_and_fails_only_in_ci(bare_path: str, ci: str, code: int) -> None:
    outcome = subprocess.run([SCRIPTS / "system.sh"], env={"PATH": bare_path, "CI": ci}, capture_output=True, text=True)

    assert outcome.returncode == code
    assert outcome.stdout == ""
    missing = "chromium build-essential mount util-linux openssl rsync slurm-client"
    assert outcome.stderr.startswith(f"system: missing: {missing}")
    assert f"sudo apt-get install {missing}" in outcome.stderr
