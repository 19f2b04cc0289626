"""AssumeRole and GetCallerIdentity, and why there are no others.

By AssumeRole every AWS SDK can say what a use is for without knowing this server: the session's tags name the
purpose, the case, the authorization and the beneficiary, and every call made with its credentials carries them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from countenance.aws.operations.calls import Answer, Call, Operation, Request
from countenance.errors import AccessDenied, InvalidParameter

# What a session may say of itself.
SESSION_TAGS = ("purpose", "case", "authorization", "beneficiary")

# STS's own default; its bounds, 900 and 43,200 seconds, are in the service model.
DEFAULT_DURATION_SECONDS = 3600

# Parameters of AssumeRole that this server would not honour. Each of them restricts a session or ties it to something,
# so that a session begun without them would be another than was asked for.
NOT_HONOURED = {
    "Policy": "What a session may do is decided by the policies of this server alone.",
    "PolicyArns": "What a session may do is decided by the policies of this server alone.",
    "TransitiveTagKeys": "The tags of a session say what it is for, and no other session takes them over.",
    "ExternalId": "A role is assumed by the principals of its own organization, which need no external id.",
    "SerialNumber": "There are no MFA devices here.",
    "TokenCode": "There are no MFA devices here.",
    "SourceIdentity": "The ledger names the principal of the access key that begins the session.",
    "ProvidedContexts": "There are no context providers here.",
    "MinimumSessionTokenSize": "Session tokens are as long as they need to be.",
}

_BEGIN_WITH_ASSUME_ROLE = "sessions are begun with AssumeRole, whose tags say what they are for"
_ACCESS_KEYS = "principals are known by the access keys that the operator issues"

ABSENT = {
    "AssumeRoleWithSAML": _ACCESS_KEYS,
    "AssumeRoleWithWebIdentity": _ACCESS_KEYS,
    "AssumeRoot": "there is no root user",
    "DecodeAuthorizationMessage": "what is denied is explained in the answer that denies it",
    "GetAccessKeyInfo": "`countenance keys list` tells whose a key is",
    "GetDelegatedAccessToken": _BEGIN_WITH_ASSUME_ROLE,
    "GetFederationToken": _BEGIN_WITH_ASSUME_ROLE,
    "GetSessionToken": _BEGIN_WITH_ASSUME_ROLE,
    "GetWebIdentityToken": "no tokens for other services are given out",
}

# For operations that Amazon adds to its model after this was written.
UNHEARD_OF = "it is newer than this server"


def assume_role(call: Call) -> Answer:
    """Temporary credentials for a role, bound to what the tags say."""
    request = call.request
    _refuse_what_is_not_honoured(request)
    session = call.application.sessions.assume_role(
        call.caller,
        role_arn=request["RoleArn"],
        session_name=request["RoleSessionName"],
        tags=session_tags(request.get("Tags", [])),
        duration_seconds=request.get("DurationSeconds", DEFAULT_DURATION_SECONDS),
    )
    return {
        "Credentials": {
            "AccessKeyId": session.access_key_id,
            "SecretAccessKey": session.secret,
            "SessionToken": session.token,
            "Expiration": session.expires_at,
        },
        "AssumedRoleUser": {"AssumedRoleId": session.assumed_role_id, "Arn": session.arn},
    }


def get_caller_identity(call: Call) -> Answer:
    """Who signs: a principal, or a session in a role."""
    identity = call.application.sessions.identity(call.caller)
    return {"UserId": identity.user_id, "Account": identity.account, "Arn": identity.arn}


def session_tags(tags: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The tags by key. Raises `InvalidParameter` for one that is not a session's, is empty or is given twice."""
    found: dict[str, str] = {}
    for tag in tags:
        key, value = tag["Key"], tag["Value"]
        if key not in SESSION_TAGS:
            raise InvalidParameter(f"There is no session tag {key}: a session has {_listed(SESSION_TAGS)}.")
        if key in found:
            raise InvalidParameter(f"The session tag {key} is given more than once.")
        if not value.strip():
            raise InvalidParameter(f"The session tag {key} is empty: leave it out when there is nothing to say.")
        found[key] = value
    return found


def not_offered(action: str) -> AccessDenied:
    """The answer to a call of an operation of STS that this server does not have."""
    return AccessDenied(f"{action} is not offered by this server: {ABSENT.get(action, UNHEARD_OF)}.")


def _refuse_what_is_not_honoured(request: Request) -> None:
    for parameter, reason in NOT_HONOURED.items():
        if request.get(parameter):
            raise InvalidParameter(f"{parameter} is not offered by this server. {reason}")


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"


OPERATIONS = {
    "AssumeRole": Operation(assume_role),
    "GetCallerIdentity": Operation(get_caller_identity),
}
