"""What must not be in a ledger, and is counted because somebody will look for it."""

from __future__ import annotations

from enum import StrEnum


class Irregularity(StrEnum):
    """An entry that does not fit what stands before it. The server writes none of these."""

    INTENT_REPEATED = "an intent of a use that was open already"
    DECISION_WITHOUT_INTENT = "a decision without an intent before it"
    DECISION_REPEATED = "a second decision on the same use"
    DECISION_BY_OTHER_POLICIES = "a decision by other policies than those that were in force"
    KIND_NOT_DECLARED = "a use by an organization of a kind that no entry declares"
    RESULT_WITHOUT_INTENT = "a result of a use that was not open: none was begun, it was denied, or it had ended"
    RESULT_WITHOUT_DECISION = "a result that nobody had decided to permit"
    RESULT_OF_OTHER_MODEL = (
        "a result of a recognizer with other files or another calibration than were announced for it"
    )
    WITHOUT_QUALIFICATION = (
        "a face search allowed to law enforcement though every qualification for its purpose was over or revoked"
    )
    UNREADABLE_MORATORIUM = "a moratorium that does not say its name and when it starts"
    TIME_RAN_BACKWARDS = "a time before that of the entry before it"
