"""The inference back end `oracle`: exact checkpoints that the server of another machine runs.

A checkpoint is sent there through the vault before it is loaded, and what was loaded must have the weights of this
realm's ledger. An outage is an `AwayError`; nothing here answers in place of the checkpoint that was asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec

from realm_cli import heroes, inference, profiles, verbs, weights, zones
from realm_cli.checkpoint_records import LedgerRecord
from realm_cli.errors import AwayError, LockedError, NotFoundError, RealmError, RefusedError, UsageError
from realm_cli.generation import Message, Reply
from realm_cli.ledger import Ledger
from realm_cli.oracleclient import Answer, Model, OracleClient, find_oracle
from realm_cli.profiles import Profile
from realm_cli.realm import Realm

PUSH_SECONDS = 3_600.0
"""A large checkpoint over a home network takes minutes."""

LOOK_AGAIN_SECONDS = 0.5
LIMITS = "oracle.max_"
"""In what a server says that takes less in one request than it was asked."""


class OracleBackend:
    """Opens checkpoints on the inference host."""

    def open(self, realm: Realm, hero: str, step: int) -> RemoteCheckpoint:
        """The checkpoint, sent there and loaded. Raises `AwayError` when the host cannot be reached."""
        host = inference.host_of(realm)
        if host is None:
            raise NotFoundError(
                "no other machine answers for this realm", "set default_inference in configs/hosts.yaml"
            )
        client = find_oracle(realm, host)
        return RemoteCheckpoint(client, bring(realm, host, client, hero, step), profile_of(realm, hero, step))


def bring(realm: Realm, host: str, client: OracleClient, hero: str, step: int) -> Model:
    """Have a checkpoint loaded on a host, sent there first when it has to be; its weights are those of the ledger here."""
    expected = weights_of(realm, hero, step)
    loaded = [model for model in client.info().models if (model.hero, model.step) == (hero, step)]
    model = next((model for model in loaded if model.weights_sha256 == expected), None)
    if model is None:
        _send(realm, host, hero, step)
        model = client.load(step, hero=hero, sha256=expected)
    if (model.hero, model.step, model.weights_sha256) != (hero, step, expected):
        raise RefusedError(
            f"{host} loaded {model.hero} step {model.step} with weights {model.weights_sha256[:12] or 'unknown'} instead of "
            f"{hero} step {step} with {expected[:12]}",
            f"look what lies there: realm vault scan --zone {_zone_of(realm, host) or 'ZONE'}",
        )
    profile = profile_of(realm, hero, step)
    if model.profile != profile.stamp:
        raise RefusedError(
            f"{host} asks {hero} step {step} under the data profile {model.profile} instead of {profile.stamp}",
            f"set the same profile in configs/heroes/{hero}.yaml there, then unload it there: realm oracle unload {step}",
        )
    return model


def profile_of(realm: Realm, hero: str, step: int) -> Profile:
    """The data profile that a checkpoint is asked under by this realm's ledger; step 0 by the hero's settings."""
    return profiles.of_record(realm, record_of(realm, hero, step)) if step else profiles.of_hero(realm, hero)


def record_of(realm: Realm, hero: str, step: int) -> LedgerRecord:
    """A checkpoint's record in this realm's ledger; one that was sent here brings its own."""
    ledger = Ledger(realm, hero)
    try:
        return ledger.get(step)
    except NotFoundError:
        return ledger.here(step)[0]


def weights_of(realm: Realm, hero: str, step: int) -> str:
    """The hash that a checkpoint has by this realm's ledger; step 0 is hashed here."""
    return (
        record_of(realm, hero, step).weights_sha256 if step else weights.weights_sha256(heroes.base_path(realm, hero))
    )


def _zone_of(realm: Realm, host: str) -> str | None:
    """The zone that lies on a host."""
    return next((name for name, zone in zones.configured(realm).items() if zone.host == host), None)


def _send(realm: Realm, host: str, hero: str, step: int) -> None:
    """Push a checkpoint into the host's zone; one that is there already costs a look. A base model is not sent.

    Without a zone, or when the checkpoint is not here any more, it has to be there: the host says when it is not.
    """
    zone = _zone_of(realm, host)
    if zone is None or step == 0:
        return
    asset = f"checkpoint_{hero}_{step}"
    try:
        said = _pushed(realm, asset, zone)
    except NotFoundError:
        return
    for one in msgspec.json.decode(said, type=list[_Moved]):
        if not one.success:
            raise AwayError(f"{asset} waits for zone {zone}: {one.reason}", "is the machine on?")


def _pushed(realm: Realm, asset: str, zone: str) -> str:
    """What the push said. One that another process has begun, perhaps for somebody who was killed, is waited for."""
    deadline = time.monotonic() + PUSH_SECONDS
    while True:
        try:
            return verbs.call(realm, "vault", "push", asset, "--zone", zone, "--json", seconds=PUSH_SECONDS)
        except LockedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(LOOK_AGAIN_SECONDS)


class _Moved(msgspec.Struct):
    """What became of a push, as `realm vault push --json` says it."""

    success: bool
    reason: str = ""


class RemoteCheckpoint:
    """A `Generator` whose replies come from another machine."""

    def __init__(self, client: OracleClient, model: Model, profile: Profile) -> None:
        self._client = client
        self.profile = profile
        self.hero = model.hero
        self.step = model.step
        self.weights_sha256 = model.weights_sha256

    def generate(
        self,
        conversations: Sequence[Sequence[Message]],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        stop: Sequence[str] = (),
        profile: Profile | None = None,
    ) -> list[Reply]:
        """A reply to each conversation. Raises `UsageError` for what the hero's template refuses, `AwayError` for all else."""
        refuse_other(self.profile, profile)

        def ask() -> list[Answer]:
            return self._client.chat_batch(
                conversations, self.step, hero=self.hero, sha256=self.weights_sha256, max_tokens=max_tokens,
                temperature=temperature, seed=seed, stop=stop,
            )  # fmt: skip

        return [_reply(answer) for answer in self._asked(ask)]

    def _asked(self, ask: Callable[[], list[Answer]]) -> list[Answer]:
        """The answers. A checkpoint that was unloaded meanwhile, or went with the server, is loaded again once."""
        try:
            try:
                return ask()
            except NotFoundError:
                self._client.load(self.step, hero=self.hero, sha256=self.weights_sha256)
                return ask()
        except RealmError as error:
            if isinstance(error, AwayError) or isinstance(error, UsageError) and LIMITS not in error.message:
                raise
            # Whatever else goes wrong there says nothing about the hero: to be tried again.
            raise AwayError(error.message, error.hint) from None

    def close(self) -> None:
        """It stays loaded there: the server's pool decides how long."""


def _reply(answer: Answer) -> Reply:
    return Reply(
        answer.response, answer.finish, answer.hero, answer.step, answer.weights_sha256, answer.tokens,
        answer.prompt_tokens, answer.profile,
    )  # fmt: skip


def refuse_other(own: Profile, asked: Profile | None) -> None:
    """Refuse a data profile that the other side was not told of."""
    if asked is not None and asked.stamp != own.stamp:
        raise UsageError(f"this checkpoint is asked under the data profile {own.stamp} alone", "leave the profile out")
