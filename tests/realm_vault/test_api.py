"""The vault for scripts, in a program of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import Ran
from realm_cli.api import StorageRegistry, StrongholdType
from realm_cli.errors import FormatError, RefusedError, UsageError
from realm_cli.realm import Realm
from realm_cli.zones import configured
from realm_vault_boxes import HERO, Box, content, make_checkpoint, write_zones

SCRIPT = """
import shutil, sys
from pathlib import Path
from realm_cli.api import Realm, VaultDiscovery, VaultKeeper, ask_vault_first, get_host, pull_from_zone, push_to_zone
from realm_cli.errors import NotFoundError, UsageError

folder = Path(sys.argv[1])
assert "checkpoint_dio-mini_5" in VaultDiscovery().scan_all()
sent = push_to_zone(folder, "far")
assert (sent.success, sent.verified, sent.bytes > 0, sent.seconds > 0) == (True, True, True, True)
keeper = VaultKeeper()
assert list(keeper.search(type="checkpoint")) == ["checkpoint_dio-mini_5"]
found = keeper.locate("checkpoint_5")
assert found.found and found.best_location.path == str(folder) and len(found.locations) == 2
shutil.rmtree(folder)
assert "checkpoint_dio-mini_5" not in VaultDiscovery().scan_all()
assert ask_vault_first("checkpoint_5") == folder and folder.is_dir()
assert ask_vault_first("checkpoint_77", fallback="/somewhere") == Path("/somewhere")
for wrong, kind in (("checkpoint_77", NotFoundError), ("../etc", UsageError)):
    try:
        ask_vault_first(wrong)
    except kind:
        continue
    raise AssertionError(wrong)
shutil.rmtree(folder)
assert pull_from_zone("checkpoint_5", "far").success
assert Realm().vault.register("checkpoint_5").found
assert get_host("box").role == "storage"
print("whole")
"""


def test_a_script_sends_loses_and_gets_back(realm: Realm, box: Box) -> None:
    write_zones(realm, box)
    folder = make_checkpoint(realm, 5)
    before = content(folder)

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, folder], cwd=realm.root, env=box.environment(), capture_output=True, text=True
    )

    assert (done.stdout, done.returncode) == ("whole\n", 0), done.stderr
    assert content(folder) == before


def test_a_copy_in_a_zone_that_is_away_is_not_taken_for_a_copy_here(realm: Realm, box: Box, vault: object) -> None:
    call = vault
    folder = make_checkpoint(realm, 6)
    assert callable(call)
    assert call("push", "--zone", "far").code == 0
    shutil.rmtree(folder)
    assert call("scan", "--zone", "local").code == 0
    box.stop()

    done: Ran = call("fetch", f"checkpoint_{HERO}_6")

    assert done.code == 1
    assert "away" in done.err
    assert not folder.exists()


def test_a_stronghold_is_registered_and_comments_stay(realm: Realm, tmp_path: Path) -> None:
    registry = StorageRegistry(realm.root)
    (realm.configs / "hosts.yaml").write_text(
        "hosts:\n  nas: {host: nas.example, role: storage, base_dir: /volume1/llm}\n"
    )
    made = registry.register_stronghold(name="nas", stronghold_type=StrongholdType.NAS, host="nas")
    assert (made.type, made.root) == ("nas", "/volume1/llm")
    path = realm.configs / "zones.yaml"
    path.write_text("# mine\n" + path.read_text() + "trash_days: 3 # short\n")
    registry.register_stronghold(name="usb", stronghold_type=StrongholdType.LOCAL, root=str(tmp_path))
    assert list(configured(realm)) == ["usb", "nas"]
    text = path.read_text()
    assert text.startswith("# mine\n")
    assert "trash_days: 3 # short" in text
    assert registry.register_stronghold(name="nas", stronghold_type=StrongholdType.NAS, host="nas") == made
    assert path.read_text() == text
    with pytest.raises(RefusedError, match="other settings"):
        registry.register_stronghold(name="nas", stronghold_type=StrongholdType.SSH, host="nas")
    for wrong in ("local", "../x", ""):
        with pytest.raises(UsageError):
            registry.register_stronghold(name=wrong, stronghold_type=StrongholdType.NAS, root="/x")
    path.write_text("zones: {a: {type: local, root: /x}}\n")
    with pytest.raises(FormatError, match="line by line"):
        registry.register_stronghold(name="b", stronghold_type=StrongholdType.NAS, root="/x")
    path.write_text("zones: {}\ncopies: {max_age_days: 9}\n")
    registry.register_stronghold(name="b", stronghold_type=StrongholdType.NAS, root="/x")
    assert list(configured(realm)) == ["b"]
