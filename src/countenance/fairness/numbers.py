"""Rates and ratios as people read them."""

from __future__ import annotations


def number(value: float) -> str:
    """A rate or ratio to two or three digits: 0.0352, 1.2e-4, 12.3."""
    if value == 0 or abs(value) >= 0.01:
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    digits, exponent = f"{value:.1e}".split("e")
    return f"{digits}e{int(exponent)}"


def one_in(rate: float) -> str:
    """A rate as one case in so many, to two digits; in percent where it is more than one in ten."""
    if rate > 0.1:
        return percent(rate)
    return f"1 in {float(f'{1 / rate:.1e}'):,.0f}"


def percent(share: float) -> str:
    """A share, to three digits."""
    return f"{100 * share:.3g} %"


def times(factor: float) -> str:
    """How many times, to two digits: 1.4, 22, 150."""
    return f"{float(f'{factor:.1e}'):,.0f}" if factor >= 10 else f"{factor:.2g}"
