"""The registry of machines: strict about what people write, honest about which machine this is."""

from __future__ import annotations

import os

import pytest

from realm_cli.errors import FormatError, NotFoundError, RefusedError
from realm_cli.hosts import Hosts, hosts_file
from realm_cli.realm import Realm

ORIGINAL = """{
\t"hosts": {
\t\t"4090": {"name": "Training Server", "host": "192.0.2.1", "role": "trainer", "models_dir": "/m",
\t\t\t"services": {"vault": {"port": 8767, "path": "/api"}, "ledger": {"port": 8767, "path": "/api/ledger"}}},
\t\t"3090": {"name": "Inference Server", "host": "192.0.2.2", "role": "inference", "services": {"inference": {"port": 8765}}}
\t},
\t"local_host": "3090", "default_trainer": "4090", "default_inference": "3090"
}
"""


def hosts(realm: Realm, text: str) -> Hosts:
    hosts_file(realm).write_text(text)
    return Hosts.of(realm)


def test_the_originals_json_is_read_as_it_is(realm: Realm) -> None:
    found = hosts(realm, ORIGINAL)

    assert found.ids() == ["4090", "3090"]
    assert (found.get("4090").name, found.get("4090").models_dir) == ("Training Server", "/m")
    assert found.service_url("ledger") == "http://192.0.2.1:8767/api/ledger"
    assert found.service_url("inference") == "http://127.0.0.1:8765"
    assert (found.local(), found.trainer(), found.is_trainer_local()) == ("3090", "4090", False)


def test_a_number_is_a_name_in_yaml(realm: Realm) -> None:
    found = hosts(realm, "hosts:\n  3090: {host: 192.0.2.2, role: hybrid}\nlocal_host: 3090\n")

    assert found.ids() == ["3090"]
    assert found.is_trainer_local()


@pytest.mark.parametrize("own", ["{node}", "127.0.0.5"])
def test_this_machine_is_found_by_its_name_or_address(realm: Realm, own: str) -> None:
    name = own.format(node=os.uname().nodename)

    found = hosts(
        realm, f"hosts:\n  far: {{host: 192.0.2.1, role: trainer}}\n  here: {{host: {name}, role: storage}}\n"
    )

    assert found.local() == "here"
    assert not found.is_trainer_local()


def test_a_machine_that_is_none_or_several_is_an_error(realm: Realm) -> None:
    with pytest.raises(NotFoundError, match="none of the registered hosts"):
        hosts(realm, "hosts:\n  far: {host: 192.0.2.1, role: trainer}\n").local()
    with pytest.raises(RefusedError, match="could be any of a, b"):
        hosts(realm, "hosts:\n  a: {host: 127.0.0.1, role: trainer}\n  b: {host: 127.0.0.1, role: storage}\n").local()


def test_what_is_not_there_or_not_clear_is_an_error(realm: Realm) -> None:
    empty = Hosts.of(realm)
    with pytest.raises(NotFoundError, match="there is no host '3090'"):
        empty.get("3090")
    found = hosts(
        realm,
        "hosts:\n  a: {host: 192.0.2.1, role: storage, services: {vault: {port: 1}}}\n"
        "  b: {host: '2001:db8::1', role: storage, services: {vault: {port: 2}, chat: {port: 3}}}\n",
    )
    with pytest.raises(NotFoundError) as unknown:
        found.service_url("valt")
    assert "vault" in unknown.value.hint
    with pytest.raises(RefusedError, match="a, b"):
        found.service_url("vault")
    assert found.service_url("chat") == "http://[2001:db8::1]:3"
    assert found.service_url("vault", "a") == "http://192.0.2.1:1"
    with pytest.raises(NotFoundError, match="role trainer"):
        found.trainer()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hosts:\n  a: {host: x, role: trainer, ssh_usr: me}\n", r"hosts.yaml:2: unknown key 'hosts.a.ssh_usr'"),
        ("hosts:\n  a: {host: x, role: boss}\n", r"hosts.yaml:2: hosts.a.role"),
        ("hosts:\n  a: {host: -oProxyCommand=x, role: trainer}\n", r"hosts.yaml:2: host a: host '-oProxy"),
        ("hosts:\n  a: {host: 'x y', role: trainer}\n", r"host 'x y' is no name"),
        ("hosts:\n  a: {host: \"x\\ny\", role: trainer}\n", r"is no name"),
        ("hosts:\n  a: {host: '', role: trainer}\n", r"is no name"),
        ("hosts:\n  a: {host: x, role: trainer, ssh_user: '-l'}\n", r"ssh_user '-l' is no name"),
        ("hosts:\n  ../a: {host: x, role: trainer}\n", r"cannot be a host's id"),
        ("hosts:\n  a: {host: x, role: trainer}\nlocal_host: b\n", r"hosts.yaml:3: local_host: there is no host 'b'"),
        ("hosts:\n  3090: {host: x, role: trainer}\n  '3090': {host: y, role: trainer}\n", r"'?3090'? "),
        ("{\"hosts\": ", r"not valid JSON"),
        ("hosts: [a]\n", r"hosts"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place(realm: Realm, text: str, said: str) -> None:
    with pytest.raises(FormatError, match=said):
        hosts(realm, text)


TWO = """
hosts:
  4090: {host: 192.0.2.1, role: trainer, services: {inference: {port: 8765}}}
  3090: {host: 192.0.2.2, role: inference, services: {inference: {port: 8765}}}
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TWO + "local_host: 4090", "3090"),
        (TWO + "local_host: 3090", None),  # it is this machine
        (TWO + "local_host: 3090\ndefault_inference: 4090", "4090"),
        (TWO + "local_host: 4090\ndefault_inference: 4090", None),
        (TWO.replace("inference, services", "hybrid, services") + "local_host: 4090", "3090"),
        (TWO.replace("inference, services", "storage, services") + "local_host: 4090", None),
        (
            TWO.replace("inference: {port: 8765}}}\n  3090", "vault: {port: 8767}}}\n  3090") + "local_host: 4090",
            "3090",
        ),
        ("hosts: {}", None),
    ],
)
def test_inference_happens_on_the_one_host_that_is_meant(realm: Realm, text: str, expected: str | None) -> None:
    assert hosts(realm, text).inference() == expected


def test_of_several_inference_hosts_one_has_to_be_named(realm: Realm) -> None:
    text = TWO + "  3080: {host: 192.0.2.3, role: hybrid, services: {inference: {port: 1}}}\nlocal_host: 4090"
    with pytest.raises(RefusedError, match="several hosts answer: 3090, 3080"):
        hosts(realm, text).inference()
    assert hosts(realm, text + "\ndefault_inference: 3080").inference() == "3080"
    assert hosts(realm, text.replace("local_host: 4090", "local_host: 3080")).inference() is None


def test_without_a_file_this_machine_answers(realm: Realm) -> None:
    assert Hosts.of(realm).inference() is None
