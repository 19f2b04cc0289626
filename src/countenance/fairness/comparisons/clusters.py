"""Several machines compare what one would: by Ray, with the same code and the same result.

Optional (`pip install countenance[ray]`). Every machine has Countenance installed and gets the templates once; the
cluster's network and its machines are trusted with them.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from itertools import islice

from threadpoolctl import threadpool_limits

from countenance.errors import Misconfigured
from countenance.fairness.comparisons.stripes import Part

# Tasks that wait for each processor, so that none is idle while its result travels.
AHEAD = 2

# Seconds in which a cluster has to answer.
GREETING = 10.0


class RayPool:
    """A pool for `comparisons.compare_all`: the cluster at `address`, or this machine as a cluster of its own.

    Raises `Misconfigured` where Ray is not installed or the cluster cannot be reached.
    """

    def __init__(self, address: str | None = None) -> None:
        try:
            # Untyped, and most installations are without it.
            self._ray = import_module("ray")
        except ModuleNotFoundError as error:
            raise Misconfigured(
                "To compare on several machines, install Ray on each: pip install countenance[ray]."
            ) from error
        if not self._ray.is_initialized():
            if address is not None:
                _greet(address)
            try:
                self._ray.init(address=address, include_dashboard=None if address else False)
            except (ConnectionError, ValueError) as error:
                raise Misconfigured(f"There is no Ray cluster at {address}: {error}") from error

    def imap_unordered(self, function: Callable[[int], Part], items: Iterable[int]) -> Iterator[Part]:
        """The function's results in the order in which they are done. A machine that fails is replaced by others."""
        ray = self._ray
        task = ray.remote(num_cpus=1)(_alone)
        shared = ray.put(function)
        waiting = iter(items)
        room = AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
        running = [task.remote(shared, item) for item in islice(waiting, room)]
        try:
            while running:
                done, running = ray.wait(running)
                running += [task.remote(shared, item) for item in islice(waiting, len(done))]
                for result in done:
                    yield ray.get(result)
        finally:
            for result in running:
                ray.cancel(result)


def _greet(address: str) -> None:
    """Ray itself tries for minutes to reach a cluster that is not there."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        try:
            socket.create_connection((host, int(port)), GREETING).close()
        except OSError as error:
            raise Misconfigured(f"There is no Ray cluster at {address}: {error.strerror or error}.") from error


def _alone(function: Callable[[int], Part], item: int) -> Part:
    """Ray gives each task a processor: the matrix products keep to it."""
    with threadpool_limits(1, user_api="blas"):
        return function(item)
