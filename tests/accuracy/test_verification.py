"""The whole pipeline tells people apart as well as it did, and a Similarity keeps its word on photos it never saw."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.accuracy import Trial, trial
from countenance.vision.calibration import PINNED_FMRS, SIMILARITY_OF_FMR, Calibration

pytestmark = pytest.mark.data

SFACE = Calibration.packaged("1.0")


@pytest.fixture(scope="module")
def congress(data: Path, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """Portraits of 2015 against those of 2024."""
    return trial("congress", data, "countenance-f32", tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def london(data: Path, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """Neutral faces against smiling ones."""
    return trial("london", data, "countenance-f32", tmp_path_factory.mktemp("weights"))


def test_every_portrait_yields_a_template(congress: Trial, london: Trial) -> None:
    assert (congress.photos, congress.failures) == (1418, 0)
    assert (london.photos, london.failures) == (204, 0)


def test_people_are_found_again_after_nine_years(congress: Trial) -> None:
    assert (len(congress.mated), len(congress.non_mated)) == (258, 473_523)
    for fmr in (1e-3, 1e-4):
        threshold = congress.threshold(fmr)
        assert threshold is not None
        assert congress.fnmr(threshold) <= 0.004, "one person of 258 at most"
    assert congress.equal_error_rate() <= 0.002


def test_a_smile_changes_nobody(london: Trial) -> None:
    assert (len(london.mated), len(london.non_mated)) == (102, 10_302)
    assert london.equal_error_rate() == 0


@pytest.mark.parametrize("fmr", PINNED_FMRS)
def test_no_similarity_lets_more_strangers_through_than_it_says(fmr: float, congress: Trial, london: Trial) -> None:
    threshold = SFACE.cosine(SIMILARITY_OF_FMR[fmr])
    assert congress.fmr(threshold) <= fmr
    if fmr >= 1e-3:
        assert london.fmr(threshold) <= fmr


@pytest.mark.parametrize(("similarity", "highest_fnmr"), [(80, 0.004), (90, 0.05), (95, 0.10), (99, 0.25)])
def test_caution_costs_no_more_mated_comparisons_than_it_did(
    similarity: float, highest_fnmr: float, congress: Trial, london: Trial
) -> None:
    threshold = SFACE.cosine(similarity)
    assert congress.fnmr(threshold) <= highest_fnmr
    assert london.fnmr(threshold) == 0
