"""The registry of machines, `configs/hosts.yaml`: who they are, and where their services listen. The original's JSON is read as well."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml
from msgspec import Meta

from realm_cli import store, yamlfile
from realm_cli.errors import FormatError, NotFoundError, RefusedError, nearest
from realm_cli.realm import Realm

HOST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_WORD = re.compile(r"(?!-)[^\s\x00-\x1f\x7f]+")
"""What may become an argument of ssh."""
Port = Annotated[int, Meta(ge=1, le=65535)]
INFERENCE = "inference"
"""The service that answers as an exact checkpoint."""


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what people write."""


class HostService(_Strict, frozen=True, kw_only=True):
    """Where a service of a host listens."""

    port: Port
    path: str = ""


class Host(_Strict, frozen=True, kw_only=True):
    """One machine."""

    host: str
    """Its name or address in the network."""
    role: Literal["trainer", "inference", "storage", "controller", "hybrid"]
    name: str = ""
    ssh_user: str = ""
    ssh_port: Port = 22
    base_dir: str = ""
    models_dir: str = ""
    checkpoints_dir: str = ""
    capabilities: list[str] = []
    services: dict[str, HostService] = {}


class HostsConfig(_Strict, frozen=True, kw_only=True):
    """The whole file."""

    hosts: dict[str, Host] = {}
    local_host: str = ""
    default_trainer: str = ""
    default_inference: str = ""


def hosts_file(realm: Realm) -> Path:
    """Where the machines are registered."""
    return realm.configs / "hosts.yaml"


class Hosts:
    """The machines of a realm."""

    def __init__(self, path: Path, config: HostsConfig) -> None:
        self._path = path
        self._config = config

    @classmethod
    def of(cls, realm: Realm) -> Hosts:
        """The registry; empty without a file. Raises `FormatError` with file and line."""
        path = hosts_file(realm)
        return cls(path, _load(path) if path.is_file() else HostsConfig())

    def ids(self) -> list[str]:
        """All machines, in the file's order."""
        return list(self._config.hosts)

    def get(self, host: str) -> Host:
        """One machine. Raises `NotFoundError`."""
        if host not in self._config.hosts:
            hint = nearest(host, self.ids()) if self.ids() else f"write it into {self._path}"
            raise NotFoundError(f"there is no host '{host[:100]}'", hint)
        return self._config.hosts[host]

    def local(self) -> str:
        """The id of this machine: `local_host`, else found by name or address. Raises `NotFoundError` or `RefusedError`."""
        if self._config.local_host:
            return self._config.local_host
        found = [host for host in self.ids() if _is_here(host, self._config.hosts[host])]
        if len(found) == 1:
            return found[0]
        hint = f"set local_host in {self._path}"
        if found:
            raise RefusedError(f"this machine could be any of {', '.join(found)}", hint)
        raise NotFoundError(f"this machine ({os.uname().nodename}) is none of the registered hosts", hint)

    def trainer(self) -> str:
        """The id of the machine that trains."""
        if self._config.default_trainer:
            return self._config.default_trainer
        for role in ("trainer", "hybrid"):
            found = [host for host in self.ids() if self._config.hosts[host].role == role]
            if len(found) == 1:
                return found[0]
            if found:
                raise RefusedError(f"several hosts train: {', '.join(found)}", f"set default_trainer in {self._path}")
        raise NotFoundError("no host has the role trainer", f"give it to one in {self._path}")

    def is_trainer_local(self) -> bool:
        """Whether this machine is the one that trains."""
        return self.local() == self.trainer()

    def inference(self) -> str | None:
        """The id of the machine that answers in place of this one; None when this one does, or none is registered for it.

        It is `default_inference`, else the only host with role inference or hybrid and a service `inference`.
        """
        chosen = self._config.default_inference
        if not chosen:
            able = [
                host
                for host, entry in self._config.hosts.items()
                if entry.role in ("inference", "hybrid") and INFERENCE in entry.services
            ]
            if len(able) > 1 and not any(self.is_local(host) for host in able):
                raise RefusedError(f"several hosts answer: {', '.join(able)}", f"set default_inference in {self._path}")
            chosen = able[0] if len(able) == 1 else ""
        return None if not chosen or self.is_local(chosen) else chosen

    def service_url(self, service: str, host: str | None = None) -> str:
        """`http://host:port/path` of a service: of `host`, else of the one that is meant by default."""
        where = self._offering(service) if host is None else host
        machine = self.get(where)
        if service not in machine.services:
            hint = nearest(service, machine.services)
            raise NotFoundError(f"host {where} has no service '{service[:100]}'", hint)
        entry = machine.services[service]
        name = f"[{machine.host}]" if ":" in machine.host else machine.host
        return f"http://{'127.0.0.1' if self.is_local(where) else name}:{entry.port}{entry.path}"

    def _offering(self, service: str) -> str:
        found = [host for host in self.ids() if service in self._config.hosts[host].services]
        if not found:
            known = {name for host in self._config.hosts.values() for name in host.services}
            raise NotFoundError(f"no host has a service '{service[:100]}'", nearest(service, known))
        if service == INFERENCE and self._config.default_inference in found:
            return self._config.default_inference
        if len(found) == 1:
            return found[0]
        trainers = [host for host in found if host == self._config.default_trainer] or [
            host for host in found if self._config.hosts[host].role == "trainer"
        ]
        if len(trainers) == 1:
            return trainers[0]
        raise RefusedError(f"several hosts have a service '{service}': {', '.join(found)}", "say which host is meant")

    def is_local(self, host: str) -> bool:
        """Whether a registered machine is this one."""
        if self._config.local_host:
            return host == self._config.local_host
        return _is_here(host, self._config.hosts[host])


# -- reading -----------------------------------------------------------------------------------------------------


def _load(path: Path) -> HostsConfig:
    data, node = _read(path)
    if isinstance(data, dict):
        yamlfile.check_each(data, "hosts", Host, path, node)
    config = yamlfile.check(data, HostsConfig, path, node)
    for host, entry in config.hosts.items():
        where = f"{path}:{yamlfile.line_of(node, ['hosts', host])}"
        if not HOST_ID.fullmatch(host):
            raise FormatError(where, f"{host!r} cannot be a host's id", "use letters, digits, '.', '_' and '-'")
        for key, text in (("host", entry.host), ("ssh_user", entry.ssh_user)):
            if (text or key == "host") and not _WORD.fullmatch(text):
                raise FormatError(
                    where, f"host {host}: {key} {text!r} is no name", "give a host name, an address, a user"
                )
    for key in ("local_host", "default_trainer", "default_inference"):
        named = getattr(config, key)
        if named and named not in config.hosts:
            where = f"{path}:{yamlfile.line_of(node, [key])}"
            raise FormatError(where, f"{key}: there is no host '{named}'", nearest(named, config.hosts))
    return config


def _read(path: Path) -> tuple[Any, yaml.Node | None]:
    """JSON may be indented with tabs, which YAML forbids."""
    text = store.read_bytes(path)
    if text.lstrip()[:1] == b"{":
        return store.parse_json(text, str(path)), None
    data, node = yamlfile.read(path)
    if isinstance(data, dict) and isinstance(data.get("hosts"), dict):
        data = {**data, "hosts": _worded(data["hosts"], path)}
    for key in ("local_host", "default_trainer", "default_inference"):
        if isinstance(data, dict) and isinstance(data.get(key), int):
            data[key] = str(data[key])
    return data if data is not None else {}, node


def _worded(hosts: dict[Any, Any], path: Path) -> dict[str, Any]:
    """A host may be called 3090, which YAML reads as a number."""
    found: dict[str, Any] = {}
    for host, entry in hosts.items():
        name = str(host) if isinstance(host, int) and not isinstance(host, bool) else host
        if name in found:
            raise FormatError(str(path), f"host '{name}' is given twice", "keep one of them")
        found[name] = entry
    return found


# -- this machine ------------------------------------------------------------------------------------------------


def _is_here(host: str, entry: Host) -> bool:
    node = os.uname().nodename.lower()
    names = {node, node.partition(".")[0]}
    return bool(names & {host.lower(), entry.name.lower(), entry.host.lower()}) or _is_own_address(entry.host)


def _is_own_address(text: str) -> bool:
    """Whether a socket can be bound to it. Only literal addresses are tried: names would ask the network."""
    for family, address in _addresses(text):
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((address, 0))
            except OSError:
                continue
            return True
    return False


def _addresses(text: str) -> Iterator[tuple[socket.AddressFamily, str]]:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, text)
        except (OSError, ValueError):
            continue
        yield family, text
