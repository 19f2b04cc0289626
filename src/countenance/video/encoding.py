"""Encoding: pictures with times, as a video that everything plays: H.264 in an MP4 file, without sound."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.stream import VideoStream

from countenance.video.decoding import Frame

CODEC = "libx264"
# x264's scale: 18 is taken to look like the original.
QUALITY = "18"

_MILLISECOND = Fraction(1, 1000)


def encode(path: Path, frames: Iterable[Frame], frame_rate: float) -> None:
    """Write the frames, all of one size, to a file ending in .mp4, each shown at its time.

    H.264 needs even sides: an odd one is made longer by a pixel like those at its edge. Raises OSError.
    """
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream(CODEC, rate=Fraction(frame_rate).limit_denominator(1001))
        assert isinstance(stream, VideoStream)
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": QUALITY}
        stream.codec_context.time_base = _MILLISECOND
        shown = -1
        for frame in frames:
            if frame.timestamp_ms <= shown:  # within the same millisecond
                continue
            height, width = frame.pixels.shape[:2]
            if shown < 0:
                stream.width, stream.height = width + width % 2, height + height % 2
            even = cv2.copyMakeBorder(frame.pixels, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
            picture = av.VideoFrame.from_ndarray(np.asarray(even, dtype=np.uint8), format="rgb24")
            picture.pts, picture.time_base = frame.timestamp_ms, _MILLISECOND
            shown = frame.timestamp_ms
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
