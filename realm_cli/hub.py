"""Models of the Hugging Face Hub, as local folders: what lies in its cache here, else a download."""

from __future__ import annotations

import re
from pathlib import Path

from realm_cli.errors import RealmError

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_WANTED = ["*.safetensors", "*.json", "*.jinja", "*.txt"]
_UNWANTED = ["*/*"]
"""Sub-folders hold other formats of the same weights (onnx, original)."""


def cached(hub_id: str) -> Path | None:
    """The snapshot in the local cache, which may be half downloaded; None when there is none. Never goes online."""
    from huggingface_hub import constants

    # Looked at first, because the client behind `snapshot_download` takes a third of a second to import.
    if not (Path(constants.HF_HUB_CACHE) / f"models--{hub_id.replace('/', '--')}").is_dir():
        return None
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(hub_id, allow_patterns=_WANTED, ignore_patterns=_UNWANTED, local_files_only=True))
    except LocalEntryNotFoundError:
        return None


def download(hub_id: str) -> Path:
    """The snapshot, fetched as far as it is not here yet. Raises `RealmError` when the Hub does not give it."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(hub_id, allow_patterns=_WANTED, ignore_patterns=_UNWANTED))
    except Exception as error:  # the edge of the Hub's client: what its transport raises is not part of its face
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise RealmError(
            f"model '{hub_id}' is neither in this machine's Hugging Face cache nor could it be downloaded: {first_line}",
            f"check the name and the connection; or, on a machine that is online, run `hf download {hub_id} --local-dir FOLDER`, "
            "bring the folder here and give its path as base_model (realm hero recruit FOLDER)",
        ) from error
