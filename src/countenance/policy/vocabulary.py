"""The closed lists that policies speak in: purposes, kinds of organizations, legal bases, sensitivities."""

from __future__ import annotations

from enum import StrEnum


class Purpose(StrEnum):
    """What a use is for. Never free text: a policy can only decide about words that everybody knows."""

    MISSING_CHILD = "missing_child"
    MISSING_PERSON = "missing_person"
    TRAFFICKING_VICTIM = "trafficking_victim"
    DECEASED_PERSON = "deceased_person"
    CRIMINAL_INVESTIGATION = "criminal_investigation"
    THREAT_TO_LIFE = "threat_to_life"
    IDENTITY_VERIFICATION = "identity_verification"
    PHOTO_LIBRARY = "photo_library"
    RESEARCH = "research"
    BIAS_TEST = "bias_test"
    OVERSIGHT = "oversight"


class OrganizationKind(StrEnum):
    """What an organization is. `OPERATOR` runs the server and has declared nothing else of itself."""

    OPERATOR = "operator"
    LAW_ENFORCEMENT = "law_enforcement"
    CHILD_PROTECTION = "child_protection"
    ANTI_TRAFFICKING = "anti_trafficking"
    PUBLIC_AUTHORITY = "public_authority"
    COMMERCIAL = "commercial"
    RESEARCH = "research"
    OVERSIGHT = "oversight"
    UNDECLARED = "undeclared"


class LegalBasis(StrEnum):
    """What an authorization rests on."""

    CONSENT = "consent"
    WARRANT = "warrant"
    COURT_ORDER = "court_order"
    MISSING_PERSON_ORDER = "missing_person_order"
    STATUTORY_DUTY = "statutory_duty"
    EMERGENCY = "emergency"


class AuthorizationState(StrEnum):
    """Where an authorization stands."""

    PENDING = "pending"
    GRANTED = "granted"
    REFUSED = "refused"
    EXPIRED = "expired"
    REVOKED = "revoked"


class Sensitivity(StrEnum):
    """What a collection holds, as far as policies care. Only the operator and oversight may change it."""

    GENERAL = "general"
    MISSING_PERSONS = "missing_persons"
    ARREST_PHOTOS = "arrest_photos"
    WATCHLIST = "watchlist"
    HOME_CAMERA_FOOTAGE = "home_camera_footage"


class Offence(StrEnum):
    """What is investigated, in the classes that the packs' sources name."""

    VIOLENT_CRIME = "violent_crime"
    HOME_INVASION = "home_invasion"
    HUMAN_TRAFFICKING = "human_trafficking"
    CHILD_ABUSE = "child_abuse"
    CHILD_SEXUAL_ABUSE_MATERIAL = "child_sexual_abuse_material"
    HATE_CRIME = "hate_crime"
    WEAPON_CRIME = "weapon_crime"
    ANIMAL_CRUELTY = "animal_cruelty"
    FENTANYL_IMPORT = "fentanyl_import"
    STALKING = "stalking"
    TERRORISM = "terrorism"
    OTHER = "other"
