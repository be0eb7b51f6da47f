"""The command line: a tree of verbs, each imported when it is used, and the one edge where errors become messages."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sys
from functools import cached_property

import click

from realm_cli import __version__
from realm_cli.errors import EXIT_FAILED, EXIT_USAGE, RealmError, nearest
from realm_cli.parts import Part
from realm_cli.terminal import Context, log_to_stderr

log = logging.getLogger("realm.main")

GROUPS = {
    "archive": "Copies of configs, ledger and curriculum to go back to.",
    "battle": "Training: start, pause, stop, watch.",
    "champion": "The best checkpoint.",
    "config": "Read, check and change the configuration.",
    "cron": "The realm's lines in the crontab.",
    "herald": "Notifications about what happened.",
    "hero": "The models that are trained.",
    "job": "Programs that run here, over ssh or on Slurm.",
    "ledger": "Every checkpoint and its true statistics.",
    "oracle": "Talk to exact checkpoints.",
    "plugins": "What is installed and what is enabled.",
    "quest": "Training data files and their way through the board.",
    "skill": "Families of machine-checked problems.",
    "skill schedule": "Which skill is forged next, and why.",
    "spar": "Wrong answers become training data.",
    "task": "Background work when the GPU is idle.",
    "vault": "Where every checkpoint lies, and moving it.",
    "weaver": "Services that are kept alive.",
}

_C = "realm_cli.commands"
CORE_COMMANDS = [
    Part("init", f"{_C}.init:init_command", "Make a realm in a folder."),
    Part("status", f"{_C}.status:status_command", "Show hero, battle, board and skills."),
    Part("completion", f"{_C}.completion:completion_command", "Print the completion script for a shell."),
    Part("config show", f"{_C}.config:show_command", "Print the whole configuration."),
    Part("config get", f"{_C}.config:get_command", "Print one value."),
    Part("config set", f"{_C}.config:set_command", "Change one value; comments stay."),
    Part("config check", f"{_C}.config:check_command", "Check every configuration file."),
    Part("hero list", f"{_C}.hero:list_command", "List the heroes."),
    Part("hero show", f"{_C}.hero:show_command", "Show one hero."),
    Part("hero recruit", f"{_C}.hero:recruit_command", "Add a model from a folder or a Hub id."),
    Part("hero use", f"{_C}.hero:use_command", "Make a hero the active one."),
    Part("plugins list", f"{_C}.plugins:list_command", "List the plugins."),
    Part("plugins enable", f"{_C}.plugins:enable_command", "Let a plugin take part again."),
    Part("plugins disable", f"{_C}.plugins:disable_command", "Leave a plugin out."),
    Part("quest add", f"{_C}.quest:add_command", "Copy files to the board."),
    Part("quest intake", f"{_C}.quest:intake_command", "Take in what lies in the inbox."),
    Part("quest list", f"{_C}.quest:list_command", "List quests by state."),
    Part("quest show", f"{_C}.quest:show_command", "Show one quest with its report and preview."),
    Part("quest cancel", f"{_C}.quest_moves:cancel_command", "Take quests off the board."),
    Part("quest retry", f"{_C}.quest_moves:retry_command", "Queue ended quests again."),
    Part("quest move", f"{_C}.quest_moves:move_command", "Change the priority of quests."),
    Part("quest delete", f"{_C}.quest_moves:delete_command", "Delete the data files of ended quests."),
    Part("quest validate", f"{_C}.quest:validate_command", "Inspect a file or a quest; change nothing."),
    Part("ledger list", f"{_C}.ledger:list_command", "List checkpoints, newest first."),
    Part("ledger show", f"{_C}.ledger:show_command", "Show one checkpoint."),
    Part("ledger latest", f"{_C}.ledger:latest_command", "Show the newest checkpoint."),
    Part("ledger best", f"{_C}.ledger:best_command", "Show the best checkpoint by a metric."),
    Part("ledger lineage", f"{_C}.ledger:lineage_command", "What a checkpoint is made of; who saw a quest."),
]


class Branch(click.Group):
    """A group whose verbs are parts: listing them imports no command, calling one imports just that one."""

    def __init__(self, name: str, path: tuple[str, ...] = (), **attributes: object) -> None:
        super().__init__(name, **attributes)  # type: ignore[arg-type]
        self.path = path

    @cached_property
    def core(self) -> dict[str, Part]:
        """The core's own parts below this branch."""
        return _below(self.path, {part.name: part for part in CORE_COMMANDS})

    def offered(self, context: click.Context) -> dict[str, Part]:
        """Core and plugin parts below this branch; a plugin cannot take a name of the core."""
        return {**_below(self.path, _plugin_parts(context)), **self.core}

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted({_rest(self.path, name)[0] for name in self.offered(context)})

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        full = " ".join([*self.path, name])
        parts = self.core
        if full not in parts and not _below((*self.path, name), parts):
            parts = self.offered(context)
        if full in parts:
            return _load_command(parts[full])
        verbs = {_rest((*self.path, name), verb)[0] for verb in _below((*self.path, name), parts)}
        if verbs:
            # A verb may be written as an option: `realm weaver --daemon`.
            settings = {"ignore_unknown_options": any(verb.startswith("-") for verb in verbs)}
            help_text = GROUPS.get(full, f"Commands of {full}.")
            return Branch(name, (*self.path, name), help=help_text, context_settings=settings)
        return None

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        word = args[0]
        try:
            return super().resolve_command(context, args)
        except click.NoSuchCommand:
            known = self.list_commands(context)
            context.fail(f"no command '{' '.join([*self.path, word])}'; {nearest(word, known)}")

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        offered = self.offered(context)
        rows = []
        for name in self.list_commands(context):
            full = " ".join([*self.path, name])
            summary = offered[full].summary if full in offered else GROUPS.get(full, "")
            if full not in offered or summary:  # what programs alone call has none
                rows.append((name, summary))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _rest(path: tuple[str, ...], name: str) -> list[str]:
    return name.split(" ")[len(path) :]


def _below(path: tuple[str, ...], parts: dict[str, Part]) -> dict[str, Part]:
    """The parts whose name lies strictly below `path`."""
    prefix = "".join(f"{word} " for word in path)
    return {name: part for name, part in parts.items() if name.startswith(prefix) and name != prefix.strip()}


def _plugin_parts(context: click.Context) -> dict[str, Part]:
    """Commands of the plugins; without a usable realm all installed plugins count, so that help always works."""
    from realm_cli.manager import Manager

    root = context.find_root()
    if "realm.plugin_parts" not in root.meta:
        shared = context.find_object(Context) or Context()
        try:
            manager = shared.manager
        except RealmError:
            manager = Manager.of(None)
        parts = dict(manager.parts("realm_commands"))
        for name in sorted(parts.keys() & {part.name for part in CORE_COMMANDS}):
            log.warning("the command '%s' is the core's; the plugin's (%s) is left out", name, parts.pop(name).target)
        root.meta["realm.plugin_parts"] = parts
    found: dict[str, Part] = root.meta["realm.plugin_parts"]
    return found


def _load_command(part: Part) -> click.Command:
    try:
        command = part.load()
        if not isinstance(command, click.Command):
            raise TypeError(f"it is a {type(command).__name__}, not a click command")
    except RealmError:
        raise
    except Exception as error:  # the edge of a plugin
        raise RealmError(
            f"the command '{part.name}' cannot be loaded ({part.target}): {type(error).__name__}: {error}",
            "mend or disable its plugin: realm plugins list",
        ) from error
    return command


@click.pass_context
def _bare(context: click.Context, realm: str | None) -> None:
    """The bare `realm` shows the status."""
    if realm:
        context.obj = Context(realm)
    if context.invoked_subcommand is None:
        status = context.command.get_command(context, "status")  # type: ignore[attr-defined]
        context.invoke(status)


root = Branch(
    "realm",
    callback=_bare,
    invoke_without_command=True,
    help="Realm keeps training one small language model on the machines you own.\n\n"
    "Without a command it shows the status. --realm DIR names the realm for any command.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
click.version_option(__version__, prog_name="realm")(root)
click.option("--realm", metavar="DIR", help="The realm (default: REALM_HOME, or the nearest folder above).")(root)


def take_realm_option(arguments: list[str]) -> tuple[str | None, list[str]]:
    """`--realm DIR` may stand anywhere before `--`; the rest of the line is returned without it."""
    found: str | None = None
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--":
            return found, [*rest, word, *words]
        if word == "--realm":
            found = next(words, "")
        elif word.startswith("--realm="):
            found = word.removeprefix("--realm=")
        else:
            rest.append(word)
        if found == "":  # an unset variable in a script must not mean the realm that happens to be near
            raise click.UsageError("--realm needs a folder")
    return found, rest


def main(arguments: list[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    log_to_stderr()
    try:
        explicit, rest = take_realm_option(sys.argv[1:] if arguments is None else arguments)
        outcome = root.main(args=rest, prog_name="realm", standalone_mode=False, obj=Context(explicit))
        return outcome if isinstance(outcome, int) else 0
    except RealmError as error:
        return _report(error)
    except click.exceptions.Exit as exit_request:
        return exit_request.exit_code
    except click.ClickException as error:
        error.show()
        return EXIT_USAGE if isinstance(error, click.UsageError) else EXIT_FAILED
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 130
    except BrokenPipeError:
        # The reader of our output left (`| head`): stop quietly, also at the interpreter's own flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except OSError as error:
        if error.filename is None and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return _report(RealmError(f"cannot write the output: {error.strerror}", "free space where it goes to"))
        if error.filename is None:
            raise
        return _report(
            RealmError(f"{error.filename}: {error.strerror}", "check the path, its disk and its permissions")
        )


def _report(error: RealmError) -> int:
    with contextlib.suppress(BrokenPipeError):
        click.echo(f"error: {error.message}", err=True)
        if error.hint:
            click.echo(f"hint: {error.hint}", err=True)
    return error.exit_code


def entry() -> None:
    """The console script."""
    sys.exit(main())
