"""The Oracle is killed under the weaver; it comes back and answers as the same checkpoint."""

from __future__ import annotations

import signal

from realm_cli import services
from realm_cli.generation import Message
from realm_cli.ledger import Ledger
from realm_cli.oracleclient import Answer, OracleClient, find_oracle
from realm_cli.records import ServiceRecord
from realm_sentinels.drills.stage import NotRecoveredError, Stage, send

PLAN = (
    "found a small realm, train one checkpoint",
    "let a weaver keep the Oracle, load the checkpoint, ask it",
    "kill the Oracle (SIGKILL)",
    "the weaver starts it again; the same question to the same checkpoint gets the same answer",
)
ROWS = 160
QUESTION = [Message("user", "say 7")]
MAX_TOKENS = 12


def play(stage: Stage) -> None:
    """The whole drill. Raises `RealmError` when it did not recover."""
    with stage.step("a checkpoint") as seen:
        stage.add_quest(ROWS)
        stage.finish(stage.line("battle", "start", "--until-empty", "-q"), name="battle")
        newest = Ledger(stage.realm).get_latest()
        seen.evidence = f"{newest.canonical_name}, weights {newest.weights_sha256[:12]}"
    with stage.step("the weaver keeps the Oracle, which answers") as seen:
        stage.finish(stage.line("weaver", "up", "oracle", "-q"), name="weaver")
        before = _running(stage)
        first = _ask(stage, newest.step)
        seen.evidence = f"pid {before.process.pid} at {before.url}: {first.model}, weights {first.weights_sha256[:12]}"
    with stage.step("the Oracle is killed") as seen:
        send(before.process, signal.SIGKILL)
        seen.evidence = f"SIGKILL to pid {before.process.pid}"
    with stage.step("the weaver brings it back") as seen:
        after = stage.wait_for(lambda: _other(stage, before), "another Oracle to answer")
        seen.evidence = f"pid {after.process.pid} at {after.url}"
    with stage.step("it answers as the same checkpoint") as seen:
        second = _ask(stage, newest.step)
        if (second.model, second.weights_sha256, second.response) != (
            first.model,
            first.weights_sha256,
            first.response,
        ):
            raise NotRecoveredError(
                f"it answers as {second.model}, weights {second.weights_sha256[:12]}: {second.response!r}"
            )
        if second.weights_sha256 != newest.weights_sha256:
            raise NotRecoveredError(f"the ledger's weights are {newest.weights_sha256[:12]}")
        seen.evidence = f"{second.model}, weights {second.weights_sha256[:12]} as in the ledger, the same reply"


def _running(stage: Stage) -> ServiceRecord:
    return stage.wait_for(lambda: services.running(stage.realm, "oracle"), "the Oracle to announce itself")


def _other(stage: Stage, before: ServiceRecord) -> ServiceRecord | None:
    found = services.running(stage.realm, "oracle")
    if found is None or found.process == before.process:
        return None
    return found if OracleClient(found.url).is_available() else None


def _ask(stage: Stage, step: int) -> Answer:
    client = find_oracle(stage.realm)
    client.load(step)
    return client.chat(QUESTION, step, max_tokens=MAX_TOKENS)
