"""Who the command line acts as: whoever may read the data folder may act as any principal; the ledger says `local`."""

from __future__ import annotations

from countenance.policy.vocabulary import Purpose
from countenance.service.callers import Caller
from countenance.service.keys import OPERATOR, OPERATOR_PURPOSE
from countenance.storage.principals import Principals

# What stands for an access key of the command line, which has none.
LOCAL_ACCESS_KEY_ID = "local"


class Locals:
    """Makes callers of the people at the machine."""

    def __init__(self, principals: Principals) -> None:
        self._principals = principals

    def caller(
        self,
        principal: str | None = None,
        *,
        purpose: Purpose | None = None,
        case: str | None = None,
        authorization: str | None = None,
        beneficiary: str | None = None,
    ) -> Caller:
        """The principal of this name, the operator when None, acting for this purpose.

        Raises `ResourceNotFound`, `InvalidParameter` where several organizations have such a principal.
        """
        acting = self._principals.find(principal) if principal else self._principals.find(OPERATOR, OPERATOR)
        return Caller(
            access_key_id=LOCAL_ACCESS_KEY_ID,
            principal=acting,
            role=acting.roles[0],
            purpose=purpose or OPERATOR_PURPOSE,
            case=case,
            authorization=authorization,
            beneficiary=None if beneficiary is None else self._principals.organization(beneficiary),
            credential="local",
        )
