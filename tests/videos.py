"""Videos of the tests' own, composed as they are needed: no video file is kept."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def compose(
    path: Path,
    pictures: Iterable[Picture],
    *,
    codec: str = "libx264",
    rate: int = 10,
    times_ms: Sequence[int] | None = None,
    pixel_format: str = "yuv420p",
    options: dict[str, str] | None = None,
    front: bool = False,
) -> Path:
    """Write a video of these pictures, uint8 RGB (h, w, 3), `rate` a second, or each at its time.

    With `front`, an MP4 file has its table in front, as for streaming.
    """
    with av.open(str(path), "w", container_options={"movflags": "faststart"} if front else {}) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        assert isinstance(stream, av.VideoStream)
        stream.pix_fmt = pixel_format
        base = Fraction(1, 1000) if times_ms is not None else Fraction(1, rate)
        stream.codec_context.time_base = base
        for number, picture in enumerate(pictures):
            if number == 0:
                stream.height, stream.width = picture.shape[:2]
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.time_base = base
            frame.pts = number if times_ms is None else times_ms[number]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def turned(path: Path, matrix: Sequence[int]) -> Path:
    """Write into an MP4 file that its picture is shown so: (a, b, c, d) of the display matrix of its track."""
    a, b, c, d = (value * 65536 for value in matrix)
    data = bytearray(path.read_bytes())
    header = data.index(b"tkhd")
    struct.pack_into(">9i", data, header + 44, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(bytes(data))
    return path


def quarters(width: int = 160, height: int = 96) -> Picture:
    """A picture that shows how it is turned: red, green, blue and white from left to right, the top row first."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = (255, 0, 0)
    picture[: height // 2, width // 2 :] = (0, 255, 0)
    picture[height // 2 :, : width // 2] = (0, 0, 255)
    picture[height // 2 :, width // 2 :] = (255, 255, 255)
    return picture


def numbered(count: int, width: int = 160, height: int = 96) -> list[Picture]:
    """Pictures that each say which they are: grey, lighter by four from each to the next."""
    return [np.full((height, width, 3), 20 + 4 * number, np.uint8) for number in range(count)]


def read_image(path: Path) -> Picture:
    """The pixels of an image file."""
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR_RGB), dtype=np.uint8)


def pasted(picture: Picture, face: Picture, left: int, top: int) -> Picture:
    """A copy of the picture with `face` in it, cut where it goes over the edge."""
    result = picture.copy()
    height, width = face.shape[:2]
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + width, picture.shape[1]), min(top + height, picture.shape[0])
    if x1 > x0 and y1 > y0:
        result[y0:y1, x0:x1] = face[y0 - top : y1 - top, x0 - left : x1 - left]
    return result
