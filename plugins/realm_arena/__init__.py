"""The arena: quest inspection, battles, checkpoints."""
