"""What the Oracle offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from realm_cli.hookspecs import hookimpl
from realm_cli.parts import Part

if TYPE_CHECKING:
    from realm_cli.realm import Realm
    from realm_cli.records import EventRecord

_C = "realm_oracle.commands"


@hookimpl
def realm_commands() -> list[Part]:
    """The verbs of `realm oracle`."""
    return [
        Part("oracle serve", "realm_oracle.serve_command:serve_command", "Answer as exact checkpoints, over HTTP."),
        Part("oracle status", f"{_C}:status_command", "Show what is loaded and what is answered."),
        Part("oracle load", f"{_C}:load_command", "Load a checkpoint, or the champion."),
        Part("oracle unload", f"{_C}:unload_command", "Forget a loaded checkpoint."),
        Part("oracle chat", "realm_oracle.chat_command:chat_command", "Talk to an exact checkpoint."),
    ]


@hookimpl
def realm_services() -> list[Part]:
    """The server of loaded checkpoints."""
    return [Part("oracle", "realm_oracle.service:SERVICE", "Inference on exact checkpoints.")]


@hookimpl
def realm_oracles() -> list[Part]:
    """Checkpoints that another server runs."""
    return [
        Part("openai", "realm_oracle.openai_backend:OpenAIBackend", "A server that speaks OpenAI's language."),
        Part("oracle", "realm_oracle.remote:OracleBackend", "The Oracle of the inference host."),
    ]


@hookimpl
def realm_pages() -> list[Part]:
    """The Oracle in the Tavern."""
    return [Part("oracle", "realm_oracle.page:PAGE", "Talk to loaded checkpoints.")]


@hookimpl
def realm_tasks() -> list[Part]:
    """Work for idle machines."""
    return [Part("model_warmup", "realm_oracle.warmup:TASK", "The champion is loaded where inference happens.")]


@hookimpl
def realm_event(realm: Realm, event: EventRecord) -> None:
    """A new champion is loaded where inference happens, beside whatever crowned it."""
    if event.name == "new_champion" and event.facts.get("hero") == realm.config.hero:
        from realm_oracle.warmup import start

        start(realm)
