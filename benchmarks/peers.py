"""The peers' own environment, `build/peers/.venv`, with the versions in `peers.txt`. Nothing of it reaches the user's."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.common import BUILD

WANTED = Path(__file__).with_name("peers.txt")
FOLDER = BUILD / "peers" / ".venv"
STAMP = FOLDER / "peers.stamp"
"""Written last: from which list and Python the environment was made."""


def python() -> Path:
    """The peers' interpreter; makes or renews the environment where it is not as `peers.txt` says."""
    state = f"{hashlib.sha256(WANTED.read_bytes()).hexdigest()} {sys.version.split()[0]} {FOLDER}\n"
    interpreter = FOLDER / "bin" / "python"
    if STAMP.is_file() and STAMP.read_text(encoding="utf-8") == state:
        return interpreter
    print(f"making the peers' environment in {FOLDER} (once)", flush=True)
    shutil.rmtree(FOLDER, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", FOLDER], check=True)
    pip: list[str | Path] = [
        interpreter,
        "-I",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--quiet",
        "--disable-pip-version-check",
    ]
    subprocess.run([*pip, "--requirement", WANTED], check=True)
    STAMP.write_text(state, encoding="utf-8")
    return interpreter
