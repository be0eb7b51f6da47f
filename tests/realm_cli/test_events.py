from __future__ import annotations

import json
from pathlib import Path

from helpers import rows, write_rows
from realm_cli.realm import Realm
from realm_cli_plugins import Site

LISTENER = """
@hookimpl
def realm_event({arguments}):
    {body}
"""


def test_a_listener_that_fails_does_not_keep_the_rest_from_hearing(tmp_path: Path, realm: Realm) -> None:
    site = Site(tmp_path / "site", realm)
    heard = tmp_path / "heard.txt"
    hear = f"open({str(heard)!r}, 'a').write(event.name + chr(10))"
    site.install("ahead", LISTENER.format(arguments="event", body=hear))
    site.install("fails", LISTENER.format(arguments="realm, event", body="raise ValueError('own fault')"))
    site.install("zlast", LISTENER.format(arguments="event", body=hear))
    ran = site.run("quest", "add", write_rows(tmp_path / "a.jsonl", rows(3)))
    assert ran.code == 0, ran.err
    told = heard.read_text().splitlines()
    names = [json.loads(line)["name"] for line in realm.events.read_text().splitlines()]
    assert names
    assert told == [name for name in names for _ in range(2)]
    assert f"listener 'fails' failed on event '{names[0]}'" in ran.err
