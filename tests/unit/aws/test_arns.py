"""Names of collections as ARNs."""

from __future__ import annotations

from pathlib import Path

import pytest

from countenance.aws.arns import collection_arn, collection_id
from countenance.errors import InvalidParameter, ResourceNotFound
from countenance.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path, region="eu-west-1", account_id="123456789012")


def test_an_arn_is_read_with_and_without_its_prefix(settings: Settings) -> None:
    arn = collection_arn("a.b", settings)
    assert arn == "arn:aws:rekognition:eu-west-1:123456789012:collection/a.b"
    assert collection_id(arn, settings) == "a.b"
    assert collection_id(arn.removeprefix("arn:"), settings) == "a.b"


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:rekognition:us-east-1:123456789012:collection/a",
        "arn:aws:rekognition:eu-west-1:000000000000:collection/a",
        "arn:aws:rekognition:eu-west-1:123456789012:streamprocessor/a",
        "arn:aws:rekognition:eu-west-1:123456789012:project/a/version/b/1",
    ],
)
def test_what_cannot_be_here_is_not_found(arn: str, settings: Settings) -> None:
    with pytest.raises(ResourceNotFound, match=arn):
        collection_id(arn, settings)


@pytest.mark.parametrize(
    "arn", ["x" * 20, "arn:aws:s3:eu-west-1:123456789012:bucket/a", "arn:aws:rekognition:::collection/\x00"]
)
def test_what_is_no_arn_is_an_invalid_parameter(arn: str, settings: Settings) -> None:
    with pytest.raises(InvalidParameter):
        collection_id(arn, settings)
