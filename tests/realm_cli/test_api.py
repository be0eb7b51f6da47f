"""The Python face: every name and attribute that the scripts of the original's user rest on, in real realms."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers import PATIENCE, environment, realm_line, rows, wait_for, write_rows
from realm_cli import api, services
from realm_cli.checkpoint_records import LedgerRecord
from realm_cli.errors import FormatError, NotFoundError, RealmError, UsageError
from realm_cli.realm import Realm
from realm_cli.records import now
from realm_vault_boxes import HERO, make_checkpoint

HOSTS = """
local_host: "4090"
hosts:
  "4090":
    name: Training Server
    host: 127.0.0.1
    role: trainer
    models_dir: /models
    services: {vault: {port: 8767, path: /api}, ledger: {port: 8767, path: /api/ledger}}
  "3090": {name: Inference Server, host: 192.168.1.5, role: inference, services: {inference: {port: 8765}}}
"""


@pytest.fixture
def face(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> api.Realm:
    """The realm as scripts hold it; it is also the one that is found without a name."""
    monkeypatch.setenv("REALM_HOME", str(realm.root))
    (realm.configs / "hosts.yaml").write_text(HOSTS)
    make_checkpoint(realm, 100)
    make_checkpoint(realm, 200)
    return api.Realm()


def test_the_realm_is_found_or_named(face: api.Realm) -> None:
    assert api.Realm(face.root).root == api.Realm().root == face.root


def test_the_watchtower_gazes(face: api.Realm) -> None:
    snapshot = face.watchtower.pool.gaze()
    assert snapshot.battle_state == "stopped"
    assert (snapshot.hero.step, snapshot.around.services) == (200, [])


def test_the_sentinels_patrol(face: api.Realm) -> None:
    patrol = face.sentinels.inspector.full_patrol()
    assert isinstance(patrol.is_all_clear, bool)
    assert {finding.check for finding in patrol.findings}
    assert patrol.is_all_clear == all(finding.grade == "ok" for finding in patrol.findings)


def test_the_guild_knows_skills_levels_and_champion(face: api.Realm) -> None:
    guild = face.guild
    assert guild.list_skills() == api.list_skills() == ["bin", "sy"]
    assert (guild.level("bin"), guild.champion()) == (1, None)
    assert guild.get_skill("bin") == api.get_skill("bin")
    assert len(guild.get_trainer("bin").sample(level=2, count=3, seed=1)) == 3
    with pytest.raises(NotFoundError):
        guild.level("bn")


def test_a_skill_has_its_icon_colour_name_levels_and_address(face: api.Realm) -> None:
    skill = api.get_skill("bin")
    assert (skill.id, skill.max_level, skill.api_url) == ("bin", 30, None)
    assert skill.icon
    assert skill.name
    assert re.fullmatch("#[0-9A-Fa-f]{6}", skill.color)


def test_a_trainer_samples_with_and_without_a_seed(face: api.Realm) -> None:
    trainer = api.get_trainer("bin")
    assert trainer.sample(level=5, count=100, seed=7) == trainer.sample(level=5, count=100, seed=7)
    assert len(trainer.sample(level=5, count=10, seed=None)) == 10


def test_the_ledger_gives_records(face: api.Realm) -> None:
    ledger = api.get_ledger()
    assert ledger.get_latest() == ledger.get(200) == ledger.get_best(metric="train_loss") == ledger.list_all(limit=1)[0]
    assert len(ledger.list_all()) == 2
    with pytest.raises(NotFoundError):
        ledger.get(190_000)


@pytest.mark.parametrize(
    "name",
    [
        "train_loss", "val_loss", "learning_rate", "epoch", "skill_name", "skill_level", "training_file",
        "canonical_name",
    ],
)  # fmt: skip
def test_a_record_of_the_ledger_has_the_attribute(face: api.Realm, name: str) -> None:
    assert hasattr(api.get_ledger().get_latest(), name)


def test_a_checkpoint_is_recorded(face: api.Realm) -> None:
    entry = LedgerRecord(
        hero=HERO, step=300, canonical_name="checkpoint-300-20261127-1430", weights_sha256="1" * 64, created_at=now()
    )
    api.record_checkpoint(entry)
    assert api.get_ledger().get_latest() == entry


def test_steps_are_read_from_names_or_refused(face: api.Realm) -> None:
    assert api.extract_step("checkpoint-190000-20251127-1430") == 190_000
    with pytest.raises((UsageError, FormatError, NotFoundError)):
        api.extract_step("the best one")


def test_hosts_have_their_attributes_and_services_their_addresses(face: api.Realm) -> None:
    host = api.get_host("3090")
    assert (host.name, host.host, host.role) == ("Inference Server", "192.168.1.5", "inference")
    assert api.get_host("4090").models_dir == "/models"
    assert set(api.get_host("4090").services) == {"vault", "ledger"}
    assert api.get_service_url("ledger") == "http://127.0.0.1:8767/api/ledger"
    assert api.get_service_url("inference") == "http://192.168.1.5:8765"
    assert api.is_trainer_local() is True
    with pytest.raises(NotFoundError):
        api.get_host("5090")
    with pytest.raises(NotFoundError):
        api.get_service_url("ledgr")


def test_the_vault_locates_fetches_registers_and_searches(face: api.Realm) -> None:
    assert "checkpoint_dio-mini_200" in api.VaultDiscovery().scan_all()
    for keeper in (api.VaultKeeper(), face.vault):
        found = keeper.locate("checkpoint_200")
        assert (found.found, len(found.locations)) == (True, 1)
        assert Path(found.best_location.path).is_dir()
        assert list(keeper.search(type="checkpoint")) == ["checkpoint_dio-mini_100", "checkpoint_dio-mini_200"]
        assert keeper.register("checkpoint_100").found
    assert api.ask_vault_first("checkpoint_200") == Path(found.best_location.path)
    assert api.ask_vault_first("checkpoint_7", fallback="/x") == Path("/x")


def test_zones_are_registered_and_used(face: api.Realm, tmp_path: Path) -> None:
    kind = api.StrongholdType
    assert kind.NAS.value == "nas"
    zone = tmp_path / "usb"
    zone.mkdir()
    registry = api.StorageRegistry(face.root)
    registry.register_stronghold(name="usb", stronghold_type=kind.LOCAL, root=str(zone))
    sent = api.push_to_zone("checkpoint_200", "usb")
    assert (sent.success, sent.verified, sent.bytes > 0, sent.seconds >= 0) == (True, True, True, True)
    assert api.pull_from_zone("checkpoint_200", "usb").success


@pytest.fixture
def served(face: api.Realm) -> Iterator[str]:
    """`realm vault serve` on a free port."""
    line = realm_line("vault", "serve", "--port", "0", "-q", realm=face)
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())
    found = wait_for(lambda: services.running(face, "vault"), "the vault's server")
    yield found.url
    process.kill()
    process.wait()


def test_the_same_is_asked_over_http(face: api.Realm, served: str) -> None:
    ledger = api.RemoteLedgerClient(f"{served}/api/ledger")
    assert ledger.is_available()
    assert ledger.get_latest().step == ledger.get(200).step == ledger.get_best().step == 200
    assert [record.step for record in ledger.list_all(limit=20)] == [200, 100]
    assert type(api.get_ledger_client()).__name__ == "Ledger"  # this machine trains
    api.VaultDiscovery().scan_all()
    client = api.VaultKeeperClient(served.removeprefix("http://"))
    assert client.locate("checkpoint_200")["found"] is True
    assert Path(client.ensure_local("checkpoint_200")).is_dir()
    assert len(client.search(type="checkpoint")) == 2


def test_without_a_server_the_oracle_says_how_to_start_one(face: api.Realm) -> None:
    with pytest.raises(NotFoundError, match="does not run here"):
        face.oracle.chat("hello", 200)
    with pytest.raises(RealmError):
        face.oracle.client("4090")  # it has no service inference
    assert face.oracle.client("3090").url == "http://192.168.1.5:8765"


def test_every_name_of_the_table_in_the_docstring_exists() -> None:
    names = set(re.findall(r"`([A-Za-z_]+)\(", api.__doc__ or "")) | set(api.__all__)
    assert len(names) > 15
    assert [name for name in sorted(names) if not hasattr(api, name)] == []


def test_a_wrong_name_is_no_name() -> None:
    with pytest.raises(AttributeError, match="no name 'TrainerEngin'"):
        _ = api.TrainerEngin


SCRIPT = """
import sys
from realm_cli.api import Realm
realm = Realm()
result = realm.arena.run_job({"quests": [sys.argv[1]], "priority": "low"})
assert result.quests[0].priority == "low"
assert result.success and [quest.outcome for quest in result.quests] == ["completed"]
opened = realm.oracle.open(result.checkpoint.step)
from realm_cli.generation import Message
(reply,) = opened.generate([[Message("user", "say 1")]], max_tokens=4)
assert (reply.step, reply.weights_sha256) == (result.checkpoint.step, result.checkpoint.weights_sha256)
opened.close()
print("whole")
"""


def test_a_script_trains_a_file_and_asks_what_came_of_it(realm: Realm, tmp_path: Path) -> None:
    mine = write_rows(tmp_path / "a.jsonl", rows(20))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, mine], capture_output=True, text=True, timeout=PATIENCE, check=False,
        env={**environment(), "REALM_HOME": str(realm.root)},
    )  # fmt: skip
    assert (done.stdout, done.returncode) == ("whole\n", 0), done.stderr


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "missing required field `quests`"),
        ({"quests": []}, "at least one quest file"),
        ([], "at least one quest file"),
        ({"quests": ["a.jsonl"], "prioriti": "high"}, "a job has no 'prioriti'"),
        ({"quests": ["a.jsonl"], "priority": "urgent"}, "urgent"),
        ({"quests": [3]}, "a file's name is a text or a Path, not 3"),
        ({"quests": "a.jsonl"}, "Expected `array`"),
        ("a.jsonl", "not 'a.jsonl'"),
    ],
)
def test_a_job_that_is_not_right_is_refused_before_anything_is_loaded(config: Any, words: str, face: api.Realm) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        face.arena.run_job(config)


def test_the_face_is_light_until_something_is_asked_of_it() -> None:
    program = "import sys, realm_cli.api; print(*sorted({'torch', 'transformers', 'flask'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
