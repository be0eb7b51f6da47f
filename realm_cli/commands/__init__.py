"""The core's commands: each parses, calls and prints."""
