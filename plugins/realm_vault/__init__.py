"""The vault: what lies where, and how it gets there."""
