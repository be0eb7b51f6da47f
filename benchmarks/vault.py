"""The vault beside plain rsync over the same ssh, and beside paramiko, rclone and DVC where they are installed; catalog, page
and scan by size.

An OpenSSH server of its own listens on the loopback interface. Times are wall times of whole commands.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from benchmarks.common import Report, at_least, at_most, fresh_folder, our_versions
from realm_cli import store
from realm_cli.founding import found
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import now
from realm_tavern.app import make_app
from realm_vault.catalog import Catalog
from realm_vault.keeper import Keeper
from realm_vault.places import Places
from realm_vault.records import Asset, CatalogRecord, Location
from realm_vault_boxes import HERO, Box, make_checkpoint, write_zones

REALM = str(Path(sys.executable).with_name("realm"))
BASELINE = (sys.executable, "-c", "import click, pluggy, yaml, importlib.metadata")
ZONES = ("local", "far", "usb")


def timed(work: Callable[[], object]) -> float:
    """Seconds that it takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def call(line: list[str], environment: dict[str, str], cwd: Path | None = None) -> None:
    """Run a program that must succeed."""
    subprocess.run(line, check=True, env=environment, cwd=cwd, stdout=subprocess.DEVNULL)


def seconds(line: list[str], environment: dict[str, str]) -> float:
    """How long a program runs."""
    return timed(lambda: call(line, environment))


class Race:
    """The same checkpoints by rsync and by the vault, each into a fresh folder of the box, with a connection of its own."""

    def __init__(self, realm: Realm, box: Box, folders: list[Path]) -> None:
        self.realm, self.box, self.folders = realm, box, folders
        self.environment = box.environment()

    def rsync(self) -> float:
        """One plain `rsync -a` of all folders."""
        target = self.box.root / "plain"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        ssh = f"ssh -p {self.box.port} -o BatchMode=yes"
        line = ["rsync", "-a", "-s", "-e", ssh, *map(str, self.folders), f"127.0.0.1:{target}/"]
        return timed(lambda: call(line, self.environment))

    def hashing(self) -> float:
        """One pass of `sha256sum` over what rsync brought."""
        target = self.box.root / "plain"
        return timed(
            lambda: call(["sh", "-c", "find . -type f -print0 | xargs -0 sha256sum"], self.environment, target)
        )

    def peers(self) -> dict[str, Callable[[], float]]:
        """Other ways to the same box, those that are installed here."""
        found: dict[str, Callable[[], float]] = {}
        if importlib.util.find_spec("paramiko"):
            found["paramiko SFTP"] = self._paramiko
        if shutil.which("rclone"):
            found["rclone sftp"] = self._rclone
        if shutil.which("dvc"):
            found["dvc push"] = self._dvc
        return found

    def _fresh(self, name: str) -> Path:
        target = self.box.root / name
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        return target

    def _paramiko(self) -> float:
        target = self._fresh("paramiko")
        script = Path(__file__).with_name("vault_paramiko.py")
        line = [sys.executable, str(script), str(self.box.port), str(self.box.folder), str(target)]
        return timed(lambda: call([*line, *map(str, self.folders)], self.environment))

    def _rclone(self) -> float:
        target = self._fresh("rclone")
        remote = f":sftp,host=127.0.0.1,port={self.box.port},key_file={self.box.folder}/user,known_hosts_file={self.box.known}:"
        line = [
            "rclone",
            "copy",
            "--config",
            "/dev/null",
            "--sftp-disable-hashcheck",
            *[f"--include=/{one.name}/**" for one in self.folders],
        ]
        return timed(lambda: call([*line, str(self.folders[0].parent), f"{remote}{target}"], self.environment))

    def _dvc(self) -> float:
        """`dvc add` is its hash pass and copy into its cache; both are part of the work."""
        target, work = self._fresh("dvc"), self.box.folder / "dvc work"
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(self.folders[0].parent, work / "models")
        for line in (
            ["dvc", "init", "--no-scm", "-q"],
            ["dvc", "remote", "add", "-q", "-d", "far", f"ssh://127.0.0.1:{self.box.port}{target}"],
            ["dvc", "remote", "modify", "-q", "far", "keyfile", f"{self.box.folder}/user"],
        ):
            call(line, self.environment, work)

        def push() -> None:
            call(["dvc", "add", "-q", "models"], self.environment, work)
            call(["dvc", "push", "-q"], self.environment, work)

        return timed(push)

    def vault(self) -> float:
        """`realm vault push` of them all."""
        for name in ("models", ".vault/assets"):
            shutil.rmtree(self.box.root / name, ignore_errors=True)
        ids = [f"checkpoint_{HERO}_{folder.name.split('-')[1]}" for folder in self.folders]
        line = [REALM, "--realm", str(self.realm.root), "vault", "push", *ids, "--zone", "far"]
        return timed(lambda: call(line, self.environment))


def works(report: Report, peer: str, run: Callable[[], float]) -> bool:
    """Whether a peer gets through at all; this is its warm-up as well."""
    try:
        run()
    except subprocess.CalledProcessError as error:
        report.versions(**{f"{peer} failed": f"exit code {error.returncode}"})
        return False
    return True


def race(report: Report, name: str, runs: Race, rounds: int, limit: float, *, with_hash: bool) -> None:
    """Alternate, and note the ratio that each round gave."""
    times: dict[str, list[float]] = {"rsync": [], "hash": [], "vault": []}
    peers = {peer: run for peer, run in runs.peers().items() if works(report, peer, run)}
    times |= {peer: [] for peer in peers}
    runs.vault()
    for _ in range(rounds):
        times["rsync"].append(runs.rsync())
        times["hash"].append(runs.hashing())
        times["vault"].append(runs.vault())
        for peer, run in peers.items():
            times[peer].append(run())
    for part, values in times.items():
        report.measured(f"{name}: {part}, s", values, "s")
    plain = [a + (b if with_hash else 0) for a, b in zip(times["rsync"], times["hash"], strict=True)]
    against = "rsync and one hash pass" if with_hash else "one rsync"
    for peer in peers:
        ratios = [a / b for a, b in zip(times["vault"], times[peer], strict=True)]
        report.ratio(f"{name} to {peer}", ratios)
    report.ratio(f"{name} to {against}", [a / b for a, b in zip(times["vault"], plain, strict=True)], at_most(limit))


def catalog_of(realm: Realm, assets: int) -> None:
    """A catalog of so many assets in three zones."""
    moment = now()
    known = {}
    for step in range(1, assets + 1):
        path, digest = f"models/{HERO}/checkpoint-{step}-20261124-1200", f"{step:064x}"
        copy = Location(path=path, digest=digest, seen_at=moment, verified_at=moment)
        known[f"checkpoint_{HERO}_{step}"] = Asset(
            kind="checkpoint", path=path, digest=digest, size=1_500_000_000, files=10, created_at=moment, hero=HERO,
            step=step, locations=dict.fromkeys(ZONES, copy),
        )  # fmt: skip
    record = CatalogRecord(assets=known, scanned=dict.fromkeys(ZONES, moment))
    path = realm.status / "vault" / "catalog.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    store.write_atomic(path, store.to_line(record.to_dict()))


def lookups(report: Report, realm: Realm, assets: int, rounds: int) -> None:
    """locate and whereis, in process and as commands."""
    catalog_of(realm, assets)
    manager = Manager.of(realm)
    keeper = Keeper(realm, manager, Places(realm, manager))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def matrix() -> None:
        fresh = Catalog(realm).read()
        assert sum(len(one.locations) for one in fresh.assets.values()) == assets * len(ZONES)

    def locate(reader: Keeper) -> float:
        return 1000 * timed(lambda: reader.locate("checkpoint_77"))

    cold = [locate(Keeper(realm, manager, Places(realm, manager))) for _ in range(rounds)]
    warm = [locate(keeper) for _ in range(rounds)]
    report.measured("locate, catalog read anew, ms", cold, "ms", at_most(100))
    report.measured("locate, ms", warm, "ms", at_most(100))
    report.measured("whereis of all, ms", [1000 * timed(matrix) for _ in range(rounds)], "ms", at_most(100))
    lines = {
        "locate": [REALM, "--realm", str(realm.root), "vault", "locate", "checkpoint_77", "--json"],
        "whereis": [REALM, "--realm", str(realm.root), "vault", "whereis", "checkpoint_77", "--json"],
    }
    for name, line in lines.items():
        call(line, environment)
        ratios = []
        for _ in range(rounds):
            ratios.append(seconds(line, environment) / seconds(list(BASELINE), environment))
        report.ratio(f"the command {name} to bare imports", ratios, at_most(3))


def page(report: Report, realm: Realm, rounds: int) -> None:
    """The page of the same catalog, asked for by a program."""
    client = make_app(realm, Manager.of(realm)).test_client()

    def ask(path: str) -> float:
        return 1000 * timed(lambda: client.get(path, headers={"Accept": "text/html"}).text)

    ask("/vault")
    pages = ("/vault", "/vault?sort=size&page=50", "/vault?text=_77&inside=far", "/vault/asset/checkpoint_77")
    for path in pages:
        report.measured(f"page {path}, ms", [ask(path) for _ in range(rounds)], "ms", at_most(50))


def scans(report: Report, folder: Path, files: int, rounds: int) -> None:
    """A scan of many unchanged files, 200 in a checkpoint."""
    realm, _ = found(folder / "many")
    for step in range(1, files // 200 + 1):
        make_checkpoint(realm, step, size=1, files=198)
    manager = Manager.of(realm)
    keeper = Keeper(realm, manager, Places(realm, manager))
    report.measured(f"first scan of {files:,} files, s", [timed(keeper.scan)], "s")
    report.measured("the same unchanged, s", [timed(keeper.scan) for _ in range(rounds)], "s", at_most(3))


def hashing(report: Report, folder: Path, rounds: int) -> None:
    """SHA-256 of warm files by two threads, in GB/s."""
    paths = []
    for number in range(4):
        path = folder / f"block {number}"
        path.write_bytes(os.urandom(1 << 20) * 400)
        paths.append(path)
    size = sum(path.stat().st_size for path in paths)

    def run() -> None:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(store.sha256_file, paths))

    run()
    report.measured("hashing, GB/s", [size / timed(run) / 1e9 for _ in range(rounds)], "GB/s", at_least(1.5))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--big-mb", type=int, default=1500)
    parser.add_argument("--assets", type=int, default=10_000)
    parser.add_argument("--files", type=int, default=100_000)
    given = parser.parse_args()
    report = Report("vault", "push over ssh beside plain rsync; catalog, scan and hashing")
    rsync = subprocess.run(["rsync", "--version"], capture_output=True, text=True, check=True).stdout.split()[2]
    ssh = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True).stderr.strip().partition(",")[0]
    report.versions(rsync=rsync, ssh=ssh, **our_versions("msgspec"))
    report.settings(rounds=given.rounds, big_mb=given.big_mb, assets=given.assets, files=given.files)
    folder = fresh_folder("vault")
    box = Box(folder / "box")
    try:
        big, _ = found(folder / "big")
        write_zones(big, box)
        whole = [make_checkpoint(big, 1, size=given.big_mb * 1_000_000, files=1)]
        race(report, "one big checkpoint", Race(big, box, whole), given.rounds, 1.15, with_hash=True)
        shutil.rmtree(box.root / "plain")
        shutil.rmtree(box.root / ".vault")
        small, _ = found(folder / "small")
        write_zones(small, box)
        many = [make_checkpoint(small, step, size=20_000, files=200) for step in range(1, 11)]
        race(report, "10 x 200 small files", Race(small, box, many), given.rounds, 1.3, with_hash=False)
    finally:
        box.close()
    hashing(report, folder, given.rounds)
    catalog = found(folder / "catalog")[0]
    lookups(report, catalog, given.assets, max(5, given.rounds))
    write_zones(catalog, box)
    page(report, catalog, max(20, given.rounds))
    scans(report, folder, given.files, given.rounds)
    report.write()
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
