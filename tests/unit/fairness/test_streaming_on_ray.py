"""A real Ray cluster gives what threads give. Run where the extra `ray` is installed."""

from __future__ import annotations

import numpy as np
import pytest

from countenance.errors import Misconfigured
from countenance.fairness import comparisons
from countenance.fairness.clusters import RayPool
from countenance.fairness.comparisons import Grouping, compare_all
from tests.unit.fairness.test_streaming import told


def test_without_ray_a_sentence_says_what_to_install() -> None:
    try:
        import ray  # type: ignore[import-not-found,unused-ignore]  # noqa: F401, PLC0415
    except ModuleNotFoundError:
        with pytest.raises(Misconfigured, match=r"pip install countenance\[ray\]"):
            RayPool()


def test_a_cluster_gives_what_threads_give() -> None:
    ray = pytest.importorskip("ray")
    vectors = np.random.default_rng(0).normal(size=(4000, 32))
    templates = comparisons.exact(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    identities = np.arange(4000) // 2
    halves = Grouping("half", ("half=one", "half=two"), (np.arange(4000) % 2).astype(np.int32))
    steps: list[tuple[int, int]] = []
    ray.init(num_cpus=2, include_dashboard=False)
    try:
        here = compare_all(templates, identities, [halves], workers=2)
        there = compare_all(
            templates, identities, [halves], pool=RayPool(), progress=lambda done, of: steps.append((done, of))
        )
    finally:
        ray.shutdown()
    assert told(there) == told(here)
    assert steps[-1][0] == steps[-1][1] == 4000 * 3999 / 2
