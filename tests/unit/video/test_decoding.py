"""Video files become upright frames with exact times, or a refusal before they cost anything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from countenance.errors import InvalidVideo, VideoTooLarge
from countenance.video.decoding import ColorRange, Damaged, VideoLimits, VideoMetadata, opened
from tests.videos import compose, numbered, quarters, turned


def times(path: Path, **asked: int) -> list[int]:
    """The times of a video's frames."""
    with opened(path, VideoLimits()) as video:
        return [frame.timestamp_ms for frame in video.frames(**asked)]


@pytest.mark.parametrize(
    ("file", "codec", "told"),
    [
        ("v.mp4", "libx264", ("h264", "QuickTime / MOV")),
        ("v.mov", "mpeg4", ("mpeg4", "QuickTime / MOV")),
        ("v.mp4", "libx265", ("hevc", "QuickTime / MOV")),
        ("v.webm", "libvpx", ("vp8", "Matroska / WebM")),
        ("v.webm", "libvpx-vp9", ("vp9", "Matroska / WebM")),
        ("v.webm", "libsvtav1", ("av1", "Matroska / WebM")),
        ("v.avi", "mpeg4", ("mpeg4", "AVI (Audio Video Interleaved)")),
        ("v.ogg", "libvpx", ("vp8", "Ogg")),
    ],
)
def test_containers_and_codecs(tmp_path: Path, file: str, codec: str, told: tuple[str, str]) -> None:
    """Every frame, in order, at its time; and what the video is, in Rekognition's words."""
    pictures = numbered(12)
    path = compose(tmp_path / file, pictures, codec=codec)
    with opened(path, VideoLimits()) as video:
        metadata = video.metadata
        frames = list(video.frames())
    assert (metadata.codec, metadata.format) == told
    assert (metadata.frame_width, metadata.frame_height) == (160, 96)
    assert metadata.frame_rate == pytest.approx(10, abs=0.1)
    assert metadata.duration_ms == pytest.approx(1200, abs=101)
    assert [frame.timestamp_ms for frame in frames] == [100 * number for number in range(12)]
    means = [float(frame.pixels.mean()) for frame in frames]
    assert means == pytest.approx([float(picture.mean()) for picture in pictures], abs=3)


def test_times_are_those_at_which_frames_are_shown(tmp_path: Path) -> None:
    """A camera that skips and stutters: variable frame rate, with frames that are stored out of order."""
    shown = [0, 33, 67, 100, 400, 401, 950, 1000, 2345]
    path = compose(tmp_path / "v.mp4", numbered(9), times_ms=shown, options={"bf": "2"})
    assert times(path) == shown


@pytest.mark.parametrize(
    ("file", "codec"), [("v.mp4", "libx264"), ("v.webm", "libvpx-vp9"), ("v.avi", "mpeg4"), ("v.ogg", "libvpx")]
)
def test_frames_are_the_same_wherever_reading_begins(tmp_path: Path, file: str, codec: str) -> None:
    """What goes on in the middle gets what would have come: to the pixel; behind the end, nothing."""
    pictures = [np.roll(quarters(), 3 * number, axis=1) for number in range(40)]
    path = compose(tmp_path / file, pictures, codec=codec, options={"g": "7"})
    with opened(path, VideoLimits()) as video:
        everything = list(video.frames())
        for start in (0, 500, 1250, 3900, 4400):
            rest = [frame for frame in everything if frame.timestamp_ms >= start]
            again = list(video.frames(from_ms=start))
            assert [frame.timestamp_ms for frame in again] == [frame.timestamp_ms for frame in rest]
            for one, other in zip(again, rest, strict=True):
                assert np.array_equal(one.pixels, other.pixels)


def test_sampling_takes_the_first_frame_of_every_span(tmp_path: Path) -> None:
    """Also after a pause that is longer than a span, and from a multiple of it."""
    path = compose(tmp_path / "v.mp4", numbered(8), times_ms=[0, 120, 260, 310, 490, 980, 1010, 1400])
    assert times(path, every_ms=250) == [0, 260, 980, 1010, 1400]
    assert times(path, every_ms=250, from_ms=500) == [980, 1010, 1400]


@pytest.mark.parametrize(
    ("matrix", "corners"),
    [
        ((1, 0, 0, 1), "RGBW"),
        ((0, 1, -1, 0), "BRWG"),  # a quarter clockwise, as phones write it
        ((-1, 0, 0, -1), "WBGR"),
        ((0, -1, 1, 0), "GWRB"),
        ((-1, 0, 0, 1), "GRWB"),  # mirrored, as front cameras do
    ],
)
def test_the_picture_is_upright(tmp_path: Path, matrix: tuple[int, int, int, int], corners: str) -> None:
    """Turned and mirrored as the file says; width and height are those of the upright picture."""
    path = turned(compose(tmp_path / "v.mp4", [quarters()] * 3), matrix)
    with opened(path, VideoLimits()) as video:
        metadata, (frame, *_) = video.metadata, list(video.frames())
    height, width = frame.pixels.shape[:2]
    assert (metadata.frame_height, metadata.frame_width) == (height, width)
    assert (height > width) == (matrix[0] == 0)
    names = {(255, 0, 0): "R", (0, 255, 0): "G", (0, 0, 255): "B", (255, 255, 255): "W"}
    places = [(height // 4, width // 4), (height // 4, 3 * width // 4)]
    places += [(3 * height // 4, width // 4), (3 * height // 4, 3 * width // 4)]
    seen = "".join(
        min(names.items(), key=lambda name: int(np.abs(frame.pixels[place].astype(int) - name[0]).sum()))[1]
        for place in places
    )
    assert seen == corners
    assert frame.pixels.flags.c_contiguous


def test_a_full_range_is_told(tmp_path: Path) -> None:
    """And does not change what is seen."""
    path = compose(tmp_path / "v.mp4", [quarters()] * 3, pixel_format="yuvj420p")
    with opened(path, VideoLimits()) as video:
        (frame, *_) = list(video.frames())
        assert video.metadata.color_range is ColorRange.FULL
    assert np.abs(frame.pixels[10, 10].astype(int) - (255, 0, 0)).max() < 12


def test_limits_hold_before_anything_is_decoded(tmp_path: Path) -> None:
    """Bytes, seconds and pixels."""
    path = compose(tmp_path / "v.mp4", numbered(30))
    for limits, complaint in (
        (VideoLimits(max_bytes=1000), "at most 1000 are accepted"),
        (VideoLimits(max_seconds=2), "longer than the 2 seconds"),
        (VideoLimits(max_pixels=160 * 96 - 1), "160x96 pixels"),
    ):
        with pytest.raises(VideoTooLarge, match=complaint), opened(path, limits):
            pass


def test_a_file_that_unfolds_into_endless_frames_is_stopped(tmp_path: Path) -> None:
    """More frames a second than any camera makes."""
    path = compose(tmp_path / "v.mp4", numbered(2) * 1000, rate=2000, codec="mpeg4")
    with opened(path, VideoLimits()) as video, pytest.raises(VideoTooLarge, match="240 frames a second"):
        for _ in video.frames():
            pass


@pytest.mark.parametrize("rest", [b"", b"<html>", b"#EXTM3U\nhttp://127.0.0.1/", b"GIF89a", b"ffconcat version 1.0\n"])
def test_what_is_no_video_is_refused(tmp_path: Path, rest: bytes) -> None:
    """By what it is, not by its name: playlists that refer to other files, and everything else."""
    path = tmp_path / "v.mp4"
    path.write_bytes(rest)
    with pytest.raises(InvalidVideo, match="none of the accepted containers"), opened(path, VideoLimits()):
        pass


def test_codecs_that_are_not_accepted_are_refused(tmp_path: Path) -> None:
    """And never decoded."""
    path = compose(tmp_path / "v.avi", numbered(3), codec="mjpeg", pixel_format="yuvj420p")
    with pytest.raises(InvalidVideo, match="no stream of pictures in an accepted codec"), opened(path, VideoLimits()):
        pass


def test_a_file_without_its_table_is_damaged(tmp_path: Path) -> None:
    """The table of an MP4 file stands at its end: nothing can be had without it."""
    path = compose(tmp_path / "v.mp4", numbered(30))
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(InvalidVideo, match="damaged"), opened(path, VideoLimits()):
        pass


def test_a_broken_tail_ends_with_what_was_salvaged(tmp_path: Path) -> None:
    """An upload that broke off: the frames that are there come, then how far it was."""
    noise = np.random.default_rng(0).integers(0, 255, (40, 96, 160, 3), dtype=np.uint8)
    path = compose(tmp_path / "v.mp4", noise, options={"g": "5"}, front=True)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    seen: list[int] = []
    with opened(path, VideoLimits()) as video:
        assert video.metadata.duration_ms == 4000
        with pytest.raises(Damaged) as damage:
            seen.extend(frame.timestamp_ms for frame in video.frames())
    assert 10 <= len(seen) <= 30
    assert seen == [100 * number for number in range(len(seen))]
    assert damage.value.read_ms == seen[-1]
    assert damage.value.message == f"The video is damaged: it could be read up to {seen[-1]} ms of 4000 ms."


def test_garbage_behind_a_good_beginning_is_damage_or_a_refusal(tmp_path: Path) -> None:
    """Whatever stands in a file: nothing but these errors comes of it."""
    whole = compose(tmp_path / "v.webm", numbered(20), codec="libvpx").read_bytes()
    generator = np.random.default_rng(1)
    for _ in range(40):
        data = bytearray(whole)
        for place in generator.integers(0, len(data), 30):
            data[place] = int(generator.integers(0, 256))
        path = tmp_path / "g.webm"
        path.write_bytes(bytes(data))
        try:
            with opened(path, VideoLimits(max_pixels=10**6)) as video:
                assert isinstance(video.metadata, VideoMetadata)
                for frame in video.frames():
                    assert frame.pixels.ndim == 3
        except (InvalidVideo, VideoTooLarge):
            continue


@pytest.mark.data
def test_the_same_clip_in_six_codecs(data: Path) -> None:
    """Written by somebody else: Theora among them, sound beside the pictures."""
    told = {}
    for path in sorted((data / "videos").glob("system-tests_*")):
        with opened(path, VideoLimits()) as video:
            frames = list(video.frames())
            told[path.suffix, video.metadata.codec] = len(frames)
            assert frames[-1].timestamp_ms == pytest.approx(1001, abs=34)
            assert (video.metadata.frame_width, video.metadata.frame_height) == (640, 480)
    assert {codec for _, codec in told} == {"h264", "hevc", "mpeg4", "theora", "vp8"}
    assert min(told.values()) >= 30
