"""What the arena offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from realm_cli.hookspecs import hookimpl
from realm_cli.parts import Part

if TYPE_CHECKING:
    from realm_cli.realm import Realm
    from realm_cli.records import EventRecord

ENDS = ("quest_cancelled", "quest_rejected")


@hookimpl
def realm_commands() -> list[Part]:
    """The verbs of `realm battle`."""
    start, flags, look = "realm_arena.commands.start", "realm_arena.commands.flags", "realm_arena.commands.look"
    return [
        Part("battle start", f"{start}:start_command", "Train what is on the board until stopped."),
        Part("battle check", f"{start}:check_command", "Preflight: memory, first batch, disk, time."),
        Part("battle pause", f"{flags}:pause_command", "Finish the step, save, hold still."),
        Part("battle resume", f"{flags}:resume_command", "End a pause."),
        Part("battle stop", f"{flags}:stop_command", "Save and end the battle."),
        Part("battle skip", f"{flags}:skip_command", "End the quest in battle as skipped."),
        Part("battle save", f"{flags}:save_command", "Save a checkpoint now."),
        Part("battle status", f"{look}:status_command", "What the battle is doing."),
        Part("battle log", f"{look}:log_command", "The battle's log; -f follows it."),
    ]


@hookimpl
def realm_records() -> list[Part]:
    """The arena's own files."""
    return [Part("tokens", "realm_arena.records:TokensMeta", "Commit marker of a token cache.")]


@hookimpl
def realm_inspectors() -> list[Part]:
    """The three depths of inspection."""
    module = "realm_arena.inspectors"
    return [
        Part("quick", f"{module}:Quick", "Schema of every line."),
        Part("standard", f"{module}:Standard", "Token lengths, trained share, preview."),
        Part("deep", f"{module}:Deep", "Duplicates, leakage, damage, contamination."),
    ]


@hookimpl
def realm_oracles() -> list[Part]:
    """The first inference back end."""
    return [Part("transformers", "realm_arena.transformers_backend:TransformersBackend", "In this process, batched.")]


@hookimpl
def realm_services() -> list[Part]:
    """The battle itself, for whatever keeps services alive."""
    return [Part("battle", "realm_arena.service:SERVICE", "Training without end.")]


@hookimpl
def realm_event(realm: Realm, event: EventRecord) -> None:
    """A quest that left the board needs its cached tokens no more."""
    if event.name in ENDS:
        from realm_arena.tokens import drop_quest

        drop_quest(realm, str(event.facts["quest"]))
