"""What this plugin offers."""

from __future__ import annotations

from realm_cli.hookspecs import hookimpl
from realm_cli.parts import Part

_C = "realm_guild.commands"
_E = "realm_guild.eval_commands"
_H = "realm_guild.champion_commands"
_S = "realm_guild.schedule_commands"


@hookimpl
def realm_commands() -> list[Part]:
    """Looking at skills, forging quests from them, playing."""
    return [
        Part("skill list", f"{_C}:list_command", "List the skills of this realm."),
        Part("skill show", f"{_C}:show_command", "Show one skill with its levels."),
        Part("skill sample", f"{_C}:sample_command", "Print problems with their golden answers."),
        Part("skill judge", f"{_C}:judge_command", "Judge replies from standard input."),
        Part("skill eval", f"{_E}:eval_command", "Examine a checkpoint on a level."),
        Part("skill history", f"{_E}:history_command", "Every eval, with a curve for each level."),
        Part("skill relearn", f"{_E}:relearn_command", "Go back to a mastered level."),
        Part("skill schedule show", f"{_S}:show_command", "Which skill is forged next, and why."),
        Part("skill schedule set", f"{_S}:set_command", "Change the strategy, or the settings of one skill."),
        Part("skill schedule preset", f"{_S}:preset_command", "Set the curriculum to a preset."),
        Part("champion show", f"{_H}:show_command", "Show the champion."),
        Part("champion history", f"{_H}:history_command", "Show who was champion when and why."),
        Part("champion promote", f"{_H}:promote_command", "Make a checkpoint the champion."),
        Part("play", "realm_guild.play:play_command", "Train the hero, with progress shown."),
        Part("quest forge", f"{_C}:forge_command", "Make a quest of fresh problems and queue it."),
        Part("quest import", "realm_guild.import_command:import_command", "Turn other tools' data files into quests."),
    ]


@hookimpl
def realm_callbacks() -> list[Part]:
    """Evals, levels and forging inside a battle."""
    return [Part("guild", "realm_guild.callback:GuildCallback", "Evals, levels, forging on demand.")]


@hookimpl
def realm_pages() -> list[Part]:
    """The guild in the Tavern."""
    return [
        Part("guild", "realm_guild.page:PAGE", "Skills, evals, champion."),
        Part("forge", "realm_guild.schedule_page:PAGE", "Which skill is forged next, and why."),
    ]


@hookimpl
def realm_checks() -> list[Part]:
    """What the doctor asks the guild."""
    return [Part("evals", "realm_guild.checks:EVALS", "Evals that are stuck.")]


@hookimpl
def realm_tasks() -> list[Part]:
    """Work for idle machines."""
    return [
        Part("process_eval_queue", "realm_guild.tasks:EVALS", "Pending evals of saved checkpoints."),
        Part("generate_binary", "realm_guild.tasks:FORGE", "A BIN quest at the hero's level."),
    ]


@hookimpl
def realm_importers() -> list[Part]:
    """Formats of other tools' data files."""
    module = "realm_guild.importers"
    return [
        Part("pairs", f"{module}:Pairs", "user_prompt, assistant_response."),
        Part("problems", f"{module}:Problems", "prompt, expected."),
        Part("messages", f"{module}:Messages", "messages with role and content."),
        Part("alpaca", f"{module}:Alpaca", "instruction, input, output."),
        Part("sharegpt", f"{module}:ShareGpt", "conversations with from and value."),
    ]


@hookimpl
def realm_records() -> list[Part]:
    """The guild's own files."""
    module = "realm_guild.records"
    return [
        Part("eval_set", f"{module}:EvalSet", "The problems of every eval of one level."),
        Part("eval_request", f"{module}:EvalRequest", "An eval that is to be made."),
        Part("eval", f"{module}:EvalResult", "One eval of one checkpoint."),
        Part("play", "realm_guild.play_records:PlayRecord", "How the hero stood when play was left."),
    ]
