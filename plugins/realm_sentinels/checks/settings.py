"""Settings, plugins, the Python environment, the token."""

from __future__ import annotations

import os
import stat
from importlib import metadata

from realm_cli import configcheck, skillbook
from realm_cli.checks import Check, Finding
from realm_cli.errors import RealmError, StorageError
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.websafety import read_token, token_path

DISTRIBUTION = "realm-hero"
SHOWN = 5
MADE_HOOKS = ("realm_services", "realm_tasks", "realm_checks")
"""Parts that run without anybody looking on."""


def look_at_config(realm: Realm, manager: Manager) -> list[Finding]:
    """Every mistake in every file that people write."""
    problems = [problem.message for report in configcheck.check_all(realm) for problem in report.problems]
    try:
        problems += [f"skill {name}: {why}" for name, why in skillbook.open_skills(realm, manager)[1].items()]
    except RealmError as error:
        problems.append(error.message)
    return [
        Finding(check="config", grade="error", message=problem, evidence="realm config check", remedy="mend that line")
        for problem in problems
    ]


CONFIG = Check("config", "all settings are right", look_at_config)


def look_at_plugins(realm: Realm, manager: Manager) -> list[Finding]:
    """Plugins that cannot be loaded, and parts of theirs that would fail when their turn comes."""
    broken = {plugin.name: plugin.error for plugin in manager.plugins if plugin.error}
    for hook in MADE_HOOKS:
        for name in manager.parts(hook):
            try:
                manager.load_part(hook, name, hook.removeprefix("realm_").rstrip("s"))
            except RealmError as error:
                broken[f"{hook} {name}"] = error.message
    return [
        Finding(
            check="plugins",
            grade="error",
            message=f"{name} is broken",
            evidence=why,
            remedy="mend it, or realm plugins disable NAME",
        )
        for name, why in broken.items()
    ]


PLUGINS = Check("plugins", "all plugins can be loaded", look_at_plugins)


def look_at_python(realm: Realm, manager: Manager) -> list[Finding]:
    """Installed packages against what this Realm asks for."""
    wrong = _wrong_packages()
    if not wrong:
        return []
    return [
        Finding(
            check="python", grade="error", message="the Python environment does not fit",
            evidence="; ".join(wrong[:SHOWN]), remedy="make setup",
        )
    ]  # fmt: skip


def _wrong_packages() -> list[str]:
    """A line for each package that is missing or of another version. Reads metadata, imports nothing of them."""
    from packaging.requirements import Requirement

    wrong = []
    for text in metadata.requires(DISTRIBUTION) or []:
        needed = Requirement(text)
        if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(needed.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{needed.name} is not installed")
            continue
        if not needed.specifier.contains(version, prereleases=True):
            wrong.append(f"{needed.name} {version} is installed, {needed.specifier} is needed")
    return wrong


PYTHON = Check("python", "the Python environment fits", look_at_python)


def look_at_token(realm: Realm, manager: Manager) -> list[Finding]:
    """Whether the token of the services is its owner's alone."""
    path = token_path(realm)
    try:
        facts = path.stat()
    except FileNotFoundError:
        return [Finding(check="token", grade="ok", message="no service has needed a token yet")]
    mode = stat.S_IMODE(facts.st_mode)
    if facts.st_uid != os.getuid():
        return [
            Finding(
                check="token", grade="error", message="the token of the services belongs to another user",
                evidence=f"{path}: uid {facts.st_uid}", remedy=f"delete {path}, and a new one is made",
            )
        ]  # fmt: skip
    if mode & 0o077:
        return [
            Finding(
                check="token", grade="error", message="other users may read the token of the services",
                evidence=f"{path}: mode {mode:04o}", remedy=f"chmod 600 {path}; or delete it, and a new one is made",
                fix="make it readable for its owner alone",
            )
        ]  # fmt: skip
    try:
        read_token(realm)
    except RealmError as error:
        return [Finding(check="token", grade="error", message=error.message, remedy=error.hint)]
    return [Finding(check="token", grade="ok", message="the token is its owner's alone", evidence=f"mode {mode:04o}")]


def hide_token(realm: Realm, manager: Manager, finding: Finding) -> str:
    """Take the token away from everybody else."""
    path = token_path(realm)
    try:
        path.chmod(0o600)
    except OSError as error:
        raise StorageError("change the mode of", path, error) from error
    return f"{path} has mode 0600; whoever had read it knows it still, so delete it for a new one"


TOKEN = Check("token", "the token of the services is hidden", look_at_token, hide_token)
