"""`realm job` as people and scripts use it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from helpers import Run
from realm_runners import supervisor


def test_run_wait_shows_the_success_in_its_exit_code(run: Run) -> None:
    good = run("job", "run", "--wait", "--name", "a greeting", "--id", "hello", "--", "sh", "-c", "echo hi; pwd")
    bad = run("job", "run", "--wait", "-q", "--id", "bad", "--", "sh", "-c", "exit 3")

    assert good.code == 0, good.err
    assert good.out.startswith("hello is ")
    assert good.err == "hello done\n"
    assert (bad.code, bad.out, bad.err) == (1, "bad\n", "")
    assert run("job", "show", "bad", "--json").json["reason"] == "ended with 3"
    assert run("job", "logs", "hello", "-f").out.startswith("hi\n/")
    listed = run("job", "list", "--json").json
    assert [(job["id"], job["state"], job["place"], job["name"]) for job in listed] == [
        ("bad", "failed", "local", ""),
        ("hello", "done", "local", "a greeting"),
    ]
    assert "bad: ended with 3\n" in run("job", "list").out
    assert "place         local\n" in run("job", "show", "hello").out


def test_a_job_is_detached_and_can_be_cancelled(run: Run) -> None:
    started = run("job", "run", "-q", "--", "sleep", "1000")
    job = started.out.strip()

    cancelled = run("job", "cancel", job)

    assert (started.code, cancelled.code, cancelled.out) == (0, 0, f"{job} is cancelled\n")
    assert run("job", "cancel", job).out == f"{job} is cancelled\n"


def test_what_is_wrong_is_told_with_its_exit_code(run: Run) -> None:
    assert run("job", "list").out == "no job yet: realm job run -- COMMAND\n"
    for words, code, message in (
        (["show", "none"], 4, "there is no job 'none'"),
        (["run", "--on", "moon", "--", "true"], 4, "moon"),
        (["run", "--on", "ssh:moon", "--", "true"], 4, "there is no host 'moon'"),
        (["run", "--on", "ssh", "--", "true"], 2, "ssh names no host"),
        (["run", "--on", "local:x", "--", "true"], 2, "local:x is no place"),
        (["run", "--id", "../x", "--", "true"], 2, "'../x' cannot be a job's id"),
        (["run"], 2, "COMMAND"),
    ):
        done = run("job", *words)
        assert (done.code, message in done.err) == (code, True), done


def test_a_battle_is_started_on_clusters_alone(run: Run) -> None:
    done = run("battle", "start", "--on", "ssh:box")

    assert (done.code, "a battle cannot be started on 'ssh:box' from here" in done.err) == (2, True)


@pytest.mark.parametrize("path", sorted(Path(supervisor.__file__).parent.glob("*.py")), ids=lambda path: path.name)
def test_the_supervisor_can_be_read_by_an_older_python_and_needs_nothing_installed(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 8))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }

    assert imported - set(__import__("sys").stdlib_module_names) <= {"realm_runners"}
