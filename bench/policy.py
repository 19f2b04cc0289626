"""Decisions: how long one takes, by a new installation's policies and by all packs that ship.

    python -m bench.policy [--decisions 5000]

A decision is a request's facts in, and what may be done and what it owes out: what every use waits for. Each is asked
with another time, as the server does, and with facts of its own that are equal to those before, so that whatever is
found again is found by comparing. A denial is timed by itself and with what would unlock it. Processor time is that of
the deciding thread, which other work on the machine hardly moves.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import timedelta

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from bench import machine
from countenance.policy.engine import PolicyEngine
from countenance.policy.examples import examples_of
from countenance.policy.packs import shipped
from countenance.policy.requests import RequestFacts

SETS = {"base + moratorium-2020": ("base", "moratorium-2020"), "all packs": tuple(shipped())}
REQUESTS = {
    "operator searches, allowed": "base/ALLOW/operator-searches-as-with-rekognition.json",
    "rescuers search, allowed": "base/ALLOW/child-protection-searches-for-a-missing-child.json",
    "police search with a court order, allowed": "public-safety/ALLOW/police-at-99.json",
    "police search, suspended": "moratorium-2020/DENY/police-with-everything.json",
}
# A denial that is explained takes about a hundred decisions.
EXPLAINED = 100


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decisions", type=int, default=5000)
    decisions = parser.parse_args().decisions
    table = Table("Decision", "Policies in force", "Policies", "p50 µs", "p99 µs", "processor p50 µs", box=MARKDOWN)
    known = {example.path: example for pack in shipped().values() for example in examples_of(pack)}
    for name, packs in SETS.items():
        engine = PolicyEngine([shipped()[pack] for pack in packs])
        count = sum(len(pack.policies) + len(pack.obligations) for pack in engine.packs)
        for label, path in REQUESTS.items():
            suspended = path.startswith("moratorium")
            moratoria = frozenset({"moratorium-2020"}) if suspended else frozenset()
            facts = known[path].request.model_copy(update={"moratoria": moratoria})
            alone = _times(lambda request, engine=engine: engine.decide(request, explain=False), facts, decisions)
            table.add_row(label, name, str(count), *_row(alone))
            if suspended:
                told = _times(engine.decide, facts, min(decisions, EXPLAINED))
                table.add_row(f"{label}, with what would unlock it", name, str(count), *_row(told))
    console = Console(width=140)
    console.print(machine.describe())
    console.print(table)


def _times(decide: Callable[[RequestFacts], object], facts: RequestFacts, decisions: int) -> list[tuple[float, float]]:
    text = facts.model_dump_json()
    requests = [
        RequestFacts.model_validate_json(text).model_copy(update={"now": facts.now + timedelta(milliseconds=place)})
        for place in range(decisions)
    ]
    decide(facts)
    times = []
    for request in requests:
        wall, processor = time.perf_counter(), time.thread_time()
        decide(request)
        times.append((time.perf_counter() - wall, time.thread_time() - processor))
    return times


def _row(times: Sequence[tuple[float, float]]) -> tuple[str, str, str]:
    walls, processors = zip(*times, strict=True)
    figures = statistics.median(walls), statistics.quantiles(walls, n=100)[98], statistics.median(processors)
    return f"{figures[0] * 1e6:.0f}", f"{figures[1] * 1e6:.0f}", f"{figures[2] * 1e6:.0f}"


if __name__ == "__main__":
    main()
