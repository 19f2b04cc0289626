"""Photos: from the bytes of an image file to upright RGB pixels, every bound checked before it costs anything."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image

from countenance.errors import ImageTooLarge, InvalidImageFormat, InvalidParameter
from countenance.settings import ImageFormat
from countenance.vision.containers import Outline, exif_orientation, jpeg_outline, png_outline

# Sizes are checked here, against the setting, before anything is decoded; Pillow's own check would warn first.
Image.MAX_IMAGE_PIXELS = None

_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"mif1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})

_HeifImage: Callable[[io.BytesIO], Image.Image] = pillow_heif.HeifImageFile

_UNDECODABLE = "The image file is damaged: it cannot be decoded."


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A decoded photo, upright.

    `pixels` is uint8 RGB of shape (height, width, 3), C-contiguous; `digest` is the SHA-256 of the file it came from,
    in hexadecimal.
    """

    pixels: NDArray[np.uint8]
    digest: str

    @property
    def height(self) -> int:
        """In pixels."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """In pixels."""
        return int(self.pixels.shape[1])


def decode(data: bytes, *, formats: frozenset[ImageFormat], max_bytes: int, max_pixels: int, min_side: int) -> Photo:
    """The photo in an image file of one of `formats`, turned as its EXIF orientation says.

    Of an animation, the first frame; transparency is laid on white; 16 bits a channel become 8. Raises ImageTooLarge
    for more than `max_bytes` or `max_pixels`, InvalidParameter for a side shorter than `min_side` pixels, and
    InvalidImageFormat for anything that is not a whole image of one of `formats`.
    """
    if len(data) > max_bytes:
        raise ImageTooLarge(f"The image file has {len(data)} bytes; at most {max_bytes} are accepted.")
    image_format = sniff(data)
    if image_format is None or image_format not in formats:
        accepted = ", ".join(sorted(item.value.upper() for item in formats))
        raise InvalidImageFormat(f"The image is in none of the accepted formats: {accepted}.")

    def check(width: int, height: int) -> None:
        if width * height > max_pixels:
            raise ImageTooLarge(f"The image has {width}x{height} pixels; at most {max_pixels} are accepted.")
        if min(width, height) < min_side:
            raise InvalidParameter(
                f"The image has {width}x{height} pixels; each side needs at least {min_side} for a face to be found."
            )

    pixels, orientation = _DECODERS[image_format](data, check)
    return Photo(_upright(pixels, orientation), hashlib.sha256(data).hexdigest())


def sniff(data: bytes) -> ImageFormat | None:
    """The format that the first bytes of a file announce, whatever its name was; None for any other."""
    if data.startswith(b"\xff\xd8\xff"):
        return ImageFormat.JPEG
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return ImageFormat.PNG
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ImageFormat.WEBP
    if data[4:8] == b"ftyp":
        if data[8:12] in _AVIF_BRANDS:
            return ImageFormat.AVIF
        if data[8:12] in _HEIC_BRANDS:
            return ImageFormat.HEIC
    return None


_Check = Callable[[int, int], None]
_Decoded = tuple[NDArray[np.uint8], int]


def _decode_jpeg(data: bytes, check: _Check) -> _Decoded:
    return _decode_outlined(jpeg_outline(data), "JPEG", check)


def _decode_png(data: bytes, check: _Check) -> _Decoded:
    return _decode_outlined(png_outline(data), "PNG", check)


def _decode_outlined(outline: Outline, name: str, check: _Check) -> _Decoded:
    check(outline.width, outline.height)
    try:
        if outline.is_plain:
            pixels = _decode_plain(outline)
        else:
            with Image.open(io.BytesIO(outline.bare), formats=[name]) as image:
                pixels = _rgb(image)
    except _DECODING_ERRORS as error:
        raise InvalidImageFormat(_UNDECODABLE) from error
    return pixels, outline.orientation


def _decode_plain(outline: Outline) -> NDArray[np.uint8]:
    """Bit by bit what Pillow decodes, up to twice as fast: OpenCV writes the array directly."""
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = cv2.imdecode(np.frombuffer(outline.bare, np.uint8), flags)
    if pixels is None or pixels.shape != (outline.height, outline.width, 3):
        raise InvalidImageFormat(_UNDECODABLE)
    return pixels.astype(np.uint8, copy=False)


def _decode_webp(data: bytes, check: _Check) -> _Decoded:
    return _decode_lazily(lambda: Image.open(io.BytesIO(data), formats=["WEBP"]), check)


def _decode_avif(data: bytes, check: _Check) -> _Decoded:
    return _decode_lazily(lambda: Image.open(io.BytesIO(data), formats=["AVIF"]), check)


def _decode_heic(data: bytes, check: _Check) -> _Decoded:
    return _decode_lazily(lambda: _HeifImage(io.BytesIO(data)), check)


def _decode_lazily(opening: Callable[[], Image.Image], check: _Check) -> _Decoded:
    """For formats whose opener reads the size and leaves the pixels for later."""
    try:
        with opening() as image:
            check(*image.size)
            exif = image.info.get("exif") or b""
            orientation = exif_orientation(exif.removeprefix(b"Exif\0\0"))
            return _rgb(image), orientation
    except _DECODING_ERRORS as error:
        raise InvalidImageFormat(_UNDECODABLE) from error


# What the decoders raise for files they cannot make sense of (OSError includes Pillow's UnidentifiedImageError), and
# what Pillow warns of where warnings are errors.
_DECODING_ERRORS = (
    *(cv2.error, OSError, SyntaxError, ValueError, RuntimeError, EOFError, OverflowError, IndexError, KeyError),
    Warning,
)

_DECODERS: dict[ImageFormat, Callable[[bytes, _Check], _Decoded]] = {
    ImageFormat.JPEG: _decode_jpeg,
    ImageFormat.PNG: _decode_png,
    ImageFormat.WEBP: _decode_webp,
    ImageFormat.HEIC: _decode_heic,
    ImageFormat.AVIF: _decode_avif,
}


def _rgb(image: Image.Image) -> NDArray[np.uint8]:
    """8-bit RGB of a Pillow image, transparency laid on white."""
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow's own conversion would clip to 255
        grey = np.asarray(image)
        deep = (grey.astype(np.uint32) * 255 + 32767) // 65535
        if isinstance(transparent := image.info.get("transparency"), int):
            deep[grey == transparent] = 255
        return np.repeat(deep.astype(np.uint8)[:, :, None], 3, axis=2)
    if image.has_transparency_data:
        with image.convert("RGBA") as foreground, Image.new("RGB", image.size, "white") as background:
            background.paste(foreground, mask=foreground)
            return np.array(background)
    return np.array(image.convert("RGB"))


def _upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undo the turn and mirroring that EXIF's eight orientations stand for."""
    if orientation >= 5:  # rows and columns exchanged
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
