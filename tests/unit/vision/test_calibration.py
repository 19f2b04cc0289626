"""Similarity is a strictly increasing, continuous, invertible map through the pinned error rates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from countenance.errors import Misconfigured
from countenance.vision.calibration import PINNED_FMRS, SAME_TEMPLATE_COSINE, SIMILARITY_OF_FMR, Calibration
from countenance.vision.models.cards import Catalogue, ModelCard

SFACE = Calibration.packaged("1.0")

cosines = st.floats(-1, 1)
similarities = st.floats(0, 100)


def content() -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(SFACE.record.text())
    return parsed


@pytest.mark.parametrize(("fmr", "similarity"), [(1e-3, 80), (1e-4, 90), (1e-5, 95), (1e-6, 99)])
def test_a_threshold_means_an_error_rate(fmr: float, similarity: float) -> None:
    assert SFACE.fmr_at(similarity) == pytest.approx(fmr)
    assert SFACE.similarity(SFACE.cosine(similarity)) == pytest.approx(similarity)


def test_between_two_pins_similarity_is_linear_in_the_logarithm_of_the_rate() -> None:
    assert SFACE.fmr_at(85) == pytest.approx(10**-3.5)
    assert SFACE.fmr_at(97) == pytest.approx(10**-5.5)


def test_above_the_last_pin_no_smaller_rate_is_claimed() -> None:
    assert SFACE.fmr_at(99.9) == pytest.approx(1e-6)
    assert SFACE.fmr(1.0) == pytest.approx(1e-6)


def test_everything_matches_at_zero_and_one_template_matches_itself_at_a_hundred() -> None:
    assert SFACE.similarity(-1.0) == 0
    assert SFACE.cosine(0) == -1
    assert SFACE.similarity(1.0) == 100
    template = np.random.default_rng(1).normal(size=128).astype(np.float32)
    template /= np.linalg.norm(template)
    assert float(template @ template) >= SFACE.cosine(100)


@given(cosines, cosines)
def test_a_higher_cosine_is_a_higher_similarity(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assume(high - low > 1e-6)
    assume(low < SAME_TEMPLATE_COSINE - 1e-6)
    assert SFACE.similarity(low) < SFACE.similarity(high)


@given(cosines)
def test_a_similarity_leads_back_to_its_cosine(cosine: float) -> None:
    assert SFACE.cosine(SFACE.similarity(cosine)) == pytest.approx(min(cosine, SAME_TEMPLATE_COSINE), abs=1e-6)


@given(similarities)
def test_a_cosine_leads_back_to_its_similarity(similarity: float) -> None:
    assert SFACE.similarity(SFACE.cosine(similarity)) == pytest.approx(similarity, abs=1e-9)


@given(cosines)
def test_a_small_step_in_cosine_is_a_small_step_in_similarity(cosine: float) -> None:
    steepest = 100 / 0.05
    assert abs(SFACE.similarity(cosine) - SFACE.similarity(cosine + 1e-7)) <= steepest * 1e-7


@given(cosines, cosines)
def test_a_rarer_false_match_is_never_less_similar(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert SFACE.fmr(low) >= SFACE.fmr(high)


def test_arrays_of_any_shape_give_what_their_elements_give() -> None:
    grid = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    result = SFACE.similarity(grid)
    assert result.shape == (3, 4)
    assert result.dtype == np.float64
    assert [SFACE.similarity(float(cosine)) for cosine in grid.flat] == result.ravel().tolist()
    assert SFACE.cosine(result) == pytest.approx(np.minimum(grid, SAME_TEMPLATE_COSINE), abs=1e-6)
    assert SFACE.similarity(np.empty(0)).shape == (0,)


def test_rounding_beyond_the_ends_of_a_cosine_is_forgiven() -> None:
    assert SFACE.similarity(1.0000001) == 100
    assert SFACE.similarity(-1.0000001) == 0


@pytest.mark.parametrize("cosine", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_has_no_similarity(cosine: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        SFACE.similarity(cosine)
    with pytest.raises(ValueError, match="finite"):
        SFACE.similarity(np.array([0.5, cosine]))


@pytest.mark.parametrize("similarity", [-0.001, 100.001])
def test_a_similarity_beyond_its_scale_is_refused(similarity: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 100"):
        SFACE.cosine(similarity)


def test_the_shipped_calibration_says_what_it_does_not_show() -> None:
    record = SFACE.record
    assert [pin.evidence for pin in record.pins] == ["observed", "extrapolated", "extrapolated", "extrapolated"]
    limits = " ".join(SFACE.record.limits)
    assert "Similarity 90, 95, 99 rests on extrapolation" in limits
    assert "age=0-2" in limits
    assert all(data_set.card.licence and data_set.card.source for data_set in record.data_sets)


def test_no_counted_group_of_the_shipped_calibration_shows_more_false_matches_than_a_pin_allows() -> None:
    for group in SFACE.record.groups:
        for fmr, rate in zip(PINNED_FMRS, group.fmr_at_pins, strict=True):
            if group.counts_for_pins and rate.errors >= 30:
                assert rate.rate <= fmr, f"{group.group} at {fmr}"


def test_pins_stand_on_the_conservative_side_of_their_interval() -> None:
    for pin in SFACE.record.pins:
        assert pin.interval.low <= pin.estimate <= pin.interval.high <= pin.cosine


def test_a_missing_calibration_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="countenance fairness calibrate"):
        Calibration.read(tmp_path / "arcface-1.0.json")
    with pytest.raises(Misconfigured, match="countenance fairness calibrate"):
        Calibration.packaged("no-such-version")


def _broken_json(_: dict[str, Any]) -> str:
    return "{"


def _nan(file: dict[str, Any]) -> str:
    file["curve"][3]["cosine"] = float("nan")
    return json.dumps(file)


def _falling_back(file: dict[str, Any]) -> str:
    file["curve"][3]["cosine"] = file["curve"][2]["cosine"]
    return json.dumps(file)


def _rising_rate(file: dict[str, Any]) -> str:
    file["curve"][3]["fmr"] = 0.9
    return json.dumps(file)


def _another_meaning(file: dict[str, Any]) -> str:
    file["pins"][0]["similarity"] = 85
    return json.dumps(file)


def _pin_off_the_curve(file: dict[str, Any]) -> str:
    file["pins"][0]["cosine"] += 0.01
    return json.dumps(file)


def _pin_missing(file: dict[str, Any]) -> str:
    del file["pins"][3]
    return json.dumps(file)


def _unknown_word(file: dict[str, Any]) -> str:
    file["threshold"] = 0.4
    return json.dumps(file)


@pytest.mark.parametrize(
    "damage",
    [
        _broken_json,
        _nan,
        _falling_back,
        _rising_rate,
        _another_meaning,
        _pin_off_the_curve,
        _pin_missing,
        _unknown_word,
    ],
)
def test_a_calibration_that_contradicts_itself_is_refused(damage: Any, tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text(damage(content()))
    with pytest.raises(Misconfigured, match="not valid"):
        Calibration.read(path)


def test_what_is_written_reads_back_the_same(tmp_path: Path) -> None:
    path = tmp_path / "copy.json"
    path.write_text(SFACE.record.text())
    assert Calibration.read(path).record == SFACE.record


def test_similarities_of_the_pins_are_the_documented_ones() -> None:
    assert SIMILARITY_OF_FMR == {1.0: 0.0, 1e-3: 80.0, 1e-4: 90.0, 1e-5: 95.0, 1e-6: 99.0}


def test_the_documented_map_is_the_shipped_one() -> None:
    text = (Path(__file__).parents[3] / "docs" / "calibration.md").read_text("utf-8")
    for pin in SFACE.record.pins:
        interval = f"{pin.interval.low:.4f} to {pin.interval.high:.4f}"
        row = f"| {pin.similarity:g} | {pin.fmr:.0e} | {pin.cosine:.4f} | {interval} |"
        assert row.replace("e-0", "e-") in text
        assert pin.evidence in next(line for line in text.splitlines() if line.startswith(f"| {pin.similarity:g} |"))


@pytest.mark.parametrize(
    "card", [card for card in Catalogue() if card.recognition is not None], ids=lambda card: str(card.name)
)
def test_every_recognizer_that_ships_has_a_calibration_of_its_very_file(card: ModelCard) -> None:
    record = Calibration.packaged(card.face_model_version).record
    assert record.face_model_version == card.face_model_version
    assert record.model_sha256 == card.files[0].sha256
