"""Topics of an SNS-compatible service, which jobs tell when they are over.

The service, its credentials and the topics come from the settings alone: a request can name a topic that the operator
has listed and nothing else.
"""

from __future__ import annotations

from typing import Any

import botocore.session
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from countenance.errors import CountenanceError, InvalidParameter
from countenance.settings import Settings
from countenance.storage.objects import CONNECT_TIMEOUT_SECONDS, FROM_NOWHERE, READ_TIMEOUT_SECONDS


class UnreachableTopic(CountenanceError):
    """The topic cannot be told."""

    code = "UnreachableTopic"


class Topics:
    """Publishes to the topics of the settings. For one thread."""

    def __init__(self, settings: Settings) -> None:
        """Connects to nothing yet."""
        self._settings = settings
        self._clients: dict[str, Any] = {}

    def check(self, arn: str) -> None:
        """Raises InvalidParameter for a topic that the operator has not listed."""
        if arn not in self._settings.sns_topics:
            raise InvalidParameter(
                "Request has invalid parameters: NotificationChannel.SNSTopicArn is none of the topics that this "
                "server's operator lists in the setting sns_topics."
            )

    def publish(self, arn: str, message: str) -> None:
        """Tell a topic. Raises UnreachableTopic."""
        region = arn.split(":")[3]
        try:
            if region not in self._clients:
                self._clients[region] = self._client(region)
            self._clients[region].publish(TopicArn=arn, Message=message)
        except ClientError as error:
            raise UnreachableTopic(f"The topic does not take it: {error.response['Error'].get('Code')}.") from error
        except (BotoCoreError, ValueError) as error:
            raise UnreachableTopic("The service of the topic cannot be reached.") from error

    def _client(self, region: str) -> Any:
        settings = self._settings
        secret = settings.sns_secret_access_key
        return botocore.session.Session(session_vars=FROM_NOWHERE).create_client(
            "sns",
            region_name=region,
            endpoint_url=settings.sns_endpoint_url,
            aws_access_key_id=settings.sns_access_key_id,
            aws_secret_access_key=None if secret is None else secret.get_secret_value(),
            config=Config(
                signature_version=UNSIGNED if secret is None else "v4",
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                read_timeout=READ_TIMEOUT_SECONDS,
                retries={"total_max_attempts": 1},  # it is tried again later anyway
                ignore_configured_endpoint_urls=True,  # type: ignore[call-arg]  # missing in the published types
            ),
        )
