"""Decoding: from a video file to upright RGB frames with their times, every bound checked before it costs anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
from av.buffer import Buffer
from av.container import InputContainer
from av.format import ContainerFormat
from av.sidedata.sidedata import Type as SideData
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream
from numpy.typing import NDArray

from countenance.errors import InvalidVideo, VideoTooLarge
from countenance.video.containers import HEAD, sniff
from countenance.vision.images import Photo

GIB = 1024**3

# Rekognition's published limits on stored videos (guidelines and quotas page).
REKOGNITION_MAX_VIDEO_BYTES = 10 * GIB
REKOGNITION_MAX_VIDEO_SECONDS = 6 * 3600

# Largest frame decoded: 4096 by 2304 is the most that H.264 has up to level 5.1. One frame costs 28 MB of this.
DEFAULT_MAX_FRAME_PIXELS = 4096 * 2304

# A video has one stream of pictures, some of sound and of subtitles; each may cost memory before it is looked at.
MAX_STREAMS = 32

# More frames a second than any camera that records people makes; what a small file could unfold into is bounded by it.
MAX_FRAME_RATE = 240

# The codecs accepted, by FFmpeg's names, and the decoders that read them. No other decoder is ever run, of sound
# neither.
CODECS = frozenset({"h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "theora"})
_DECODERS = "h264,hevc,vp8,vp9,libdav1d,mpeg4,theora"

# Bytes and microseconds that FFmpeg may look at before it says what streams there are.
_PROBE_BYTES, _PROBE_MICROSECONDS = 5_000_000, 5_000_000

# Bytes read at once.
_BUFFER = 1024 * 1024

# A file whose packets end so long before the duration that it declares has lost its tail: streams of sound and picture
# seldom end together, and durations are rounded.
_TAIL = Fraction(1)

# The height, in pixels, from which video that does not say so has the colours of ITU-R BT.709 and not BT.601.
_HIGH_DEFINITION = 720

_UNSPECIFIED = 2  # a frame's colour space, ITU-T H.273


class ColorRange(StrEnum):
    """Whether black and white are 0 and 255 (FULL) or 16 and 235 (LIMITED)."""

    FULL = "FULL"
    LIMITED = "LIMITED"


@dataclass(frozen=True, slots=True)
class VideoLimits:
    """What a video may cost; anything above is refused before the first frame is decoded."""

    max_bytes: int = REKOGNITION_MAX_VIDEO_BYTES
    max_seconds: int = REKOGNITION_MAX_VIDEO_SECONDS
    max_pixels: int = DEFAULT_MAX_FRAME_PIXELS


@dataclass(frozen=True, slots=True)
class VideoMetadata:
    """What Rekognition's VideoMetadata says: `codec` and `format` as FFmpeg calls them ("h264", "QuickTime / MOV"),
    frames a second on average, and the size in pixels of the upright picture. `duration_ms` is 0 when the file does
    not say it.
    """

    codec: str
    format: str
    duration_ms: int
    frame_rate: float
    frame_height: int
    frame_width: int
    color_range: ColorRange


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of a video, upright: uint8 RGB of shape (height, width, 3), C-contiguous.

    `timestamp_ms` is when it is shown, counted from the start of the video, in milliseconds rounded to the nearest;
    frames do not go back in time.
    """

    timestamp_ms: int
    pixels: NDArray[np.uint8]

    @property
    def photo(self) -> Photo:
        """The frame for the face models; there is no file whose digest it could bear."""
        return Photo(self.pixels, "")


class Damaged(InvalidVideo):
    """The video is damaged. What was read before is good.

    `read_ms` is the time of the last good frame; None when there was none.
    """

    def __init__(self, read_ms: int | None, duration_ms: int) -> None:
        of = f" of {duration_ms} ms" if duration_ms else ""
        salvaged = "no frame could be read" if read_ms is None else f"it could be read up to {read_ms} ms{of}"
        super().__init__(f"The video is damaged: {salvaged}.")
        self.read_ms = read_ms


@contextmanager
def opened(path: Path, limits: VideoLimits) -> Iterator[Video]:
    """The video in a file, ready to be read.

    FFmpeg is given the open file and nothing else: it opens no other file and no connection, whatever the file refers
    to. Raises `VideoTooLarge` for more bytes, time or pixels than `limits` have, `InvalidVideo` for anything that is
    not a video in a container and codec that are accepted, `Damaged` when not even the first frame can be read, and
    OSError when the file itself cannot be.
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        if size > limits.max_bytes:
            raise VideoTooLarge(f"The video file has {size} bytes; at most {limits.max_bytes} are accepted.")
        container_format = sniff(file.read(HEAD))
        file.seek(0)
        if container_format is None:
            raise InvalidVideo("The video is in none of the accepted containers: MP4, MOV, WebM, AVI, OGG.")
        options = {
            "protocol_whitelist": "none",
            "codec_whitelist": _DECODERS,
            "max_streams": str(MAX_STREAMS),
            "max_pixels": str(limits.max_pixels),
            "probesize": str(_PROBE_BYTES),
            "analyzeduration": str(_PROBE_MICROSECONDS),
        }
        try:
            container = av.open(file, "r", format=container_format, options=options, buffer_size=_BUFFER)
        except (av.FFmpegError, ValueError) as error:
            raise InvalidVideo("The video file is damaged: its streams cannot be read.") from error
        with container:
            yield Video(container, limits)


class Video:
    """An open video. Not thread-safe; one iteration over its frames at a time."""

    def __init__(self, container: InputContainer, limits: VideoLimits) -> None:
        self._container = container
        self._limits = limits
        self._stream = _stream_of_pictures(container)
        context = self._stream.codec_context
        _check_size(context.width, context.height, limits)
        context.thread_count = 1  # the face models take the processors
        self._start = Fraction(container.start_time or 0, av.time_base)
        self._duration = Fraction(container.duration or 0, av.time_base)
        self._broke_off = False
        if self._stream.duration and self._stream.time_base:
            own = self._stream.duration * self._stream.time_base
            duration_ms = round(own * 1000)
        else:
            duration_ms = round(self._duration * 1000)
        self._check_time(max(duration_ms, round(self._duration * 1000)))
        rate = self._stream.average_rate or self._stream.guessed_rate
        self._rate = Fraction(rate) if rate else Fraction(25)
        # The first frame alone says how the picture is turned.
        first = next(self._decoded(0, duration_ms), None)
        if first is None:
            raise Damaged(None, duration_ms)
        height, width = first.pixels.shape[:2]
        full = context.color_range == 2 or (context.pix_fmt or "").startswith("yuvj")
        self.metadata = VideoMetadata(
            codec=_canonical(self._stream),
            format=ContainerFormat(container.format.name, "r").long_name,
            duration_ms=duration_ms,
            frame_rate=float(self._rate),
            frame_height=int(height),
            frame_width=int(width),
            color_range=ColorRange.FULL if full else ColorRange.LIMITED,
        )

    def frames(self, *, from_ms: int = 0, every_ms: int = 0) -> Iterator[Frame]:
        """The frames from `from_ms` on, in the order in which they are shown.

        With `every_ms`, of each such span of time (counted from the start of the video) the first frame alone, which
        saves turning the others into RGB. The frames are the same ones wherever reading begins, at multiples of
        `every_ms`.

        Raises `Damaged` after the last good frame when the file cannot be read to its end, or ends before the duration
        that it declares; `VideoTooLarge` for frames that unfold into more than the limits.
        """
        return self._decoded(from_ms, self.metadata.duration_ms, every_ms)

    def _decoded(self, from_ms: int, duration_ms: int, every_ms: int = 0) -> Iterator[Frame]:
        last: int | None = None
        due = from_ms
        self._seek(from_ms)
        for count, picture in enumerate(self._pictures(), 1):
            timestamp = max(self._timestamp(picture, last), last or 0)
            self._check_time(timestamp)
            if count > (timestamp / 1000 + 1) * MAX_FRAME_RATE:
                raise VideoTooLarge(f"The video has more than {MAX_FRAME_RATE} frames a second.")
            last = timestamp
            if timestamp >= due:
                due = (timestamp // every_ms + 1) * every_ms if every_ms else from_ms
                yield Frame(timestamp, self._pixels(picture))
        if last is None or self._broke_off:
            raise Damaged(last, duration_ms)

    def _pictures(self) -> Iterator[av.VideoFrame]:
        """What can be decoded from here on, in the order in which it is shown; then `_broke_off` says whether it is all
        there was.
        """
        self._broke_off, end = True, Fraction(0)
        with suppress(av.FFmpegError):
            for packet in self._container.demux():
                if packet.is_corrupt:  # cut short by the end of the file
                    break
                if packet.pts is not None:
                    end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base - self._start)
                if packet.stream_index == self._stream.index:
                    yield from _films(packet.decode())
            else:
                self._broke_off = end < self._duration - _TAIL
                return
        # Some frames wait until those are there that are shown before them.
        with suppress(av.FFmpegError):
            yield from _films(self._stream.decode(None))

    def _seek(self, from_ms: int) -> None:
        """Go to the last key frame from which the frame at `from_ms` can be decoded, or to the beginning."""
        base = self._stream.time_base
        assert base is not None, "FFmpeg gives every stream of pictures one"
        self._container.seek(int((Fraction(from_ms, 1000) + self._start) / base), stream=self._stream, backward=True)

    def _timestamp(self, picture: av.VideoFrame, last: int | None) -> int:
        """In milliseconds from the start."""
        moment = picture.pts if picture.pts is not None else picture.dts
        if moment is None or picture.time_base is None:
            return 0 if last is None else round(last + 1000 / self._rate)
        return max(0, round((moment * picture.time_base - self._start) * 1000))

    def _pixels(self, picture: av.VideoFrame) -> NDArray[np.uint8]:
        _check_size(picture.width, picture.height, self._limits)
        space = picture.colorspace
        if space == _UNSPECIFIED:
            space = Colorspace.ITU709 if picture.height >= _HIGH_DEFINITION else Colorspace.ITU601
        pixels = np.asarray(picture.to_ndarray(format="rgb24", src_colorspace=space), dtype=np.uint8)
        return _upright(pixels, _display_matrix(picture))

    def _check_time(self, milliseconds: int) -> None:
        most = self._limits.max_seconds
        if milliseconds > most * 1000:
            raise VideoTooLarge(f"The video lasts longer than the {most} seconds that are accepted.")


def _stream_of_pictures(container: InputContainer) -> VideoStream:
    """The first stream that is a film in an accepted codec, and no cover. Raises `InvalidVideo` when there is none."""
    found = [stream for stream in container.streams.video if _canonical(stream) in CODECS]
    if not found:
        raise InvalidVideo(
            "The video has no stream of pictures in an accepted codec: H.264, H.265, VP8, VP9, AV1, MPEG-4, Theora."
        )
    return found[0]


def _films(decoded: Iterable[object]) -> Iterator[av.VideoFrame]:
    return (picture for picture in decoded if isinstance(picture, av.VideoFrame))


def _canonical(stream: VideoStream) -> str:
    return stream.codec_context.codec.canonical_name if stream.codec_context is not None else ""


def _check_size(width: int, height: int, limits: VideoLimits) -> None:
    if width * height > limits.max_pixels:
        raise VideoTooLarge(f"The video has {width}x{height} pixels; at most {limits.max_pixels} are accepted.")


def _display_matrix(picture: av.VideoFrame) -> NDArray[np.int32] | None:
    """How the picture's axes lie when it is shown, int32 (2, 2) in 16.16 fixed point; None when it is not turned."""
    side_data = cast(Mapping[object, Buffer], picture.side_data)
    data = side_data.get(SideData.DISPLAYMATRIX)
    return None if data is None else np.frombuffer(bytes(data), np.int32).reshape(3, 3)[:2, :2]


def _upright(pixels: NDArray[np.uint8], matrix: NDArray[np.int32] | None) -> NDArray[np.uint8]:
    """Turn and mirror as a display matrix says (ISO/IEC 14496-12, 8.3.2), by whole quarters.

    A pixel at (x, y) is shown at (a x + c y, b x + d y), `matrix` being ((a, b), (c, d)).
    """
    if matrix is not None:
        (a, b), (c, d) = matrix.tolist()
        if abs(b) + abs(c) > abs(a) + abs(d):
            pixels, across, down = np.asarray(cv2.transpose(pixels), dtype=np.uint8), c, b
        else:
            across, down = a, d
        if across < 0:
            pixels = np.asarray(cv2.flip(pixels, 1), dtype=np.uint8)
        if down < 0:
            pixels = np.asarray(cv2.flip(pixels, 0), dtype=np.uint8)
    return np.ascontiguousarray(pixels)
