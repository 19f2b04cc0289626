"""Small files that only their owner may read: keys."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from countenance.errors import Misconfigured

MAX_BYTES = 4096

_OWNER_ONLY = stat.S_IRUSR | stat.S_IWUSR


def read(path: Path, *, otherwise: str) -> bytes:
    """What the file holds, at most `MAX_BYTES` of it.

    Raises FileNotFoundError when there is none, Misconfigured when it cannot be read, or when others than the owner may
    use it; `otherwise` says what to do then.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Misconfigured(f"The key file {path} cannot be read: {error.strerror}.") from error
    with os.fdopen(descriptor, "rb") as file:
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise Misconfigured(
                f"The key file {path} is open to others (mode {mode:03o}): run chmod 600 {path}, and {otherwise} if "
                "anybody may have read it."
            )
        return file.read(MAX_BYTES)


def make(path: Path, content: bytes) -> None:
    """Writes a new file; one that is there stays as it is, so that processes that start at once agree on one.

    Raises Misconfigured when it cannot be written.
    """
    # Written elsewhere first and then linked, which fails where a file is: nobody ever reads half a key.
    draft = _draft(path)
    try:
        _write(draft, content, _OWNER_ONLY)
        os.link(draft, path)
        _sync(path.parent)
    except FileExistsError:
        pass  # another process was first; its key is the key
    except OSError as error:
        raise Misconfigured(f"The key file {path} cannot be made: {error.strerror}.") from error
    finally:
        draft.unlink(missing_ok=True)


def replace(path: Path, content: bytes, *, mode: int = _OWNER_ONLY) -> None:
    """Puts a file in place of another one, at once. Raises OSError when it cannot be written."""
    draft = _draft(path)
    try:
        _write(draft, content, mode)
        draft.replace(path)
        _sync(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def supersede(path: Path, successor: Path) -> bool:
    """Puts `successor` in the place of `path`, whose old content is overwritten with zeros; False when it has gone.

    What a disk keeps of overwritten blocks is beyond any program.
    """
    with path.open("r+b") as old:
        try:
            successor.replace(path)
        except FileNotFoundError:
            return False
        _sync(path.parent)
        # Still open, so this reaches the old file although the name leads to the new one.
        old.write(bytes(os.fstat(old.fileno()).st_size))
        old.flush()
        os.fsync(old.fileno())
    return True


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}")


def _write(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
