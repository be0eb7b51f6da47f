"""Third parties' distributions as pip would leave them, in a folder for PYTHONPATH."""

from __future__ import annotations

import os
import subprocess
import textwrap
from pathlib import Path

from helpers import PATIENCE, Ran, environment, realm_line
from realm_cli.realm import Realm

HEAD = "from realm_cli.hookspecs import hookimpl\nfrom realm_cli.parts import Part\n"


class Site:
    """A folder of installed distributions."""

    def __init__(self, folder: Path, realm: Realm) -> None:
        self.folder = folder
        self.realm = realm

    def install(self, name: str, hooks: str, *, module: str = "", **modules: str) -> None:
        """A distribution `NAME-plugin` 1.2 whose plugin `name` has these hooks and further modules."""
        module = module or f"{name}_plugin"
        self.write(module, HEAD + textwrap.dedent(hooks))
        for other, text in modules.items():
            self.write(other, textwrap.dedent(text))
        info = self.folder / f"{module}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[realm]\n{name} = {module}\n")

    def configure_skill(self, name: str, max_level: int) -> None:
        """The YAML that brings a plugin's skill into the realm."""
        text = f"id: {name}\nname: {name.title()}\nmax_level: {max_level}\nplugin: {name}\n"
        (self.realm.skills / f"{name}.yaml").write_text(text)

    def write(self, module: str, text: str) -> None:
        """A module."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / f"{module}.py").write_text(text)

    def run(self, *args: object, stdin: str = "") -> Ran:
        """One real `realm` line with these distributions installed."""
        path = os.pathsep.join([str(self.folder), *filter(None, [os.environ.get("PYTHONPATH")])])
        done = subprocess.run(
            realm_line(*args, realm=self.realm), input=stdin, capture_output=True, text=True, timeout=PATIENCE,
            env={**environment(), "PYTHONPATH": path}, check=False,
        )  # fmt: skip
        return Ran(done.returncode, done.stdout, done.stderr)
