"""`python -m realm_cli`."""

from realm_cli.main import entry

if __name__ == "__main__":
    entry()
