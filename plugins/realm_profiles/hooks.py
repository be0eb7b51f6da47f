"""What this plugin offers."""

from __future__ import annotations

from realm_cli.hookspecs import hookimpl
from realm_cli.parts import Part


@hookimpl
def realm_profiles() -> list[Part]:
    """The three data profiles."""
    return [
        Part("none", "realm_cli.profiles:Plain", "Rows as they are."),
        Part("emoji_think", "realm_profiles.emoji_think:EmojiThink", "Thinking and ending with emoji, no think tags."),
        Part("regime3", "realm_profiles.regime3:Regime3", "Canonical forms, the answer between two markers."),
    ]
