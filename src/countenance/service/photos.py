"""Where a photo comes from: the request itself, or the one S3-compatible store the operator configured."""

from __future__ import annotations

from dataclasses import dataclass, field

from countenance.settings import Settings
from countenance.storage.objects import S3Photos
from countenance.vision.images import Photo, decode


@dataclass(frozen=True, slots=True)
class PhotoBytes:
    """`Image.Bytes`: the file itself."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PhotoObject:
    """`Image.S3Object`: a bucket, a key and, for a versioned bucket, a version."""

    bucket: str
    name: str
    version: str | None = None


PhotoSource = PhotoBytes | PhotoObject


class Photos:
    """Opens photos within the limits of the settings."""

    def __init__(self, settings: Settings, objects: S3Photos) -> None:
        self._settings = settings
        self._objects = objects

    def open(self, source: PhotoSource) -> Photo:
        """The decoded, upright photo.

        Raises `InvalidImageFormat`, `ImageTooLarge`, `InvalidParameter` (smaller than Rekognition's minimum) and,
        for objects, `InvalidS3Object`.
        """
        settings = self._settings
        if isinstance(source, PhotoObject):
            max_bytes = settings.max_s3_image_bytes
            data = self._objects.fetch(source.bucket, source.name, source.version, max_bytes=max_bytes)
        else:
            max_bytes = settings.max_image_bytes
            data = source.data
        return decode(
            data,
            formats=settings.image_formats,
            max_bytes=max_bytes,
            max_pixels=settings.max_pixels,
            min_side=settings.min_image_side,
        )
