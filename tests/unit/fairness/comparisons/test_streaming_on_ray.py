"""A real Ray cluster gives what threads give. Run where the extra `ray` is installed."""

from __future__ import annotations

import numpy as np
import pytest

from countenance.errors import Misconfigured
from countenance.fairness.comparisons import all_pairs as comparisons
from countenance.fairness.comparisons.all_pairs import Grouping, compare_all
from countenance.fairness.comparisons.clusters import RayPool
from tests.unit.fairness.comparisons.test_streaming import told


def test_without_ray_a_sentence_says_what_to_install() -> None:
    try:
        import ray  # type: ignore[import-not-found,unused-ignore]  # noqa: F401, PLC0415
    except ModuleNotFoundError:
        with pytest.raises(Misconfigured, match=r"pip install countenance\[ray\]"):
            RayPool()


def test_two_nodes_give_what_threads_give() -> None:
    """Two nodes of one machine: each has its own processes and its own store of objects, as two machines have."""
    ray = pytest.importorskip("ray")
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    vectors = np.random.default_rng(0).normal(size=(4000, 32))
    templates = comparisons.exact(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    identities = np.arange(4000) // 2
    halves = Grouping("half", ("half=one", "half=two"), (np.arange(4000) % 2).astype(np.int32))
    steps: list[tuple[int, int]] = []
    here = compare_all(templates, identities, [halves], workers=2)
    cluster = cluster_utils.Cluster()
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1)
        there = compare_all(
            templates,
            identities,
            [halves],
            pool=RayPool(cluster.address),
            progress=lambda done, of: steps.append((done, of)),
        )
        assert len(ray.nodes()) == 2
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert told(there) == told(here)
    assert steps[-1][0] == steps[-1][1] == 4000 * 3999 / 2


def test_a_cluster_that_is_not_there_is_said_at_once() -> None:
    pytest.importorskip("ray")
    with pytest.raises(Misconfigured, match=r"no Ray cluster at 127\.0\.0\.1:9: "):
        RayPool("127.0.0.1:9")
