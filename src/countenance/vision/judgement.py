"""Judgements out of logits."""

from __future__ import annotations

import math

from countenance.vision.details import Judgement


def logistic(logit: float) -> Judgement:
    """What is more likely at these log odds, and how likely, in per cent: 50 to 100."""
    confidence = 100 / (1 + math.exp(-min(abs(logit), 50.0)))
    return Judgement(logit > 0, confidence)
