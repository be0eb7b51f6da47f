from __future__ import annotations

import importlib
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from realm_cli import discovery

OFFERS = "[other]\nno = a\n\n[realm]\n# a note\none = first.hooks\ntwo=first.more:inner.thing [extra]\n[last]\nno = b\n"


def distribution(place: Path, name: str, offers: str, kind: str = "dist-info", version: str = "1.2") -> Path:
    """A distribution as pip leaves it."""
    folder = place / f"{name}-{version}.{kind}"
    folder.mkdir(parents=True)
    facts = "METADATA" if kind == "dist-info" else "PKG-INFO"
    (folder / facts).write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (folder / "entry_points.txt").write_text(offers)
    return folder


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two folders at the head of the path."""
    first, second = tmp_path / "first", tmp_path / "second"
    monkeypatch.setattr(sys, "path", [str(first), str(second), "", str(tmp_path / "nowhere"), *sys.path])
    monkeypatch.chdir(tmp_path)
    return first, second


def as_the_library_says() -> set[tuple[str, str]]:
    importlib.invalidate_caches()
    return {(entry.name, entry.value) for entry in metadata.entry_points(group="realm")}


def test_what_is_installed_is_found_as_the_library_finds_it(places: tuple[Path, Path]) -> None:
    first, second = places
    distribution(first, "a_plugin", OFFERS)
    distribution(first, "older.kind", "[realm]\nthree = egg\n", kind="egg-info")
    distribution(second, "A-Plugin".replace("-", "_"), "[realm]\nhidden = behind.the.first\n")
    distribution(second, "b", "[console_scripts]\nrealm = x:y\n")
    distribution(Path(), "here", "[realm]\nfour = four:hooks\n")
    found = discovery.entry_points("realm")
    pairs = {(entry.name, entry.value) for entry in found}
    assert pairs == as_the_library_says()
    assert {"one", "two", "three", "four", "bin", "arena"} <= {name for name, _ in pairs}
    assert "hidden" not in {name for name, _ in pairs}
    facts = {entry.name: entry.distribution() for entry in found}
    assert (facts["two"].name, facts["two"].version) == ("a_plugin", "1.2")
    assert facts["bin"].name == "realm-hero"
    for name in ("a-plugin", "Older.Kind", "click", "realm_hero"):
        assert discovery.version_of(name) == metadata.version(name) != ""
    assert discovery.version_of("nobody") == ""


def test_distributions_in_archives_are_found_too(places: tuple[Path, Path], tmp_path: Path) -> None:
    folder = distribution(places[0], "packed", OFFERS)
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"{folder.name}/{file.name}")
            file.unlink()
    sys.path.insert(0, str(tmp_path / "packed.zip"))
    pairs = {(entry.name, entry.value) for entry in discovery.entry_points("realm")}
    assert pairs == as_the_library_says()
    assert {"one", "two", "bin"} <= {name for name, _ in pairs}


def test_an_entry_point_gives_its_module_or_what_is_in_it() -> None:
    assert discovery.EntryPoint("a", "realm_cli.discovery", "").load() is discovery
    found = discovery.EntryPoint("a", "realm_cli.discovery : EntryPoint.load [extra]", "").load()
    assert found is discovery.EntryPoint.load
    with pytest.raises(ImportError, match="'no module' names no module"):
        discovery.EntryPoint("a", "no module", "").load()
