"""The machine's cores, shared by everything that searches and indexes templates."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import faiss


def count() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def pool() -> ThreadPoolExecutor:
    """A thread for each core, in which FAISS starts no further ones."""
    return ThreadPoolExecutor(count(), "gallery", initializer=alone)


def alone() -> None:
    """Keeps FAISS to the calling thread: threads of its own would only wait for each other on a busy machine."""
    faiss.omp_set_num_threads(1)
