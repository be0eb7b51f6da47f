"""The plugin manager: finds plugins by entry point, gathers their parts, keeps one broken plugin from stopping the rest."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import msgspec
import pluggy

from realm_cli import hookspecs
from realm_cli.discovery import EntryPoint, entry_points
from realm_cli.errors import NotFoundError, RealmError, nearest
from realm_cli.parts import Part

if TYPE_CHECKING:
    from collections.abc import Iterable

    from realm_cli.realm import Realm
    from realm_cli.skills import Skill

log = logging.getLogger("realm.plugins")


class Plugin(msgspec.Struct):
    """One installed plugin and how it stands."""

    name: str
    entry: EntryPoint
    enabled: bool = True
    error: str = ""

    def as_json(self) -> dict[str, Any]:
        """The stable keys of a plugin for scripts. Reads the distribution's metadata, which no other command needs."""
        installed = self.entry.distribution()
        return {
            "name": self.name,
            "version": installed.version,
            "enabled": self.enabled,
            "distribution": installed.name,
            "error": self.error or None,
        }


class Manager(msgspec.Struct):
    """All plugins of one command. Make it with `load`."""

    plugins: list[Plugin] = msgspec.field(default_factory=list)
    hooks: pluggy.PluginManager = msgspec.field(default_factory=lambda: pluggy.PluginManager(hookspecs.GROUP))
    _parts: dict[str, dict[str, Part]] = msgspec.field(default_factory=dict)
    """What was gathered already, so that a plugin is asked, and blamed, once."""

    @classmethod
    def load(cls, disabled: Iterable[str] = ()) -> Manager:
        """Import every enabled plugin; one that fails is named in a warning and left out."""
        manager = cls()
        manager.hooks.add_hookspecs(hookspecs)
        out = set(disabled)
        entries = sorted(_unique(entry_points(hookspecs.GROUP)), key=lambda entry: entry.name)
        givers: dict[str, list[str]] = {}
        for entry in entries:
            givers.setdefault(entry.name, []).append(entry.value)
        for entry in entries:
            manager._add(entry, enabled=entry.name not in out, givers=givers[entry.name])
        return manager

    @classmethod
    def of(cls, realm: Realm | None) -> Manager:
        """The manager for a realm with its disabled plugins left out."""
        return cls.load(realm.config.plugins.disabled if realm else ())

    def _add(self, entry: EntryPoint, *, enabled: bool, givers: list[str]) -> None:
        plugin = Plugin(name=entry.name, entry=entry, enabled=enabled)
        self.plugins.append(plugin)
        if not enabled:
            return
        try:
            if len(givers) > 1:
                raise RealmError(f"several plugins have this name: {', '.join(givers)}")
            hooks = entry.load()
            self.hooks.register(hooks, name=entry.name)
            if not all(caller.has_spec() for caller in self.hooks.get_hookcallers(hooks) or ()):
                self.hooks.check_pending()  # tells which hook nobody knows
        except (Exception, SystemExit) as error:  # the edge of a plugin: whatever it raises stays its own
            plugin.error = f"{type(error).__name__}: {error}"
            if self.hooks.has_plugin(entry.name):
                self.hooks.unregister(name=entry.name)
            log.warning("plugin '%s' (%s) is left out: %s", entry.name, entry.value, plugin.error)

    def parts(self, hook: str) -> dict[str, Part]:
        """All parts that the plugins offer at `hook`, by name. A name offered twice is refused, naming both."""
        if hook not in self._parts:
            self._parts[hook] = self._gather(hook)
        return self._parts[hook]

    def _gather(self, hook: str) -> dict[str, Part]:
        found: dict[str, Part] = {}
        givers: dict[str, str] = {}
        twice: set[str] = set()
        for name, part in self._offers(hook):
            if part.name in givers:
                twice.add(part.name)
                log.warning(
                    "'%s' is offered by the plugins '%s' and '%s' (%s) and refused; disable one of them: realm plugins disable NAME",
                    part.name, givers[part.name], name, hook,
                )  # fmt: skip
            givers[part.name] = name
            found[part.name] = part
        return {name: part for name, part in found.items() if name not in twice}

    def _offers(self, hook: str) -> Iterable[tuple[str, Part]]:
        for implementation in getattr(self.hooks.hook, hook).get_hookimpls():
            try:
                for part in implementation.function():
                    if not isinstance(part, Part):
                        raise TypeError(f"{hook} gave {part!r}, which is not a Part")
                    yield implementation.plugin_name, part
            except Exception as error:  # the edge of a plugin
                self._blame(implementation.plugin_name, error)

    def _blame(self, name: str, error: Exception) -> None:
        log.warning("plugin '%s' is left out: %s: %s", name, type(error).__name__, error)
        for plugin in self.plugins:
            if plugin.name == name:
                plugin.error = f"{type(error).__name__}: {error}"

    def load_part(self, hook: str, name: str, noun: str) -> Any:
        """The object behind one part; a missing or broken one raises a `RealmError` that says so."""
        parts = self.parts(hook)
        if name not in parts:
            raise NotFoundError(f"there is no {noun} '{name}'", nearest(name, parts))
        try:
            return parts[name].load()
        except RealmError:
            raise
        except Exception as error:  # the edge of a plugin
            raise RealmError(
                f"{noun} '{name}' cannot be loaded ({parts[name].target}): {type(error).__name__}: {error}",
                "mend or disable its plugin: realm plugins list",
            ) from error

    def skill(self, name: str) -> Skill:
        """The skill `name`, ready to use."""
        found = self.load_part("realm_skills", name, "skill")
        skill: Skill = found() if isinstance(found, type) else found
        return skill


def _unique(entries: Iterable[EntryPoint]) -> list[EntryPoint]:
    """Each plugin once: a checkout on sys.path can show the same distribution twice."""
    return list({(entry.name, entry.value): entry for entry in entries}.values())
