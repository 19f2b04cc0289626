"""Tracks on a real clip: people before a camera in somebody's hand, that turns from one to the next."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from countenance.settings import Settings
from countenance.video.decoding import VideoLimits, opened
from countenance.video.tracking import Tracking
from countenance.vision.analysis import Vision


@pytest.mark.data
def test_three_people_and_a_camera_that_sways(data: Path, models: Path, tmp_path: Path) -> None:
    """In the first eight seconds three people are to be seen, each of them again and again."""
    vision = Vision(Settings(data=tmp_path, model_store=models))
    times: Counter[int] = Counter()
    with opened(data / "videos" / "new_face_video-90.mp4", VideoLimits()) as video:
        for _, faces in Tracking(vision, vision.face_model_version).follow(video, until_ms=8000):
            times.update(face.person for face in faces)
    assert sum(times.values()) >= 80
    assert len(times) <= 4
    assert sum(count for _, count in times.most_common(3)) >= 0.95 * sum(times.values())
