"""Whatever bytes are sent, a photo comes out or an error that says what is wrong with them."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import ExifTags, Image

from countenance.errors import ImageTooLarge, InvalidImageFormat, InvalidParameter
from countenance.settings import ImageFormat
from countenance.vision.containers import MAX_JPEG_SCANS
from countenance.vision.images import Photo, decode, sniff

MIB = 1024 * 1024
REKOGNITIONS = frozenset({ImageFormat.JPEG, ImageFormat.PNG})
EVERY = frozenset(ImageFormat)


def opened(
    data: bytes,
    *,
    formats: frozenset[ImageFormat] = REKOGNITIONS,
    max_bytes: int = 5 * MIB,
    max_pixels: int = 1_000_000,
    min_side: int = 80,
) -> Photo:
    return decode(data, formats=formats, max_bytes=max_bytes, max_pixels=max_pixels, min_side=min_side)


def patches(width: int = 120, height: int = 96, seed: int = 0) -> Image.Image:
    """A picture of coloured squares of 8 pixels, each of its own colour, so that no turn leaves it as it was."""
    colours = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3)).astype(np.uint8)
    return Image.fromarray(np.kron(colours, np.ones((8, 8, 1), dtype=np.uint8)))


def encoded(image: Image.Image, name: str, **options: object) -> bytes:
    stream = io.BytesIO()
    if name == "HEIF":
        pillow_heif.from_pillow(image).save(stream, **options)
    else:
        image.save(stream, name, **options)
    return stream.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">L", len(content)) + kind + content + struct.pack(">L", zlib.crc32(kind + content))


def header(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
    return chunk(b"IHDR", struct.pack(">LLBBBBB", width, height, depth, colour, 0, 0, 0))


SIGNATURE = b"\x89PNG\r\n\x1a\n"
END = chunk(b"IEND", b"")
AFTER_HEADER = 33  # where chunks may be put into a PNG
JPEG = encoded(patches(), "JPEG", quality=95, subsampling=0)
PROGRESSIVE = encoded(patches(), "JPEG", quality=95, progressive=True)
PNG = encoded(patches(), "PNG")


def pixels_of(image: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(image.convert("RGB"))


# What is accepted


def test_pixels_are_those_of_the_image_and_the_digest_that_of_the_file() -> None:
    photo = opened(PNG)
    np.testing.assert_array_equal(photo.pixels, pixels_of(patches()))
    assert photo.pixels.dtype == np.uint8
    assert photo.pixels.flags.c_contiguous
    assert (photo.width, photo.height) == (120, 96)
    assert photo.digest == hashlib.sha256(PNG).hexdigest()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 2}, {"keep_rgb": True}, {"quality": 5}])
def test_jpegs_of_every_kind_decode_as_pillow_decodes_them(options: dict[str, object]) -> None:
    data = encoded(patches(), "JPEG", **options)
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(opened(data).pixels, pixels_of(image))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr"])
def test_every_colour_mode_becomes_rgb(mode: str) -> None:
    original = patches().convert(mode)
    name = "JPEG" if mode in {"CMYK", "YCbCr"} else "PNG"
    options = {"quality": 100, "subsampling": 0} if name == "JPEG" else {}
    photo = opened(encoded(original, name, **options))
    assert np.abs(photo.pixels.astype(int) - pixels_of(original)).max() <= (6 if name == "JPEG" else 0)


@pytest.mark.parametrize("mode", ["LA", "RGBA", "PA"])
def test_transparency_is_laid_on_white(mode: str) -> None:
    image = patches().convert("RGBA")
    image.putalpha(Image.fromarray(np.repeat(np.uint8([[0, 255]]), 60, axis=1).repeat(96, axis=0)))
    photo = opened(encoded(image.quantize() if mode == "PA" else image.convert(mode), "PNG"))
    assert (photo.pixels[:, :60] == 255).all()
    if mode == "RGBA":
        np.testing.assert_array_equal(photo.pixels[:, 60:], pixels_of(patches())[:, 60:])
    else:
        assert not (photo.pixels[:, 60:] == 255).all()


def test_half_transparency_is_laid_on_white_in_proportion() -> None:
    photo = opened(encoded(Image.new("RGBA", (80, 80), (10, 110, 210, 128)), "PNG"))
    assert np.abs(photo.pixels.astype(int) - (132, 182, 232)).max() <= 1


@pytest.mark.parametrize("transparent", [b"", struct.pack(">H", 40_000)])
def test_sixteen_bit_grey_is_scaled_not_clipped(transparent: bytes) -> None:
    rows = b"".join(b"\0" + struct.pack(">80H", *([value] * 80)) for value in np.linspace(0, 65535, 80).astype(int))
    rows = rows[: 79 * 161] + b"\0" + struct.pack(">80H", *([40_000] * 80))
    key = chunk(b"tRNS", transparent) if transparent else b""
    data = SIGNATURE + header(80, 80, 16, 0) + key + chunk(b"IDAT", zlib.compress(rows)) + END
    photo = opened(data)
    expected = np.round(np.linspace(0, 65535, 80) / 257)
    expected[79] = 255 if transparent else round(40_000 / 257)
    assert np.abs(photo.pixels[:, 0, 0] - expected).max() <= 1
    assert (photo.pixels[:, :, 0] == photo.pixels[:, :, 2]).all()


def test_sixteen_bit_colour_keeps_its_high_byte() -> None:
    rows = b"".join(b"\0" + struct.pack(">240H", *(y * 800, 65535 - y * 800, 257) * 80) for y in range(80))
    data = SIGNATURE + header(80, 80, 16, 2) + chunk(b"IDAT", zlib.compress(rows)) + END
    assert opened(data).pixels[40, 0].tolist() == [40 * 800 >> 8, (65535 - 40 * 800) >> 8, 1]


def test_an_animated_png_gives_its_first_frame() -> None:
    frames = [patches(seed=seed) for seed in range(3)]
    data = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:], duration=100)
    assert b"acTL" in data
    np.testing.assert_array_equal(opened(data).pixels, pixels_of(frames[0]))


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_undone(name: str, orientation: int) -> None:
    upright = patches()
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,  # stored turned against the clock, to be turned with it
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    stored = upright if undo is None else upright.transpose(undo)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    options = {"PNG": {}, "JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}[name]

    photo = opened(encoded(stored, name, exif=exif, **options), formats=EVERY)

    assert (photo.width, photo.height) == (120, 96)
    assert np.abs(photo.pixels.astype(int) - pixels_of(upright)).max() <= (6 if name == "JPEG" else 0)


def exif_entry(order: str, kind: int, count: int, value: int) -> bytes:
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(f"{order}LHHHLHHL", 8, 1, 0x0112, kind, count, value, 0, 0)


@pytest.mark.parametrize(
    ("exif", "turned"),
    [
        (exif_entry("<", 3, 1, 6), True),
        (exif_entry(">", 3, 1, 6), True),
        (exif_entry(">", 3, 1, 9), False),
        (exif_entry(">", 3, 1, 0), False),
        (exif_entry(">", 4, 1, 6), False),
        (exif_entry(">", 3, 1, 6)[:12], False),
        (b"II*\0" + b"\xff" * 20, False),
        (b"MM\0*\0\0\0\x08" + b"\xff\xff" * 30_000, False),
        (b"nonsense", False),
        (b"", False),
    ],
)
def test_an_exif_block_turns_the_photo_only_where_it_makes_sense(exif: bytes, turned: bool) -> None:
    jpeg = JPEG[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 8) + b"Exif\0\0" + exif + JPEG[2:]
    png = PNG[:AFTER_HEADER] + chunk(b"eXIf", exif) + PNG[AFTER_HEADER:]
    for data in (jpeg, png):
        assert (opened(data).width == 96) == turned


@pytest.mark.parametrize("name", ["WEBP", "HEIF", "AVIF"])
def test_further_formats_are_accepted_where_the_operator_says_so(name: str) -> None:
    data = encoded(patches(), name, quality=95)
    image_format = sniff(data)
    assert image_format is not None
    photo = opened(data, formats=frozenset({image_format}))
    assert np.abs(photo.pixels.astype(int) - pixels_of(patches())).mean() < 12
    with pytest.raises(InvalidImageFormat, match="accepted formats: JPEG, PNG"):
        opened(data)
    with pytest.raises(ImageTooLarge):
        opened(data, formats=EVERY, max_pixels=120 * 96 - 1)
    with pytest.raises(InvalidParameter):
        opened(data, formats=EVERY, min_side=97)


def test_a_jpeg_with_anything_behind_it_is_that_jpeg() -> None:
    expected = opened(JPEG).pixels
    for tail in (b"PK\x03\x04 an archive", b"\0" * 100_000, PNG, JPEG):  # the last as in MPO
        np.testing.assert_array_equal(opened(JPEG + tail).pixels, expected)


def test_metadata_changes_nothing_and_is_never_unpacked() -> None:
    bomb = zlib.compress(b"\0" * 50 * MIB, 9)
    expected = opened(PNG).pixels
    for extra in (
        chunk(b"iCCP", b"profile\0\0" + bomb),
        chunk(b"zTXt", b"text\0\0" + bomb),
        chunk(b"iTXt", b"text\0\1\0\0\0" + bomb),
        chunk(b"tEXt", b"key\0value") * 20_000,
        chunk(b"eXIf", b"\xff" * MIB),
        chunk(b"acTL", b"\xff" * 8) + chunk(b"fcTL", b"\xff" * 26),
        chunk(b"prVt", b"\xff" * MIB),
    ):
        np.testing.assert_array_equal(opened(PNG[:AFTER_HEADER] + extra + PNG[AFTER_HEADER:]).pixels, expected)
    segments = b"".join(
        bytes((0xFF, marker)) + struct.pack(">H", 65_535) + start.ljust(65_533, b"\xff")
        for marker, start in (
            (0xE1, b"Exif\0\0MM\0*"),
            (0xE2, b"ICC_PROFILE\0\x01\x02"),
            (0xE2, b"MPF\0MM"),
            (0xFE, b""),
        )
    )
    np.testing.assert_array_equal(opened(JPEG[:2] + segments * 10 + JPEG[2:]).pixels, opened(JPEG).pixels)


# What is refused


@pytest.mark.parametrize("name", ["GIF", "BMP", "TIFF", "WEBP", "ICO", "PPM"])
def test_other_formats_are_refused(name: str) -> None:
    with pytest.raises(InvalidImageFormat, match="none of the accepted formats: JPEG, PNG"):
        opened(encoded(patches(), name))


@pytest.mark.parametrize("data", [b"", b"\xff", b"\xff\xd8\xff", SIGNATURE, b"<svg/>", b"\0" * 1000, b"\0" + JPEG])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidImageFormat):
        opened(data)


@pytest.mark.parametrize("data", [JPEG, PROGRESSIVE, PNG])
def test_a_file_cut_off_anywhere_is_refused(data: bytes) -> None:
    for end in [*range(3, 40), *range(40, len(data), 97), len(data) - 1]:
        with pytest.raises(InvalidImageFormat):
            opened(data[:end])


def with_size(jpeg: bytes, width: int, height: int) -> bytes:
    frame = max(jpeg.find(b"\xff\xc0"), jpeg.find(b"\xff\xc2"))
    return jpeg[: frame + 5] + struct.pack(">HH", height, width) + jpeg[frame + 9 :]


@pytest.mark.parametrize(
    "data",
    [
        SIGNATURE + header(60_000, 60_000) + chunk(b"IDAT", zlib.compress(b"\0" * MIB)) + END,
        SIGNATURE + header(2**31 - 1, 2**31 - 1) + chunk(b"IDAT", b"") + END,
        with_size(JPEG, 65_535, 65_535),
        with_size(PROGRESSIVE, 65_535, 65_535),
    ],
)
def test_more_pixels_than_allowed_are_refused_before_they_are_decoded(data: bytes) -> None:
    with pytest.raises(ImageTooLarge, match=r"\d+x\d+ pixels; at most 1000000"):
        opened(data)


def test_more_bytes_than_allowed_are_refused() -> None:
    assert opened(PNG, max_bytes=len(PNG)).width == 120
    with pytest.raises(ImageTooLarge, match=f"{len(PNG)} bytes; at most {len(PNG) - 1}"):
        opened(PNG, max_bytes=len(PNG) - 1)


def test_bounds_are_inclusive() -> None:
    data = encoded(patches(80, 80), "PNG")
    assert opened(data, max_pixels=6400, min_side=80).width == 80
    with pytest.raises(ImageTooLarge):
        opened(data, max_pixels=6399)
    with pytest.raises(InvalidParameter, match="80x80 pixels; each side needs at least 81"):
        opened(data, min_side=81)


def test_a_single_pixel_is_refused() -> None:
    for name in ("PNG", "JPEG"):
        with pytest.raises(InvalidParameter):
            opened(encoded(Image.new("RGB", (1, 1)), name))


def test_a_jpeg_of_a_thousand_scans_is_refused() -> None:
    last = PROGRESSIVE.rindex(b"\xff\xda")
    scans = PROGRESSIVE[:-2] + PROGRESSIVE[last:-2] * MAX_JPEG_SCANS + PROGRESSIVE[-2:]
    assert opened(PROGRESSIVE).width == 120
    with pytest.raises(InvalidImageFormat, match="damaged"):
        opened(scans)


@pytest.mark.parametrize(
    "data",
    [
        SIGNATURE + header(100, 100) + END,  # no pixels
        SIGNATURE + chunk(b"IDAT", b"") + header(100, 100) + END,  # header not first
        SIGNATURE + header(100, 100) + header(1, 1) + chunk(b"IDAT", b"") + END,
        SIGNATURE + header(0, 100) + chunk(b"IDAT", b"") + END,
        SIGNATURE + header(100, 100, depth=3) + chunk(b"IDAT", zlib.compress(b"\0" * 30_100)) + END,
        SIGNATURE + header(100, 100, colour=3) + chunk(b"IDAT", zlib.compress(b"\0" * 10_100)) + END,  # no palette
        SIGNATURE + header(100, 100) + chunk(b"IDAT", b"not zlib") + END,
        SIGNATURE + header(100, 100) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + END,  # too few rows
        SIGNATURE + header(100, 100) + chunk(b"IDAT", zlib.compress(b"\x07" * 30_100)) + END,  # no such filter
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xe0\x00\x01\xff\xd9",
        b"\xff\xd8\xff\xff\xff\xff",
        JPEG[:2] + JPEG[JPEG.index(b"\xff\xda") :],  # scan without a frame
        with_size(JPEG, 0, 96),
        with_size(JPEG, 120, 0),
    ],
)
def test_a_damaged_file_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidImageFormat):
        opened(data)


# Whatever comes

SAMPLES = {
    ImageFormat.JPEG: JPEG,
    ImageFormat.PNG: PNG,
    ImageFormat.WEBP: encoded(patches(), "WEBP"),
    ImageFormat.HEIC: encoded(patches(), "HEIF"),
    ImageFormat.AVIF: encoded(patches(), "AVIF"),
}
STARTS = [b"", b"\xff\xd8\xff", SIGNATURE, b"RIFF\0\0\0\0WEBP", b"\0\0\0\x18ftypavif", b"\0\0\0\x18ftypheic"]


def survives(data: bytes) -> None:
    try:
        photo = opened(data, formats=EVERY, min_side=1)
    except (InvalidImageFormat, ImageTooLarge):
        return
    assert photo.pixels.shape == (photo.height, photo.width, 3)
    assert photo.pixels.dtype == np.uint8


@given(start=st.sampled_from(STARTS), rest=st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_arbitrary_bytes_give_a_photo_or_an_error_that_says_why(start: bytes, rest: bytes) -> None:
    survives(start + rest)


@given(
    kind=st.sampled_from([*SAMPLES, "progressive", "cmyk", "palette"]),
    changes=st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=6), st.integers(0, 6)), min_size=1, max_size=6),
)
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_damaged_files_give_a_photo_or_an_error_that_says_why(
    kind: str, changes: list[tuple[float, bytes, int]]
) -> None:
    samples = {
        **SAMPLES,
        "progressive": PROGRESSIVE,
        "cmyk": encoded(patches().convert("CMYK"), "JPEG"),
        "palette": encoded(patches().convert("P"), "PNG", transparency=3),
    }
    data = samples[kind]  # type: ignore[index]
    for place, replacement, removed in changes:
        position = int(place * len(data))
        data = data[:position] + replacement + data[position + removed :]
    survives(data)


@given(
    width=st.integers(0, 3000),
    height=st.integers(0, 3000),
    depth=st.sampled_from([1, 2, 4, 8, 16, 3]),
    colour=st.integers(0, 7),
    rows=st.binary(max_size=3000),
    extra=st.lists(
        st.tuples(st.sampled_from([b"PLTE", b"tRNS", b"gAMA", b"eXIf"]), st.binary(max_size=40)), max_size=3
    ),
)
@settings(max_examples=200, deadline=None)
def test_pngs_that_are_whole_but_senseless_give_a_photo_or_an_error_that_says_why(
    width: int, height: int, depth: int, colour: int, rows: bytes, extra: list[tuple[bytes, bytes]]
) -> None:
    chunks = b"".join(chunk(kind, content) for kind, content in extra)
    survives(SIGNATURE + header(width, height, depth, colour) + chunks + chunk(b"IDAT", zlib.compress(rows)) + END)


@pytest.mark.data
def test_photos_of_odd_make_are_decoded_as_pillow_decodes_them(data: Path) -> None:
    checked = 0
    for path in sorted((data / "unit").rglob("*")):
        if path.suffix.lower() not in {".jpg", ".png", ".webp"}:
            continue
        photo = opened(path.read_bytes(), formats=EVERY, max_bytes=10**8, max_pixels=10**8, min_side=1)
        with Image.open(path) as image:
            sides = (photo.width, photo.height)
            assert sorted(sides) == sorted(image.size)
        checked += 1
    assert checked > 15
