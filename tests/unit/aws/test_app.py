"""What answers carry beside themselves."""

from __future__ import annotations

import pytest

from countenance.aws.app import answer_headers
from countenance.service.uses import Answer


@pytest.mark.parametrize(
    ("answer", "headers"),
    [
        (Answer(), {}),
        (Answer(receipt=0), {"x-countenance-receipt": "0"}),
        (Answer(receipt=41, threshold=99.0), {"x-countenance-receipt": "41", "x-countenance-threshold": "99"}),
        (Answer(receipt=41, threshold=99.5), {"x-countenance-receipt": "41", "x-countenance-threshold": "99.5"}),
        (Answer(receipt=41, review="r-1"), {"x-countenance-receipt": "41", "x-countenance-review": "r-1"}),
    ],
)
def test_an_answer_names_its_receipt_its_review_and_the_threshold_that_was_raised(
    answer: Answer, headers: dict[str, str]
) -> None:
    assert answer_headers(answer) == headers
