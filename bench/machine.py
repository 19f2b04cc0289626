"""The machine a bench ran on, for the line above its table."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path


def describe() -> str:
    """Date, processor, usable cores and load, in one line."""
    load = os.getloadavg()[0]
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {processor()}, {cores()} cores, "
        f"Python {platform.python_version()}, load average {load:.1f} at the start"
    )


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0))


def processor() -> str:
    """The processor's own name, and those of its instructions that the face models gain from."""
    fields: dict[str, str] = {}
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    has = set(fields.get("flags", "").split())
    gains = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in has]
    return f"{fields.get('model name', platform.machine())} ({' '.join(gains) or 'no AVX2'})"
