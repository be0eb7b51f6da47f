from __future__ import annotations

import signal
import subprocess

from helpers import PATIENCE, environment, realm_line, wait_for
from realm_cli import services
from realm_weaver import requests
from realm_weaver_services import Woven


def test_status_shows_every_service_and_why_it_is_as_it_is(woven: Woven) -> None:
    woven.serve("web", title="my web")
    before = woven.run("weaver", "status")
    assert before.out.endswith("no weaver runs: realm weaver up\n")
    up = woven.up()
    url = woven.state("web").url
    assert up.out.startswith(f"web is ready: {url} (after ")
    shown = woven.run("weaver", "status", "--json")
    assert (shown.code, shown.err) == (0, "")
    data = shown.json
    assert data["weaver"]["running"] is True
    assert data["weaver"]["pid"] == woven.weaver_pid()
    (row,) = [row for row in data["services"] if row["name"] == "web"]
    assert {key: row[key] for key in ("title", "state", "reason", "url", "pid", "restarts", "wanted", "history")} == {
        "title": "my web", "state": "ready", "reason": None, "url": url, "pid": woven.pid("web"), "restarts": 0,
        "wanted": True, "history": [],
    }  # fmt: skip
    assert row["memory"] > 1_000_000
    table = woven.run("weaver", "status").out
    assert all(len(line) <= 80 for line in table.splitlines())
    assert "web ready" in " ".join(table.split())


def test_quiet_commands_say_nothing_when_all_is_well(woven: Woven) -> None:
    woven.serve("web")
    for words in (["up", "-q"], ["mend", "-q"], ["down", "-q"], ["down", "-q"]):
        done = woven.run("weaver", *words)
        assert (done.code, done.out, done.err) == (0, "", "")


def test_a_service_that_does_not_exist_is_not_found(woven: Woven) -> None:
    woven.serve("web")
    for words in (["up", "wep"], ["down", "wep"], ["logs", "wep"]):
        done = woven.run("weaver", *words)
        assert done.code == 4, done
    assert "there is no service 'wep'" in woven.run("weaver", "up", "wep").err
    assert "there is no log of web yet" in woven.run("weaver", "logs", "web").err


def test_logs_are_shown_and_followed_across_a_cut(woven: Woven) -> None:
    woven.serve("web")
    woven.up("web")
    assert woven.run("weaver", "logs", "web").out == "it listens\n"
    assert "the weaver runs" in woven.run("weaver", "logs", "weaver").out
    output = woven.folder / "followed.txt"
    with open(output, "wb") as file:
        line = realm_line("weaver", "logs", "web", "-f", "-n", "0", realm=woven.realm)
        following = subprocess.Popen(line, stdout=file, env={**environment(), "PYTHONUNBUFFERED": "1"})
    log = services.log_path(woven.realm, "web")
    try:

        def said(text: str) -> bool:
            with open(log, "a") as file:
                file.write(f"{text}\n")
            return text in output.read_text()

        wait_for(lambda: said("first"), "a line to be followed")
        log.write_text("")
        wait_for(lambda: said("second"), "a line after the cut")
    finally:
        following.send_signal(signal.SIGINT)
        following.wait()


def test_the_daemon_in_the_foreground_starts_what_is_enabled_and_ends_with_sigterm(woven: Woven) -> None:
    woven.serve("web")
    log = woven.folder / "daemon.txt"
    with open(log, "wb") as file:
        daemon = subprocess.Popen(
            realm_line("weaver", "daemon", realm=woven.realm), stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            env=environment(),
        )  # fmt: skip
    try:
        woven.until("web", "ready")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(timeout=60) == 0
    finally:
        daemon.kill()
        daemon.wait()
    assert woven.processes() == []
    assert "the weaver ends" in log.read_text()


def test_the_weaver_is_started_in_the_background_by_an_option_of_its_own(woven: Woven) -> None:
    woven.serve("web")
    said = woven.run("weaver", "--daemon")
    assert (said.code, said.out) == (0, f"the weaver runs, pid {woven.weaver_pid()}\n")
    woven.until("web", "ready")
    assert (woven.run("weaver", "--daemon", "-q").out, woven.run("weaver", "--deamon").code) == ("", 2)


def test_the_status_fits_the_terminal_whatever_services_are_called(woven: Woven) -> None:
    woven.serve("a-service-whose-name-has-its-length")
    said = woven.run("weaver", "status")
    assert "a-service-" in said.out
    assert max(map(len, said.out.splitlines())) <= 80


def test_several_who_ask_at_once_are_all_answered_by_one_weaver(woven: Woven) -> None:
    woven.serve("web")
    line = realm_line("weaver", "up", "web", realm=woven.realm)
    asking = [subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=environment()) for _ in range(4)]
    said = [(one.communicate()[0].split(":")[0], one.returncode) for one in asking]
    assert said == [("web is ready", 0)] * 4
    assert len(woven.processes()) == 1


def test_an_up_that_a_down_overtakes_is_told_so(woven: Woven) -> None:
    woven.serve("web", "slow")
    line = realm_line("weaver", "up", "web", realm=woven.realm)
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True, env=environment()) as asking:
        wait_for(lambda: requests.read(woven.realm).services, "its wish")
        requests.wish(woven.realm, lambda _: [])
        said = asking.communicate(timeout=PATIENCE)[1]
    assert (asking.returncode, said) == (1, "error: somebody stopped web meanwhile\nhint: realm weaver up web\n")
    assert woven.run("weaver", "mend").code == 0
    assert services.weaver(woven.realm) is None
    assert woven.processes() == []


def test_a_mistake_in_the_settings_hides_neither_what_runs_nor_what_it_says(woven: Woven) -> None:
    woven.serve("web")
    woven.up("web")
    woven.serve("web", colour="red")
    table = woven.run("weaver", "status")
    shown = woven.run("weaver", "status", "--json")
    for done in (table, shown):
        assert (done.code, done.err.count("unknown key 'services.web.colour'")) == (1, 1)
    assert "web ready" in " ".join(table.out.split())
    (row,) = [row for row in shown.json["services"] if row["name"] == "web"]
    assert (row["name"], row["state"], row["pid"], row["enabled"]) == ("web", "ready", woven.pid("web"), None)
    assert woven.run("weaver", "logs", "web").out == "it listens\n"
    other = woven.run("weaver", "logs", "wep")
    assert other.code == 1
    assert "unknown key 'services.web.colour'" in other.err
