"""Zone types: a folder of this machine, a folder behind ssh."""
