"""`realm weaver up|down|status|mend|logs|daemon`."""

from __future__ import annotations

import logging
import sys
import time

import click

from realm_cli import services
from realm_cli.errors import EXIT_FAILED, NotFoundError, RealmError, nearest
from realm_cli.realm import Realm
from realm_cli.service_records import ServiceState
from realm_cli.terminal import Context, emit, fold, json_option, note, pass_context_realm, quiet_option, table
from realm_weaver import asking, logs, requests, views
from realm_weaver.plan import Plan, chosen, plan


@click.command("up")
@click.argument("names", metavar="[SERVICE]...", nargs=-1)
@click.option("--daemon", is_flag=True, help="Start the weaver and do not wait for the services.")
@quiet_option
@pass_context_realm
def up_command(ctx: Context, names: tuple[str, ...], daemon: bool, quiet: bool) -> int:
    """Start the SERVICEs (default: all enabled ones) with what they need, and keep them alive.

    A weaver is started in the background where none runs; it goes on when the terminal goes. Exit code 1 when one of them
    is not ready.
    """
    asked = _ask_for(ctx, names, say_pid=daemon and not quiet)
    if daemon or asking.settle(ctx.realm, asked, lambda state: _say(state, quiet=quiet)):
        return 0
    return EXIT_FAILED


@click.command("--daemon")
@quiet_option
@pass_context_realm
def background_command(ctx: Context, quiet: bool) -> None:
    """Start all enabled services with the weaver in the background, as `realm weaver up --daemon`."""
    _ask_for(ctx, (), say_pid=not quiet)


def _ask_for(ctx: Context, names: tuple[str, ...], *, say_pid: bool) -> list[str]:
    """Have the services kept alive, by a weaver that is started where none runs; their names."""
    asked = chosen(plan(ctx.realm, ctx.manager), names)
    request = requests.wish(ctx.realm, lambda before: sorted({*before, *asked}), retry=True)
    running = asking.seen_by_weaver(ctx.realm, request, lambda: bool({*asked} & {*requests.read(ctx.realm).services}))
    if running is None:
        raise asking.stopped_meanwhile(asked[0])
    if say_pid:
        click.echo(f"the weaver runs, pid {running.process.pid}")
    return asked


def _say(state: ServiceState, *, quiet: bool) -> None:
    """How it came out; bad news are said with -q as well."""
    if state.state not in ("ready", "foreign"):
        note(f"warning: {views.line(state)}")
    elif not quiet:
        click.echo(views.line(state))


@click.command("down")
@click.argument("names", metavar="[SERVICE]...", nargs=-1)
@quiet_option
@pass_context_realm
def down_command(ctx: Context, names: tuple[str, ...], quiet: bool) -> None:
    """Stop the SERVICEs (default: all) and those that need them. When nothing is left, the weaver ends as well."""
    realm = ctx.realm
    seen = services.seen(realm)
    for name in names:
        if name not in seen:
            raise NotFoundError(f"the weaver keeps no service '{name[:100]}'", nearest(name, seen))
    before = {name: state for name, state in seen.items() if state.state != "stopped"}
    stopping = _with_users(seen, names) if names else list(seen)
    was_running = services.weaver(realm) is not None
    request = requests.wish(realm, lambda wanted: [name for name in wanted if names and name not in stopping])
    if not was_running and not _has_process(seen):
        if not quiet:
            note("no service runs")
        return
    asking.seen_by_weaver(realm, request, lambda: _has_process(services.seen(realm)))

    def tell(state: ServiceState) -> None:
        earlier = before.get(state.name)
        if earlier is None or quiet:
            return
        foreign = earlier.state == "foreign"
        click.echo(f"{state.name} {'is left alone: ' + earlier.reason if foreign else 'is stopped'}")

    asking.stopped(realm, [name for name in stopping if name in before], tell)
    if not names:
        asking.gone(realm)


def _has_process(seen: dict[str, ServiceState]) -> bool:
    """Whether something is left that only a weaver may end."""
    return any(state.process is not None and state.state != "foreign" for state in seen.values())


def _with_users(seen: dict[str, ServiceState], names: tuple[str, ...]) -> list[str]:
    """The services, and those that cannot run without them."""
    found = set(names)
    while more := {name for name, state in seen.items() if name not in found and found & set(state.needs)}:
        found |= more
    return sorted(found)


@click.command("status")
@json_option
@pass_context_realm
def status_command(ctx: Context, as_json: bool) -> None:
    """Show every service, and a reason for each that should run and does not.

    While the settings have a mistake: the services that the weaver knows, then the mistake; exit code 1.
    """
    known, mistake = _known(ctx)
    data = views.document(ctx.realm, known)

    def render() -> None:
        columns = ["service", "state", "for", "restarts", "memory", "where"]
        click.echo(table(views.table_rows(data["services"]), columns, fit=["service"]))
        for line in views.reasons(data["services"]):
            click.echo(fold(line))
        weaver = data["weaver"]
        if weaver["problem"] and mistake is None:
            note(f"warning: {weaver['problem']}; the weaver goes on with the settings that it had")
        if not weaver["running"]:
            wanted = any(row["wanted"] for row in data["services"])
            click.echo(f"no weaver runs: realm weaver {'mend' if wanted else 'up'}")

    emit(data, as_json, render)
    if mistake is not None:
        raise mistake


def _known(ctx: Context) -> tuple[Plan | None, RealmError | None]:
    """The plan, or what is wrong in the settings that it is made from."""
    try:
        return plan(ctx.realm, ctx.manager), None
    except RealmError as error:
        return None, error


@click.command("mend")
@quiet_option
@pass_context_realm
def mend_command(ctx: Context, quiet: bool) -> int:
    """Bring back once what should run and does not; nothing to say when all is well. For cron: realm cron install.

    A weaver that is gone is started again; one that does not answer is ended first. Its services go on meanwhile.
    """
    realm = ctx.realm
    wanted = requests.read(realm).services
    before = services.seen(realm)
    if services.weaver(realm) is None and not _has_process(before):
        known = plan(realm, ctx.manager)
        wanted = [name for name in wanted if name in known]  # a weaver that has nothing to keep would end at once
    if not wanted:
        return 0
    if services.weaver(realm) is None and not quiet:
        click.echo("no weaver runs; one is started")
    request = requests.wish(realm, lambda names: names)

    def is_needed() -> bool:
        return bool(requests.read(realm).services)

    try:
        running = asking.seen_by_weaver(realm, request, is_needed)
    except asking.SilentError as silence:
        note(f"warning: {silence.message}; it is ended and another one started")
        asking.end_hanging(realm)
        running = asking.seen_by_weaver(realm, request, is_needed)
    if running is None:
        return 0  # somebody stopped all of them meanwhile

    def tell(state: ServiceState) -> None:
        earlier = before.get(state.name)
        if earlier is None or earlier.state != state.state or earlier.process != state.process:
            _say(state, quiet=quiet)

    kept = services.seen(realm)
    return 0 if asking.settle(realm, [name for name in wanted if name in kept], tell) else EXIT_FAILED


@click.command("logs")
@click.argument("service")
@click.option("-f", "--follow", is_flag=True, help="Go on showing new lines until interrupted.")
@click.option("-n", "--lines", type=click.IntRange(0), default=20, show_default=True, help="Lines to begin with.")
@pass_context_realm
def logs_command(ctx: Context, service: str, follow: bool, lines: int) -> None:
    """Show what SERVICE says, `weaver` for the weaver's own log."""
    realm = ctx.realm
    planned, mistake = _known(ctx)
    known = [*(services.seen(realm) if planned is None else planned), logs.OWN]
    path = services.log_path(realm, service)
    if service not in known:
        raise mistake or NotFoundError(f"there is no service '{service[:100]}'", nearest(service, known))
    if not path.exists() and not follow:
        raise NotFoundError(f"there is no log of {service} yet", f"start it: realm weaver up {service}")
    for line in logs.last_lines(path, lines):
        click.echo(line)
    if follow:
        for line in logs.new_lines(path):
            click.echo(line)


@click.command("daemon")
@click.option(
    "--background", is_flag=True, hidden=True, help="Started by `realm weaver up`: what is wanted, nothing else."
)
@click.option("--beside", is_flag=True, hidden=True, help="Started by `realm play`: until standard input ends.")
@pass_context_realm
def daemon_command(ctx: Context, background: bool, beside: bool) -> None:
    """Keep services alive in the foreground until SIGTERM or Ctrl-C, as systemd wants it.

    What `realm weaver up` asked for; all enabled services where nothing was asked for.
    """
    from realm_weaver.weaver import Weaver

    realm = ctx.realm
    _log_to_stderr(realm, quiet=beside)
    if not background and not beside and not requests.read(realm).services:
        asked = chosen(plan(realm, ctx.manager), ())
        requests.wish(realm, lambda before: sorted({*before, *asked}), retry=True)
    Weaver(realm, ctx.manager, beside=beside).run()


def _log_to_stderr(realm: Realm, *, quiet: bool) -> None:
    """With times, as nobody sits there."""
    realm.logs.mkdir(parents=True, exist_ok=True)
    handler = logging.StreamHandler(sys.stderr)
    form = logging.Formatter("%(asctime)sZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    form.converter = time.gmtime
    handler.setFormatter(form)
    logger = logging.getLogger("realm")
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
    logger.handlers = [handler]
