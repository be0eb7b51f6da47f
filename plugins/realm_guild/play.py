"""`realm play`: a battle that forges for ever, in a process of its own, shown until it or its player ends."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

import click

from realm_cli import control, phrases, skillstate, status
from realm_cli.errors import EXIT_FAILED, RealmError, RefusedError
from realm_cli.founding import found
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import ProcessMark
from realm_cli.services import Beside
from realm_cli.skillbook import goals_of
from realm_cli.terminal import Context, FiniteRange, is_interactive, pass_context_realm
from realm_guild import lessons, playlines
from realm_guild.playbattle import OthersBattle, OwnBattle, Shown
from realm_guild.playfaces import Face, LiveFace, PlainFace, warnings_shown
from realm_guild.playkeys import Ears, listening
from realm_guild.playscene import Watcher

log = logging.getLogger("realm.play")
LOOK_SECONDS = 0.5
REMEMBER_SECONDS = 60.0
PAUSED = "paused from play"
"""The reason by which a pause of play's own is known: it ends with the battle that play began."""


@click.command("play")
@click.option("--minutes", type=FiniteRange(min=0, min_open=True), help="Save and end after so many minutes.")
@click.option("--until", "goals", metavar="SKILL=LEVEL", multiple=True, help="End when that level is in training.")
@pass_context_realm
def play_command(ctx: Context, minutes: float | None, goals: tuple[str, ...]) -> int:
    """Train the hero for ever, with quests forged at its levels, and show it.

    Ctrl-C saves and stops; the same command goes on later. Where a battle runs already, that one is shown.
    """
    begun = time.monotonic()
    realm, _ = found(ctx.realm.root)
    wanted = goals_of(realm, goals)
    running = status.battle_process(realm)
    if running is not None and wanted:
        raise RefusedError(
            f"a battle runs already (pid {running.pid}), and a running one takes no --until",
            "watch it: realm play; or end it first: realm battle stop",
        )
    if wanted and all(_level(realm, skill) >= level for skill, level in wanted.items()):
        reached = ", ".join(f"{skill} is at level {_level(realm, skill)}" for skill in wanted)
        click.echo(f"the goal is reached: {reached}")
        return 0
    live = _is_live()
    with listening(keys=live) as ears:
        player = Player(realm, ctx.manager, ears, live, None if minutes is None else begun + 60 * minutes)
        return _watch(player, running) if running is not None else _play(player, wanted)


def _is_live() -> bool:
    """Whether a picture can be drawn and keys be read: on a terminal that is ours, not in its background."""
    if not is_interactive() or os.environ.get("TERM", "dumb") == "dumb":
        return False
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:  # not the terminal that controls this process, so no other job of its shell has it either
        return True


def _level(realm: Realm, skill: str) -> int:
    """The level in training of the active hero."""
    state = skillstate.read(realm, realm.config.hero, skill)
    return state.level if state else 1


@dataclass
class Player:
    """Who looks on, and what that person wants."""

    realm: Realm
    manager: Manager
    ears: Ears
    live: bool
    deadline: float | None
    quit: bool = False

    @property
    def wants_to_leave(self) -> bool:
        """By key, by signal or by the clock."""
        late = self.deadline is not None and time.monotonic() >= self.deadline
        return self.quit or bool(self.ears.asked) or late

    @property
    def exit_code(self) -> int:
        """As a shell expects it after a signal; 0 for who quit."""
        return 128 + self.ears.asked if self.ears.asked else 0


def _play(player: Player, goals: Mapping[str, int]) -> int:
    """A battle of our own, from its start to its end."""
    realm = player.realm
    lessons.make_held_out(realm, player.manager)
    with Beside(realm, player.manager) as services, OwnBattle(realm, goals) as battle:
        watcher = Watcher(realm, player.manager, battle.shows)
        click.echo("the hero plays; Ctrl-C saves and stops")
        watcher.scene.services = services.addresses()
        for line in watcher.scene.services:
            click.echo(line)
        _show(player, battle, watcher)
        failed, said = battle.failed, battle.said()
    flag = control.read(realm, "pause")
    if flag is not None and flag.reason == PAUSED:
        control.lower(realm, "pause")
    if failed:
        return _say_death(realm, said)
    _say_end(player, watcher)
    return player.exit_code


def _watch(player: Player, mark: ProcessMark) -> int:
    """Someone else's battle; it goes on when we leave."""
    battle = OthersBattle(mark)
    watcher = Watcher(player.realm, player.manager, battle.shows)
    watcher.scene.watching = True
    click.echo(f"a battle runs already (pid {battle.pid}); it is shown here, and leaving does not end it")
    _show(player, battle, watcher)
    if not battle.is_over():
        click.echo("the battle goes on; watch it again: realm play; end it: realm battle stop")
        return player.exit_code
    _say_end(player, watcher)
    return EXIT_FAILED if watcher.scene.snapshot.battle_state in ("failed", "dead") else 0


def _show(player: Player, battle: Shown, watcher: Watcher) -> None:
    """Show the battle until it is over, or until who watches another one's leaves."""
    scene = watcher.scene
    scene.away = playlines.told_away(player.realm, scene.snapshot)
    for line in scene.away:
        click.echo(line)
    face: Face = LiveFace(scene) if player.live else PlainFace(scene)
    with warnings_shown(face), face:
        _follow(player, battle, watcher, face)
        watcher.gaze()
        face.show(watcher.look())
        _remember(player.realm, watcher)


def _follow(player: Player, battle: Shown, watcher: Watcher, face: Face) -> None:
    """Look, show, wait for a key or a signal, and again."""
    look_at = remember_at = 0.0
    while not battle.is_over():
        if player.wants_to_leave and not watcher.scene.leaving:
            watcher.scene.leaving, look_at = True, 0.0
            battle.leave()
            if not battle.own:
                return
        if time.monotonic() >= look_at:
            look_at = time.monotonic() + LOOK_SECONDS
            face.show(watcher.look())
        if time.monotonic() >= remember_at:
            remember_at = time.monotonic() + REMEMBER_SECONDS
            _remember(player.realm, watcher)
        for key in player.ears.wait(max(0.0, look_at - time.monotonic())):
            _obey(player, watcher, key)


def _obey(player: Player, watcher: Watcher, key: str) -> None:
    """What a key asks for; other keys mean nothing."""
    try:
        if key == "p" and not control.is_up(player.realm, "pause"):
            control.raise_flag(player.realm, "pause", PAUSED)
        elif key == "r":
            control.lower(player.realm, "pause")
        elif key == "s":
            watcher.scene.save_asked = control.raise_flag(player.realm, "save", "asked for in play").when
        elif key == "q":
            player.quit = True
    except RealmError as error:  # a full disk must not end the battle
        log.warning("%s", error.message)


def _remember(realm: Realm, watcher: Watcher) -> None:
    """Note how the hero stands, for "while you were away"; should play be killed, the last note counts."""
    try:
        playlines.remember(realm, watcher.scene.snapshot)
    except RealmError as error:
        log.warning("%s", error.message)


def _say_end(player: Player, watcher: Watcher) -> None:
    """Why it ended, and where the hero stands."""
    training = watcher.scene.training
    if training is not None:
        reason = phrases.why(training.reason)
        if reason or not watcher.scene.leaving:
            click.echo(f"the battle ended: {reason or training.state}")
    for line in playlines.summary(player.realm, watcher.scene.snapshot):
        click.echo(line)


def _say_death(realm: Realm, said: str) -> int:
    """The last words of a battle that died."""
    click.echo("the battle died; its last words:", err=True)
    for line in playlines.last_errors(realm, said):
        click.echo(f"  {line}", err=True)
    click.echo("hint: see all of it with `realm battle log`; `realm play` goes on from the last checkpoint", err=True)
    return EXIT_FAILED
