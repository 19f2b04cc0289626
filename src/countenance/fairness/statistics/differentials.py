"""How unequal error rates are among groups: the measures in use, and where each of them is blind.

Max/min and max/geometric mean (NIST IR 8429), Gini and GARBE (Howard et al. 2022; ISO/IEC 19795-10), FDR (de Freitas
Pereira and Marcel, TBIOM 2021), inequity rate (Grother, NIST IR 8429).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import gmean

from countenance.fairness.numbers import times
from countenance.fairness.record import Differential, GroupRates, Rate, Spread, Statement
from countenance.fairness.statistics.intervals import normal_quantile
from countenance.vision.calibration import Interval

# How much false matches weigh against false non-matches in the measures that join them.
ALPHA = 0.5

# A rate whose standard error is more than this share of it says nothing about how many times another it is.
MAX_RELATIVE_ERROR = 0.5

# From here on a ratio between groups is called a difference that a measure should not overlook.
NOTABLE_RATIO = 2.0
# And this is what FDR says of something that it finds fair.
FAIR_FDR = 0.99


@dataclass(frozen=True, slots=True)
class Measured:
    """The two errors of a group, FMR and FNMR. None: unseen, or not measured."""

    fmr: float | None
    fnmr: float | None


def gini(rates: Sequence[float]) -> float | None:
    """Gini coefficient of n >= 2 rates with ISO/IEC 19795-10's correction for small n: 0 (equal) to 1; None: all 0."""
    values = np.asarray(rates, dtype=np.float64)
    mean = float(values.mean())
    if mean == 0 or len(values) < 2:
        return None
    n = len(values)
    differences = float(np.abs(values[:, None] - values[None, :]).sum())
    return n / (n - 1) * differences / (2 * n * n * mean)


def max_min(rates: Sequence[float]) -> float | None:
    """Largest over smallest rate; None where that is 0."""
    return max(rates) / min(rates) if min(rates) > 0 else None


def max_geomean(rates: Sequence[float]) -> float | None:
    """Largest rate over the geometric mean of all; None where one is 0."""
    return max(rates) / float(gmean(rates)) if min(rates) > 0 else None


def fdr(fmrs: Sequence[float], fnmrs: Sequence[float], alpha: float = ALPHA) -> float:
    """Fairness discrepancy rate: 1 is fair. Differences, not ratios, so that small rates hardly count."""
    return 1 - (alpha * (max(fmrs) - min(fmrs)) + (1 - alpha) * (max(fnmrs) - min(fnmrs)))


def ir(fmrs: Sequence[float], fnmrs: Sequence[float], alpha: float = ALPHA) -> float | None:
    """Inequity rate: 1 is fair, without bound; None where a rate is 0."""
    one, other = max_min(fmrs), max_min(fnmrs)
    return None if one is None or other is None else one**alpha * other ** (1 - alpha)


def garbe(fmrs: Sequence[float], fnmrs: Sequence[float], alpha: float = ALPHA) -> float | None:
    """Gini aggregation rate for biometric equitability: 0 is fair, 1 at most; None where no error was seen at all."""
    one, other = gini(fmrs), gini(fnmrs)
    return None if one is None or other is None else alpha * one + (1 - alpha) * other


def differential(
    grouping: str,
    rates: Sequence[GroupRates],
    *,
    left_out: Sequence[str] = (),
    fmr_draws: NDArray[np.float64] | None = None,
    fnmr_draws: NDArray[np.float64] | None = None,
    confidence: float,
) -> Differential:
    """All measures over the groups of one grouping.

    `fmr_draws`, `fnmr_draws` float64 (r, groups): the rates in bootstrap replicates, in the order of `rates`. Fewer
    than two groups have no differential: everything is None.
    """
    fmr = _spread({one.group: one.fmr for one in rates}, fmr_draws, confidence)
    mated = {one.group: one.fnmr for one in rates if one.fnmr is not None}
    complete = len(mated) == len(rates) >= 2
    fnmr = _spread(mated, fnmr_draws, confidence) if complete else None
    if not complete:
        return Differential(grouping=grouping, fmr=fmr, fnmr=fnmr, left_out=tuple(left_out))
    fmrs = [one.fmr.rate or 0.0 for one in rates]
    fnmrs = [rate.rate or 0.0 for rate in mated.values()]
    result = Differential(
        grouping=grouping,
        fmr=fmr,
        fnmr=fnmr,
        fdr=fdr(fmrs, fnmrs),
        ir=ir(fmrs, fnmrs),
        garbe=garbe(fmrs, fnmrs),
        left_out=tuple(left_out),
    )
    return result.model_copy(update={"blind_spots": tuple(_blind_spots(result))})


def statements(grouping: str, rates: Sequence[GroupRates], confidence: float) -> list[Statement]:
    """Which groups' errors are higher than which others', by how many times, largest first.

    The intervals hold for all pairs of groups together (Bonferroni, on the logarithm of the ratio); only what they tell
    from 1 is stated. Groups of one grouping have different subjects, so their rates are independent.
    """
    found = [
        *_statements(grouping, "FMR", {one.group: one.fmr for one in rates}, confidence),
        *_statements(grouping, "FNMR", {one.group: one.fnmr for one in rates if one.fnmr is not None}, confidence),
    ]
    return sorted(found, key=lambda statement: (statement.error, -statement.ratio, statement.group, statement.other))


def _spread(rates: Mapping[str, Rate], draws: NDArray[np.float64] | None, confidence: float) -> Spread:
    if len(rates) < 2:
        return Spread()
    values = {group: rate.rate or 0.0 for group, rate in rates.items()}
    unseen = tuple(group for group, value in values.items() if value == 0)
    if len(unseen) == len(values):
        return Spread(unseen=unseen)
    seen = list(values.values())
    return Spread(
        worst=max(values, key=values.__getitem__),
        best=None if unseen else min(values, key=values.__getitem__),
        max_min=max_min(seen),
        max_geomean=max_geomean(seen),
        interval=None if unseen or draws is None else _interval(draws, confidence),
        gini=gini(seen),
        unseen=unseen,
    )


def _interval(draws: NDArray[np.float64], confidence: float) -> Interval | None:
    """Percentile interval of max/geometric mean; None where more than 1 % of the replicates have a group without error:
    then chance alone decides whether the measure exists."""
    defined = (draws > 0).all(axis=1)
    if defined.mean() < 0.99:
        return None
    ratios = draws[defined].max(axis=1) / gmean(draws[defined], axis=1)
    low, high = np.quantile(ratios, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(low=float(low), high=float(high))


def _statements(grouping: str, error: str, rates: Mapping[str, Rate], confidence: float) -> list[Statement]:
    # An interval of Wilson's at the effective number of comparisons knows the standard error: twice it is its width.
    known = {group: (rate.rate, _relative_error(rate, confidence)) for group, rate in rates.items()}
    usable = {
        group: (value, relative)
        for group, (value, relative) in known.items()
        if value is not None and relative <= MAX_RELATIVE_ERROR
    }
    pairs = len(usable) * (len(usable) - 1) // 2
    if pairs == 0:
        return []
    reach = normal_quantile(confidence, pairs)
    found = []
    for (group, (rate, own)), (other, (others_rate, others)) in permutations(usable.items(), 2):
        ratio, half = rate / others_rate, reach * math.hypot(own, others)
        low = ratio * math.exp(-half)
        if low > 1:
            interval = Interval(low=low, high=ratio * math.exp(half))
            text = (
                f"The {error} of {group} is {times(ratio)} times that of {other} "
                f"[{times(interval.low)} to {times(interval.high)}]"
            )
            found.append(
                Statement.model_validate(
                    {
                        "grouping": grouping,
                        "error": error,
                        "group": group,
                        "other": other,
                        "ratio": ratio,
                        "interval": interval,
                        "text": text,
                    }
                )
            )
    return found


def _relative_error(rate: Rate, confidence: float) -> float:
    """The standard error of the rate's logarithm, out of its interval; infinite where there is none."""
    if not rate.rate or rate.interval is None or rate.interval.low <= 0:
        return math.inf
    return math.log(rate.interval.high / rate.interval.low) / 2 / normal_quantile(confidence)


def _blind_spots(found: Differential) -> list[str]:
    sentences = []
    ratio = found.fmr.max_min
    unequal = found.fmr.worst is not None and (ratio is None or ratio >= NOTABLE_RATIO)
    if found.fdr is not None and found.fdr >= FAIR_FDR and unequal:
        by = "without bound" if ratio is None else f"{times(ratio)} times"
        sentences.append(
            f"FDR is {found.fdr:.5f}, which reads as fair, although the highest FMR is {by} the lowest: "
            "FDR counts differences, and false match rates are too small to make any."
        )
    if found.ir is None:
        unseen = sorted({*found.fmr.unseen, *(found.fnmr.unseen if found.fnmr else ())})
        sentences.append(
            f"IR, max/min and max/geometric mean are not defined: no error was seen in {', '.join(unseen)}, "
            "which does not mean that there is none."
        )
    if found.garbe is not None and found.garbe > 0 and (found.fmr.unseen or (found.fnmr and found.fnmr.unseen)):
        sentences.append("GARBE takes rates that were not seen for 0, and so calls small groups unequal.")
    return sentences
