"""Writing that lasts, and one writer at a time.

A file is on the disk before its name is; a name changes in one step. What a killed writer leaves
behind has a name by which the next one knows it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from b12qa.errors import BuildLockedError

if TYPE_CHECKING:
    from filelock import BaseFileLock

LOCK = ".lock"
_OWNER = ".lock-owner"
_UNFINISHED = ".building-"
# No room is left: on the disk, of what its owner may fill, or in one file.
DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be the only writer of a folder, which is made if it is missing.

    The system keeps the lock, so it ends with its process, however that ends. Within one thread it
    may be taken again.

    Raises:
        BuildLockedError: another process, or another thread, writes there.
        OSError: nothing can be written there.
    """
    made = not folder.exists()
    lock = _acquired(folder)
    first = lock.lock_counter == 1
    try:
        if first:
            _prepare(folder)
        yield
    finally:
        if first:
            _leave(folder, forget=made)
        lock.release()


def write(path: Path, data: bytes | Iterable[bytes | memoryview]) -> None:
    """Write a new file, whole or piece by piece, to the disk itself; a full disk must not pass unnoticed."""
    with _named(path), path.open("xb") as file:
        for piece in [data] if isinstance(data, bytes) else data:
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name the file in an error of writing it, which the system leaves out."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


class HashedFolder:
    """Writes new files into a folder, and knows what each must be.

    A hash is that of the data, not of what a failing disk made of it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: dict[str, dict[str, int | str]] = {}  # size and hash, by name

    def write(self, name: str, data: bytes | Iterable[bytes | memoryview]) -> None:
        """Write a file, whole or piece by piece."""
        digest, size = hashlib.sha256(), 0

        def counted() -> Iterator[bytes | memoryview]:
            nonlocal size
            for piece in [data] if isinstance(data, bytes) else data:
                digest.update(piece)
                size += len(piece)
                yield piece

        write(self.path / name, counted())
        self.files[name] = {"bytes": size, "sha256": digest.hexdigest()}


def replace(path: Path, data: bytes) -> None:
    """Put a file in the place of another in one step."""
    handle, temporary = tempfile.mkstemp(prefix=_UNFINISHED, dir=path.parent)
    try:
        with _named(path), os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def remove_folder(folder: Path) -> None:
    """Remove a folder in one step: whoever looks sees all of it or nothing."""
    aside = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=folder.parent))
    os.rename(folder, aside / folder.name)
    shutil.rmtree(aside, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder survive a power loss, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def unfinished_folder(parent: Path) -> Iterator[Path]:
    """A folder to write into; it is gone afterwards, unless it was renamed."""
    folder = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=parent))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _acquired(folder: Path) -> BaseFileLock:
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK, timeout=0, is_singleton=True)
        lock.acquire()
    except Timeout:
        raise BuildLockedError(
            f"{folder} is being written by {_owner(folder)}. Wait until it ends, then try again."
        ) from None
    except OSError as error:
        raise _unwritable(folder, error) from error
    return lock


def _prepare(folder: Path) -> None:
    """Sweep up after a killed writer, and write something: not every folder allows it."""
    try:
        for path in folder.glob(f"{_UNFINISHED}*"):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        (folder / _OWNER).unlink(missing_ok=True)
        (folder / _OWNER).write_text(f"{os.getpid()}\n")
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(folder: Path, error: OSError) -> OSError:
    first = "Make room on its disk" if error.errno in DISK_FULL else "Make it writable"
    return OSError(
        f"{folder} cannot be written ({error.strerror}). {first}, or name another folder: --index DIR"
    )


def _leave(folder: Path, *, forget: bool) -> None:
    """Take the owner's number away, and a new folder that nothing was written into."""
    with suppress(OSError):
        (folder / _OWNER).unlink()
        if forget and [path.name for path in folder.iterdir()] == [LOCK]:
            (folder / LOCK).unlink()
            folder.rmdir()


def _owner(folder: Path) -> str:
    try:
        return f"process {int((folder / _OWNER).read_text())}"
    except (OSError, ValueError):  # it has just begun, or just ended
        return "another process"
