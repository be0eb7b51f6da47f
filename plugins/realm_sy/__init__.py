"""Word Weaving: syllacrostic puzzles, in which words are put together from a bank of syllable tiles."""

MAX_LEVEL = 50
