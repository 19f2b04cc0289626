"""Use cases on sessions: temporary credentials that say for what, for whom and under which authorization."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from countenance.errors import AccessDenied, InvalidParameter, ResourceNotFound
from countenance.policy.authorizations import Authorizations
from countenance.policy.vocabulary import Purpose
from countenance.service.actions import Action
from countenance.service.callers import Caller
from countenance.service.uses import Uses
from countenance.settings import Settings
from countenance.storage import sessions
from countenance.storage.keys import AccessKeys, SealingKey
from countenance.storage.principals import Organization, Principals

_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):role/([^/]+)/([^/]+)")


@dataclass(frozen=True, slots=True)
class SessionCredentials:
    """What the holder of a session signs with, until `expires_at` (UTC seconds since the epoch)."""

    access_key_id: str
    secret: str = field(repr=False)
    token: str = field(repr=False)
    expires_at: float
    assumed_role_id: str
    arn: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Who signs, in AWS's terms."""

    user_id: str
    account: str
    arn: str


@dataclass(frozen=True, slots=True)
class Signer:
    """Who must have signed a request, and with which secret."""

    secret: str = field(repr=False)
    caller: Caller


class Sessions:
    """Begins sessions, and finds out whom credentials belong to."""

    def __init__(
        self,
        *,
        uses: Uses,
        settings: Settings,
        keys: AccessKeys,
        sealing_key: SealingKey,
        principals: Principals,
        authorizations: Authorizations,
    ) -> None:
        self._uses = uses
        self._settings = settings
        self._keys = keys
        self._sealing_key = sealing_key
        self._principals = principals
        self._authorizations = authorizations

    def assume_role(
        self, caller: Caller, *, role_arn: str, session_name: str, tags: Mapping[str, str], duration_seconds: int
    ) -> SessionCredentials:
        """A session of the caller in a role of their own organization.

        `tags` are `purpose`, `case`, `authorization` (a uid) and `beneficiary` (an organization); what is not there is
        as the access key has it. A key that acts for somebody cannot be used to act for another. Raises `AccessDenied`
        for that, for a session's own sessions and for a role that is not the caller's; `InvalidParameter` for words
        that nobody knows.
        """
        with self._uses.use(caller, Action.ASSUME_ROLE) as use:
            parent = self._keys.lookup(caller.access_key_id)
            if parent is None:
                raise AccessDenied("A session begins no other session: sign AssumeRole with the access key.")
            role = self._role(caller, role_arn)
            now = self._uses.now()
            purpose = caller.purpose if "purpose" not in tags else _purpose(tags["purpose"])
            authorization = tags.get("authorization", caller.authorization)
            if "authorization" in tags and self._authorizations.find(tags["authorization"], now) is None:
                raise InvalidParameter(f"There is no authorization {tags['authorization']}.")
            beneficiary = caller.beneficiary
            if "beneficiary" in tags:
                named = self._organization(tags["beneficiary"])
                if beneficiary is not None and named.uid != beneficiary.uid:
                    raise AccessDenied(f"This access key acts for {beneficiary.name}: use another one for others.")
                beneficiary = named
            session = sessions.begin(
                parent=caller.access_key_id,
                role=role,
                name=session_name,
                purpose=purpose,
                case=tags.get("case", caller.case),
                authorization=authorization,
                beneficiary=None if beneficiary is None else beneficiary.uid,
                now=now.timestamp(),
                duration_seconds=duration_seconds,
            )
            use.state(role=role, session_purpose=purpose)
            token = sessions.seal(session, self._sealing_key)
            return SessionCredentials(
                access_key_id=session.access_key_id,
                secret=sessions.secret(token, parent.secret),
                token=token,
                expires_at=session.expires_at,
                assumed_role_id=f"{session.access_key_id}:{session_name}",
                arn=self._session_arn(role, session_name),
            )

    def identity(self, caller: Caller) -> Identity:
        """Who the caller is."""
        with self._uses.use(caller, Action.GET_CALLER_IDENTITY):
            account = self._settings.account_id
            if caller.session is not None:
                return Identity(
                    f"{caller.access_key_id}:{caller.session}", account, self._session_arn(caller.role, caller.session)
                )
            principal = caller.principal
            path = f"{slug(principal.organization.name)}/{slug(principal.name)}"
            return Identity(principal.uid, account, f"arn:aws:iam::{account}:user/{path}")

    def authenticate(self, access_key_id: str, token: str | None) -> Signer | None:
        """Who must have signed with this key id and, for a session, this token; None for what is not known or revoked.

        Raises `ExpiredSession` and `InvalidSession` (storage.sessions) for tokens.
        """
        if token is None:
            signing = self._keys.lookup(access_key_id)
            if signing is None:
                return None
            key = signing.key
            caller = Caller(
                access_key_id=access_key_id,
                principal=key.principal,
                role=key.principal.roles[0],
                purpose=Purpose(key.purpose),
                authorization=key.authorization,
                beneficiary=key.beneficiary,
            )
            return Signer(signing.secret, caller)
        session = sessions.unseal(token, access_key_id, self._uses.now().timestamp(), self._sealing_key)
        parent = self._keys.lookup(session.parent)
        if parent is None or session.role not in parent.key.principal.roles:
            return None
        beneficiary = session.beneficiary
        caller = Caller(
            access_key_id=access_key_id,
            principal=parent.key.principal,
            role=session.role,
            purpose=Purpose(session.purpose),
            case=session.case,
            authorization=session.authorization,
            beneficiary=None if beneficiary is None else self._principals.organization(beneficiary),
            credential="session",
            session=session.name,
        )
        return Signer(sessions.secret(token, parent.secret), caller)

    def _role(self, caller: Caller, role_arn: str) -> str:
        match = _ROLE_ARN.fullmatch(role_arn)
        if match is None:
            raise InvalidParameter(
                f"RoleArn is arn:aws:iam::{self._settings.account_id}:role/ORGANIZATION/ROLE, such as role/"
                f"{slug(caller.principal.organization.name)}/{caller.principal.roles[0]}."
            )
        account, organization, role = match.groups()
        own = caller.principal.organization
        known = {own.name, slug(own.name), own.uid}
        if account != self._settings.account_id or organization not in known or role not in caller.principal.roles:
            roles = " and ".join(caller.principal.roles)
            raise AccessDenied(
                f"{caller.principal.name} may assume the roles of {own.name} that are theirs, and no others: {roles}."
            )
        return role

    def _organization(self, name: str) -> Organization:
        try:
            return self._principals.organization(name)
        except ResourceNotFound as error:
            raise InvalidParameter(error.message) from error

    def _session_arn(self, role: str, name: str) -> str:
        return f"arn:aws:sts::{self._settings.account_id}:assumed-role/{role}/{name}"


def slug(name: str) -> str:
    """The name as ARNs have it: lower case, what ARNs do not take becomes a hyphen."""
    return re.sub(r"[^\w+=,.@-]+", "-", name.lower(), flags=re.ASCII).strip("-") or "-"


def _purpose(word: str) -> Purpose:
    try:
        return Purpose(word)
    except ValueError:
        raise InvalidParameter(f"The purpose is a word of a closed list: {', '.join(Purpose)}.") from None
