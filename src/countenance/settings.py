"""Every setting of the server, in one place.

Values come from the command line, then `COUNTENANCE_*` environment variables, then the defaults below.
"""

from __future__ import annotations

import ipaddress
import os
from enum import StrEnum
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024 * 1024

# Rekognition's published limits (guidelines and quotas page).
REKOGNITION_MAX_IMAGE_BYTES = 5 * MIB
REKOGNITION_MAX_S3_IMAGE_BYTES = 15 * MIB
REKOGNITION_MIN_IMAGE_SIDE = 80  # pixels

# Largest photo decoded: 3 bytes a pixel make 300 MB of this, the most one request may cost.
DEFAULT_MAX_PIXELS = 100_000_000

# Rekognition's published limits on stored videos, and the largest frame that H.264 has up to level 5.1.
REKOGNITION_MAX_VIDEO_BYTES = 10 * 1024 * MIB
REKOGNITION_MAX_VIDEO_SECONDS = 6 * 3600
DEFAULT_MAX_FRAME_PIXELS = 4096 * 2304

# SigV4 allows clocks to differ by five minutes.
DEFAULT_CLOCK_SKEW_SECONDS = 300


class ImageFormat(StrEnum):
    """A file format that can be decoded. Rekognition takes JPEG and PNG; the others are our extension."""

    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"
    HEIC = "heic"
    AVIF = "avif"


class InferencePrecision(StrEnum):
    """Arithmetic of the recognizers: AUTO takes bfloat16 where the processor has it, float32 elsewhere."""

    AUTO = "auto"
    F32 = "f32"
    BF16 = "bf16"


class InferredAttribute(StrEnum):
    """What is guessed about a person rather than measured on the photo. Off unless the operator turns it on."""

    GENDER = "gender"
    EMOTIONS = "emotions"


def default_model_store() -> Path:
    """Where installed model files are kept: one folder per user, shared by every data folder."""
    data_home = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(data_home) / "countenance" / "models"


class Settings(BaseSettings):
    """How this server runs. Construction fails on anything contradictory: the server does not start misconfigured."""

    model_config = SettingsConfigDict(env_prefix="COUNTENANCE_", extra="forbid", frozen=True)

    data: Path = Field(description="Folder for the database, the keys and operator.json.")
    listen: str = Field("127.0.0.1:8750", description="HOST:PORT to listen on; loopback unless told otherwise.")
    tls_certificate: Path | None = Field(None, description="PEM file; with tls_key, the server speaks HTTPS.")
    tls_key: Path | None = Field(None, description="PEM file of the certificate's private key.")
    allow_plaintext: bool = Field(
        False, description="Listen on more than loopback without TLS: for a TLS-terminating proxy in front."
    )
    region: str = Field("us-east-1", pattern=r"^[a-z0-9-]{1,32}$", description="The only region SigV4 may name.")
    account_id: str = Field("000000000000", pattern=r"^\d{12}$", description="The account in resource ARNs.")
    clock_skew_seconds: int = Field(DEFAULT_CLOCK_SKEW_SECONDS, ge=1, le=3600)

    database_url: str | None = Field(
        None, description="SQLAlchemy URL of a PostgreSQL database; SQLite in the data folder when absent."
    )
    secrets_key: Path | None = Field(
        None, description="File of the key that seals access-key secrets; in the data folder when absent."
    )

    ledger_folder: Path | None = Field(
        None, description="Folder of the published ledger, for any web server; in the data folder when absent."
    )
    ledger_bucket: str | None = Field(
        None, description="Bucket of the S3-compatible store that the published ledger is copied into as well."
    )
    ledger_key: Path | None = Field(
        None, description="File of the key that signs the ledger; in the data folder when absent."
    )
    ledger_origin: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9._~/-]{1,200}$",
        description="Name of a new ledger: where it is published, such as faces.example.org/ledger.",
    )
    ledger_witnesses: frozenset[str] = Field(
        frozenset(), description="Witnesses asked to cosign, each as URL#VKEY; policies may require some."
    )

    model_store: Path = Field(default_factory=default_model_store, description="Folder of installed model files.")
    models: Path | None = Field(None, description="Folder of an operator's own model cards and files.")
    recognizer: str = Field("sface", description="Name of the recognizer card that new collections are bound to.")
    inference_precision: InferencePrecision = InferencePrecision.AUTO
    workers: int = Field(
        default_factory=lambda: os.cpu_count() or 1, ge=1, le=1024, description="Photos worked on at once."
    )

    image_formats: frozenset[ImageFormat] = Field(
        frozenset({ImageFormat.JPEG, ImageFormat.PNG}),
        description="Formats accepted; webp, heic and avif are our extension.",
    )
    max_image_bytes: int = Field(REKOGNITION_MAX_IMAGE_BYTES, ge=1)
    max_s3_image_bytes: int = Field(REKOGNITION_MAX_S3_IMAGE_BYTES, ge=1)
    max_pixels: int = Field(DEFAULT_MAX_PIXELS, ge=1)
    min_image_side: int = Field(REKOGNITION_MIN_IMAGE_SIDE, ge=1, description="Pixels; smaller photos are refused.")
    inferred_attributes: frozenset[InferredAttribute] = frozenset()

    video_workers: int = Field(
        1, ge=0, le=64, description="Videos worked on at once; 0: this server leaves them to others on its database."
    )
    max_video_bytes: int = Field(REKOGNITION_MAX_VIDEO_BYTES, ge=1)
    max_video_seconds: int = Field(REKOGNITION_MAX_VIDEO_SECONDS, ge=1)
    max_frame_pixels: int = Field(DEFAULT_MAX_FRAME_PIXELS, ge=1)

    s3_endpoint_url: str | None = Field(None, description="The S3-compatible store that S3Object reads from.")
    s3_region: str = "us-east-1"
    s3_access_key_id: str | None = None
    s3_secret_access_key: SecretStr | None = None
    s3_buckets: frozenset[str] = Field(frozenset(), description="Buckets that may be read; empty means none.")

    sns_endpoint_url: str | None = Field(None, description="The SNS-compatible service; Amazon's when absent.")
    sns_access_key_id: str | None = None
    sns_secret_access_key: SecretStr | None = None
    sns_topics: frozenset[str] = Field(
        frozenset(), description="ARNs of the topics that jobs on videos may tell when they are over; empty means none."
    )
    webhook_url: str | None = Field(None, description="Told of every job on a video that is over, by a signed POST.")
    webhook_secret: SecretStr | None = Field(None, description="Key of the HMAC-SHA-256 that signs the webhook.")

    @field_validator("listen")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        host, separator, port = value.rpartition(":")
        if not separator or not host or not port.isdecimal() or int(port) > 65535:
            raise ValueError("listen is HOST:PORT, for example 127.0.0.1:8750 or [::1]:8750")
        return value

    @model_validator(mode="after")
    def _tls_comes_whole(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        return self

    @model_validator(mode="after")
    def _notices_come_whole(self) -> Self:
        if (self.sns_access_key_id is None) != (self.sns_secret_access_key is None):
            raise ValueError("sns_access_key_id and sns_secret_access_key go together")
        if (self.webhook_url is None) != (self.webhook_secret is None):
            raise ValueError("webhook_url and webhook_secret go together: what is not signed could be anybody's")
        parts = urlsplit(self.webhook_url or "")
        if self.webhook_url is not None and (parts.scheme not in {"http", "https"} or parts.query or parts.fragment):
            raise ValueError("webhook_url is a URL of http or https without a query, such as https://example.org/hook")
        return self

    @model_validator(mode="after")
    def _open_listeners_are_encrypted(self) -> Self:
        if not self.is_loopback and self.tls_certificate is None and not self.allow_plaintext:
            raise ValueError(
                f"{self.listen} is not loopback: give tls_certificate and tls_key, "
                "or set allow_plaintext when a proxy in front ends TLS"
            )
        return self

    @property
    def host(self) -> str:
        """The address part of `listen`, without the brackets of IPv6."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port part of `listen`."""
        return int(self.listen.rpartition(":")[2])

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def endpoint_url(self) -> str:
        """What clients pass as `endpoint_url`."""
        return f"{'https' if self.tls_certificate else 'http'}://{self.listen}"

    @property
    def effective_database_url(self) -> str:
        """The SQLAlchemy URL in use."""
        return self.database_url or f"sqlite:///{self.data / 'countenance.sqlite'}"

    @property
    def effective_ledger_database_url(self) -> str:
        """The SQLAlchemy URL of the ledger's tables: in the same PostgreSQL database, or a SQLite file of their own."""
        return self.database_url or f"sqlite:///{self.data / 'ledger.sqlite'}"

    @property
    def effective_ledger_folder(self) -> Path:
        """The folder that is published."""
        return self.ledger_folder or self.data / "ledger"

    @property
    def effective_ledger_key(self) -> Path:
        """The file of the log's key in use."""
        return self.ledger_key or self.data / "ledger.key"

    @property
    def effective_secrets_key(self) -> Path:
        """The file of the sealing key in use."""
        return self.secrets_key or self.data / "secrets.key"
