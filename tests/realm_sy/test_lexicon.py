from __future__ import annotations

import subprocess
import sys
import time

from realm_sy.lexicon import CUT, FILE, lexicon

BOOK = lexicon()


def test_the_file_is_small_and_has_many_words() -> None:
    assert FILE.stat().st_size <= 5_000_000
    assert len(BOOK.words) == len(set(BOOK.words)) >= 10_000
    assert BOOK.words == sorted(BOOK.words)
    assert all(word.isascii() and word.isalpha() and word.islower() for word in BOOK.words)
    assert min(BOOK.frequencies) >= 20
    assert "WordNet 3.0 Copyright" in (FILE.parent / "LICENSES.txt").read_text("utf-8")


def test_no_meaning_tells_its_word() -> None:
    for word, kinds in zip(BOOK.words, BOOK.clues, strict=True):
        for kind in ("definition", "synonym", "category", "relation", "example"):
            assert not any(word in clue.text.lower() for clue in kinds.get(kind, ()))


def test_a_clue_fits_the_words_that_it_may_ask_for_once() -> None:
    for kinds in BOOK.clues:
        for clues in kinds.values():
            for clue in clues:
                assert not set(clue.asks) & set(clue.others)


def test_a_truncated_definition_fits_all_that_begin_so() -> None:
    clues = [clue for kinds in BOOK.clues for clue in kinds.get("definition", ())][:2_000]
    for clue in clues:
        short = BOOK.truncated(clue)
        assert (short is None) == (len(clue.text) < CUT + 8)
        if short is not None:
            same = [other for other in clues if other.text.startswith(clue.text[:CUT])]
            assert {word for other in same for word in (*other.asks, *other.others)} <= set(short.asks)


def test_a_structure_clue_fits_every_word_of_that_shape() -> None:
    clue = BOOK.structure(BOOK.words.index("resolution"))
    assert clue is not None
    assert clue.text == "10 letters, begins with re-, ends with -ion"
    fits = [w for w in BOOK.words if len(w) == 10 and w.startswith("re") and w.endswith("ion")]
    assert [BOOK.words[word] for word in clue.asks] == fits
    assert BOOK.structure(BOOK.words.index("power")) is None


def test_importing_the_skill_reads_no_lexicon() -> None:
    code = "import realm_sy.skill, realm_sy.lexicon as l; print(l.lexicon.cache_info().currsize)"
    begun = time.monotonic()
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "0\n"
    assert time.monotonic() - begun < 60
