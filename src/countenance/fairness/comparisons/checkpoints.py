"""Where a long comparison left off, on disk: histograms, positions and scores, no template.

A checkpoint is replaced at once, so that an interruption leaves the one before; it names what it is a checkpoint of.
"""

from __future__ import annotations

import hashlib
import os
import time
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
from numpy.typing import NDArray

from countenance.errors import InvalidParameter
from countenance.fairness.comparisons.tallies import Tally

# Seconds between two checkpoints; more where writing takes long, so that it never takes more than a twentieth.
INTERVAL = 30.0
SHARE = 20


def digest_of(arrays: Iterable[NDArray[np.generic]]) -> str:
    """SHA-256 of what is compared, hexadecimal."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


@dataclass(slots=True, eq=False)
class Checkpoint:
    """The file `path` of the comparison of what has the digest `of`."""

    path: Path
    of: str
    _due: float = 0.0

    def read(self, pairs: int) -> Tally:
        """What is done; nothing where there is no file. `pairs`: how many pairs of groups there are.

        Raises `InvalidParameter` for a file that is no whole checkpoint, or one of something else.
        """
        self._due = time.monotonic() + INTERVAL
        try:
            # numpy leaves a file open that it cannot read.
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                of = str(kept["of"])
                if of == self.of:
                    return Tally.of(kept["counts"], kept["done"], kept["scores"], kept["left"], kept["right"])
        except FileNotFoundError:
            return Tally.empty(pairs)
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise InvalidParameter(
                f"{self.path} is no checkpoint, or not a whole one: remove it to compare from the beginning."
            ) from error
        raise InvalidParameter(f"{self.path} is the checkpoint of another comparison: name another file, or remove it.")

    def keep(self, tally: Tally) -> None:
        """Write what is done, if it is time. Raises `InvalidParameter` where it cannot be written."""
        if time.monotonic() < self._due:
            return
        began = time.monotonic()
        scores, left, right = tally.found
        try:
            with NamedTemporaryFile(dir=self.path.parent, prefix=f".{self.path.name}.", delete=False) as file:
                try:
                    np.savez(
                        file,
                        of=np.array(self.of),
                        done=np.array(sorted(tally.done), dtype=np.int64),
                        counts=tally.counts,
                        scores=scores,
                        left=left,
                        right=right,
                    )
                    file.flush()
                    os.fsync(file.fileno())
                    Path(file.name).replace(self.path)
                except BaseException:
                    Path(file.name).unlink(missing_ok=True)
                    raise
        except OSError as error:
            raise InvalidParameter(f"The checkpoint {self.path} cannot be written: {error.strerror}.") from error
        took = time.monotonic() - began
        self._due = time.monotonic() + max(INTERVAL, SHARE * took)

    def remove(self) -> None:
        """It is done."""
        self.path.unlink(missing_ok=True)
