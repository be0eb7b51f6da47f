"""Where inference happens: on the machine that `configs/hosts.yaml` names for it, or in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from realm_cli.generation import DEFAULT_BACKEND, Generator, open_generator
from realm_cli.hosts import Hosts

if TYPE_CHECKING:
    from realm_cli.manager import Manager
    from realm_cli.realm import Realm

REMOTE_BACKEND = "oracle"
"""The back end that asks the inference host."""


def host_of(realm: Realm) -> str | None:
    """The machine that answers in place of this one; None = this one does."""
    return Hosts.of(realm).inference()


def open_checkpoint(realm: Realm, manager: Manager, hero: str, step: int) -> Generator:
    """One exact checkpoint, opened where inference happens. Raises `AwayError` while the inference host cannot be reached.

    With an inference host the checkpoint is sent there first, and its weights are compared with the ledger's.
    """
    backend = DEFAULT_BACKEND if host_of(realm) is None else REMOTE_BACKEND
    return open_generator(realm, manager, hero, step, backend=backend)
