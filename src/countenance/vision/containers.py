"""What an image file says of itself before anything is decoded: its size in pixels and which way is up.

Written here because a decoder that is asked how large an image is reads all it finds before the answer: EXIF
directories, compressed text, colour profiles, each a way to make it warn, fail or spend memory over what is not the
image; and because none of them limits the scans of a progressive JPEG, each of which costs a walk over the whole
frame. An outline is taken by walking the container only, in time linear in the file, and comes with a file that holds
the pixels and nothing else: no decoder ever sees the metadata.

Sources: ITU-T T.81 and T.871 (JPEG, JFIF), W3C PNG Third Edition, CIPA DC-008 (Exif).
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from countenance.errors import InvalidImageFormat

# Progressive encoders write about ten scans; each costs a walk over the whole frame whatever its length.
MAX_JPEG_SCANS = 64

_TRUNCATED = "The image file ends before the image does: send the whole file."
_BROKEN = "The image file is damaged: its structure does not follow the format."

_SOI, _EOI, _SOS, _APP1 = 0xD8, 0xD9, 0xDA, 0xE1
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Every comment and application segment but JFIF's and Adobe's, which tell YCbCr from RGB and YCCK from CMYK.
_JPEG_METADATA = frozenset({*range(0xE1, 0xEE), 0xEF, 0xFE})
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
# In entropy-coded data 0xFF is followed by a stuffed zero or is a restart marker; anything else begins a segment.
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_GREY, _PNG_RGB, _PNG_INDEXED = 0, 2, 3  # colour types
_PNG_PIXELS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})

_EXIF_ORIENTATION, _EXIF_SHORT = 0x0112, 3


@dataclass(frozen=True, slots=True)
class Outline:
    """The frame of an image: `width` and `height` in pixels as stored, EXIF `orientation` 1 to 8, and `bare`, the file
    without its metadata. `is_plain` tells that the pixels are grey or colour of 8 bits a channel, opaque.
    """

    width: int
    height: int
    orientation: int
    is_plain: bool
    bare: bytes


def jpeg_outline(data: bytes) -> Outline:
    """The outline of a JPEG file, up to the end of its first image.

    Raises InvalidImageFormat when it is cut off or malformed.
    """
    frame: tuple[int, int, int] | None = None
    orientation, scans = 1, 0
    kept = [data[:2]]
    position = 2
    while True:
        marker, position = _marker(data, position)
        if marker == _EOI:
            break
        if marker in _STANDALONE:
            continue
        segment = _jpeg_segment(data, position)
        if marker == _APP1 and segment.startswith(b"Exif\0\0"):
            orientation = exif_orientation(segment[6:])
        if marker in _FRAME_HEADERS:
            if frame is not None or len(segment) < 6:
                raise InvalidImageFormat(_BROKEN)
            height, width, channels = struct.unpack_from(">HHB", segment, 1)
            frame = (width, height, channels)
        end = position + 2 + len(segment)
        if marker == _SOS:
            scans += 1
            if frame is None or scans > MAX_JPEG_SCANS:
                raise InvalidImageFormat(_BROKEN)
            found = _NEXT_MARKER.search(data, end)
            if found is None:
                raise InvalidImageFormat(_TRUNCATED)
            end = found.start()
        if marker not in _JPEG_METADATA:
            kept += [bytes((0xFF, marker)), data[position:end]]
        position = end
    if frame is None or scans == 0 or 0 in frame:
        raise InvalidImageFormat(_BROKEN)
    kept.append(bytes((0xFF, _EOI)))
    width, height, channels = frame
    return Outline(width, height, orientation, channels in (1, 3), b"".join(kept))


def _marker(data: bytes, position: int) -> tuple[int, int]:
    """The marker at `position`, which any number of 0xFF may precede, and where what follows it begins."""
    start = position
    while data[position : position + 1] == b"\xff":
        position += 1
    if position >= len(data):
        raise InvalidImageFormat(_TRUNCATED)
    if position == start or data[position] in (0x00, _SOI):
        raise InvalidImageFormat(_BROKEN)
    return data[position], position + 1


def _jpeg_segment(data: bytes, position: int) -> bytes:
    """What a segment holds; `position` is that of its length, which counts itself."""
    if position + 2 > len(data):
        raise InvalidImageFormat(_TRUNCATED)
    length = int.from_bytes(data[position : position + 2], "big")
    if length < 2:
        raise InvalidImageFormat(_BROKEN)
    if position + length > len(data):
        raise InvalidImageFormat(_TRUNCATED)
    return data[position + 2 : position + length]


def png_outline(data: bytes) -> Outline:
    """The outline of a PNG file; of an animated one, that of the image shown where animation is not.

    Raises InvalidImageFormat when it is cut off or malformed.
    """
    width = height = 0
    orientation, is_plain, lacks_palette = 1, False, False
    kept = [_PNG_SIGNATURE]
    position = len(_PNG_SIGNATURE)
    kind = b""
    while kind != b"IEND":
        if position + 12 > len(data):
            raise InvalidImageFormat(_TRUNCATED)
        length, kind = struct.unpack_from(">L4s", data, position)
        end = position + 12 + length  # length, kind, content, checksum
        if end > len(data):
            raise InvalidImageFormat(_TRUNCATED)
        if (kind == b"IHDR") != (len(kept) == 1 and length == 13):
            raise InvalidImageFormat(_BROKEN)
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack_from(">LLBB", data, position + 8)
            is_plain = depth == 8 and colour in (_PNG_GREY, _PNG_RGB)
            lacks_palette = colour == _PNG_INDEXED
        elif kind == b"PLTE":
            lacks_palette = False
        elif kind == b"tRNS":
            is_plain = False
        elif kind == b"eXIf":
            orientation = exif_orientation(data[position + 8 : end - 4])
        if kind in _PNG_PIXELS:
            kept.append(data[position:end])
        position = end
    if 0 in (width, height) or lacks_palette:
        raise InvalidImageFormat(_BROKEN)
    return Outline(width, height, orientation, is_plain, b"".join(kept))


def exif_orientation(exif: bytes) -> int:
    """The orientation an Exif block states, 1 to 8; 1, upright, when it states none or cannot be read."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None or len(exif) < 8:
        return 1
    (directory,) = struct.unpack_from(f"{order}L", exif, 4)
    if directory + 2 > len(exif):
        return 1
    (entries,) = struct.unpack_from(f"{order}H", exif, directory)
    for entry in range(directory + 2, min(directory + 2 + 12 * entries, len(exif) - 11), 12):
        tag, kind, count, value = struct.unpack_from(f"{order}HHLH", exif, entry)
        if tag == _EXIF_ORIENTATION:
            return value if kind == _EXIF_SHORT and count == 1 and 1 <= value <= 8 else 1
    return 1
