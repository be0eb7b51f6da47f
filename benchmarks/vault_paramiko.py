"""Copies folders over paramiko's SFTP: `vault_paramiko.py PORT KEYS TARGET FOLDER…`. A peer of `benchmarks/vault.py`."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path


def main() -> None:
    import paramiko

    port, keys, target, *folders = sys.argv[1:]
    client = paramiko.SSHClient()
    client.load_host_keys(f"{keys}/known_hosts")
    client.connect("127.0.0.1", int(port), getpass.getuser(), key_filename=f"{keys}/user", look_for_keys=False)
    sftp = client.open_sftp()
    for folder in map(Path, folders):
        sftp.mkdir(f"{target}/{folder.name}")
        for path in folder.iterdir():
            sftp.put(str(path), f"{target}/{folder.name}/{path.name}")
    client.close()


if __name__ == "__main__":
    main()
