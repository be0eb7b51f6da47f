"""What reaches beyond the realm: the crontab and systemd's units."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from helpers import Run
from realm_cli.errors import RealmError
from realm_cli.realm import Realm
from realm_weaver import crontab, units

THEIRS = b"# my own\n\n5 4 * * *   tar \xff -czf /x\\%y.tgz ~\nMAILTO=me\n"


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a crontab program that stands before the real one."""
    programs, file = tmp_path / "programs", tmp_path / "crontab.txt"
    programs.mkdir()
    fake = programs / "crontab"
    fake.write_text(
        f"""#!/bin/sh
case "$1" in
-l) [ -f {file} ] && exec cat {file}; echo "no crontab for me" >&2; exit 1 ;;
-) exec cat > {file} ;;
esac
exit 2
"""
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return file


def test_lines_of_others_stay_byte_for_byte(realm: Realm, run: Run, table: Path) -> None:
    table.write_bytes(THEIRS)
    refused = run("cron", "install")
    assert refused.code == 3
    assert "weaver mend -q" in refused.out  # it shows what it would do
    assert table.read_bytes() == THEIRS

    assert run("cron", "install", "--yes").code == 0
    installed = table.read_bytes()
    assert installed.startswith(THEIRS)
    ours = installed.removeprefix(THEIRS).decode().splitlines()
    assert ours[0] == f"# realm {realm.root}: begin (realm cron install)"
    assert ours[-1] == f"# realm {realm.root}: end"
    assert [line.split(" ", 1)[0] for line in ours[1:-1]] == ["@reboot", "*/5"]
    assert run("cron", "show", "--json").json == {"state": "installed", "lines": ours, "installed": ours}

    table.write_bytes(installed + b"@daily true\n")
    again = run("cron", "install", "--yes")
    assert (again.code, again.err) == (0, "these lines are installed already\n")
    table.write_bytes(table.read_bytes().replace(b"*/5 ", b"*/7 "))
    assert run("cron", "show").err == "other lines are installed; realm cron install\n"
    run("cron", "install", "--yes", "-q")
    assert table.read_bytes() == installed + b"@daily true\n"
    assert run("cron", "remove", "--yes").code == 0
    assert table.read_bytes() == THEIRS + b"@daily true\n"
    assert run("cron", "remove").err == "no line of this realm stands in the crontab\n"


def test_two_realms_have_lines_of_their_own(realm: Realm, run: Run, table: Path, tmp_path: Path) -> None:
    other = tmp_path / "other 100 %"
    assert run("init", other, realm=None).code == 0
    assert run("cron", "install", "--yes").code == 0
    first = table.read_bytes()
    assert run("cron", "install", "--yes", realm=other).code == 0
    assert b"other 100 \\%' weaver mend -q\n" in table.read_bytes()
    assert run("cron", "remove", "--yes", realm=other).code == 0
    assert table.read_bytes() == first


def test_lines_with_the_ends_of_another_system_are_found_and_others_keep_theirs(
    realm: Realm, run: Run, table: Path
) -> None:
    theirs = b"0 1 * * * true\r\n# the last one has no end"
    table.write_bytes(theirs)
    assert run("cron", "install", "--yes").code == 0
    assert table.read_bytes().startswith(theirs + b"\n# realm ")
    table.write_bytes(table.read_bytes().replace(b"\n", b"\r\n").replace(b"\r\r\n", b"\r\n").rstrip())
    assert run("cron", "show", "--json").json["state"] == "other lines are installed"
    assert run("cron", "install", "--yes").code == 0
    assert table.read_bytes().count(b"weaver mend") == 2
    assert run("cron", "remove", "--yes").code == 0
    assert table.read_bytes() == theirs + b"\r\n"


def test_marks_that_were_edited_are_refused(realm: Realm, run: Run, table: Path) -> None:
    run("cron", "install", "--yes")
    damaged = table.read_bytes().rpartition(b"# realm")[0]
    table.write_bytes(damaged)
    for words in (["show"], ["install", "--yes"], ["remove", "--yes"]):
        done = run("cron", *words)
        assert done.code == 1
        assert "the marks of this realm in the crontab do not belong together" in done.err
    assert table.read_bytes() == damaged


def test_without_a_crontab_program_the_other_way_is_named(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = run("cron", "show")
    assert done.code == 1
    assert done.err == "error: there is no program crontab\nhint: install cron, or use systemd: realm weaver systemd\n"


def test_a_crontab_program_that_hangs_is_not_waited_for(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (table.parent / "programs" / "crontab").write_text("#!/bin/sh\nexec sleep 600\n")
    monkeypatch.setattr(crontab, "SECONDS", 0.2)
    with pytest.raises(RealmError, match="crontab does not answer within 0.2 s"):
        crontab.read()


def test_the_unit_is_printed_and_systemd_takes_it(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / 'a realm "of" 100 % $HOME'
    assert run("init", folder, realm=None).code == 0
    shown = run("weaver", "systemd", realm=folder)
    assert shown.code == 0
    realm = Realm(folder)
    assert shown.out == units.unit(realm)
    assert "loginctl enable-linger" in shown.err
    assert f"systemctl --user enable --now {units.unit_name(realm)}" in shown.err
    file = tmp_path / units.unit_name(realm)
    file.write_text(shown.out)
    verify = shutil.which("systemd-analyze")
    if verify:
        line, places = [verify, "--user", "verify", str(file)], {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
        done = subprocess.run(line, capture_output=True, text=True, check=False, env=places)
        assert (done.returncode, [line for line in done.stderr.splitlines() if file.name in line]) == (0, [])
    assert [line for line in shown.out.splitlines() if line and line[0] != "[" and "=" not in line] == []


def test_a_unit_is_installed_only_when_asked_for(
    realm: Realm, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, programs = tmp_path / "config", tmp_path / "programs"
    programs.mkdir()
    (programs / "systemctl").write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/called\n')
    (programs / "systemctl").chmod(0o755)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(config))
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    refused = run("weaver", "systemd", "--install")
    assert refused.code == 3
    assert not config.exists()
    assert run("weaver", "systemd", "--yes").code == 2
    done = run("weaver", "systemd", "--install", "--yes")
    path = config / "systemd" / "user" / units.unit_name(realm)
    assert (done.code, done.out) == (0, f"{path}\n")
    assert path.read_text() == units.unit(realm)
    assert (tmp_path / "called").read_text() == "--user daemon-reload\n"
