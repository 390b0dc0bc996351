"""An environment for every peer, made once and kept in `benchmarks/.peers/`, never among our dependencies.

What all peers share (torch, sentence-transformers, the model) is installed once, in an environment called
base; a line in each peer's environment adds it to the places where Python looks. So the bytes of torch are
the same for everyone, on disk and in the memory that caches the disk. What a peer needs in another version,
its own environment holds, and Python finds that first.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
PEERS = HERE / "peers"
CACHE = HERE / ".peers"
CONSTRAINTS = HERE.parent / "constraints.txt"
BASE = "base"
STAMP = "requirements.sha256"
LAST_CHARACTERS = 500


class PeerEnvironmentError(RuntimeError):
    """An environment could not be made."""


def python_of(name: str) -> Path:
    """The Python of an environment; it is made first if it is missing or its requirements have changed.

    Raises:
        PeerEnvironmentError: a package could not be installed.
    """
    base = _made(BASE, None)
    return base if name == BASE else _made(name, base)


def packages_of(name: str) -> list[str]:
    """What is compared: the packages above the first blank line of the requirements."""
    head = (PEERS / f"{name}.txt").read_text("utf-8").split("\n\n")[0]
    return re.findall(r"^([A-Za-z0-9._-]+)==", head, re.MULTILINE)


def _made(name: str, base: Path | None) -> Path:
    folder, requirements = CACHE / name, PEERS / f"{name}.txt"
    python, stamp = folder / "bin" / "python", folder / STAMP
    digest = hashlib.sha256(f"{sys.version} {sys.base_prefix}".encode() + requirements.read_bytes())
    if base:
        digest.update((base.parent.parent / STAMP).read_bytes())
    if stamp.is_file() and stamp.read_text() == digest.hexdigest():
        return python
    print(f"installing {name}, once …", file=sys.stderr)
    venv.create(folder, clear=True)
    if base:
        (_packages(folder) / "base.pth").write_text(f"{_packages(base.parent.parent)}\n")
    # Our pins choose the build of torch for processors; a peer's own file pins all that it needs.
    pins = ["--constraint", CONSTRAINTS] if name == BASE else []
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", *pins]
    ran = subprocess.run(
        [str(part) for part in (*install, "--requirement", requirements)], capture_output=True, text=True
    )
    if ran.returncode:
        raise PeerEnvironmentError(f"{name} could not be installed: {ran.stderr.strip()[-LAST_CHARACTERS:]}")
    stamp.write_text(digest.hexdigest())
    return python


def _packages(folder: Path) -> Path:
    return next((folder / "lib").glob("python3*")) / "site-packages"
