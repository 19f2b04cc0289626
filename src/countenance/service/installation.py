"""What a data folder is given on its first start, and what changes when another version runs on it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from countenance import __version__
from countenance.errors import Misconfigured
from countenance.ledger.entries import Entry, ModelChange
from countenance.ledger.fetching import Unreachable
from countenance.ledger.keys import KeyFile
from countenance.ledger.log import Ledger, utc_now
from countenance.ledger.notes import InvalidKey
from countenance.ledger.witness_client import WitnessClient
from countenance.policy.sets import PolicySets
from countenance.service.keys import OPERATOR, ensure_operator, installed
from countenance.service.pins import Pins
from countenance.service.policies import policy_entry
from countenance.settings import Settings
from countenance.storage.database import Database
from countenance.storage.keys import AccessKeys
from countenance.storage.ledger_schema import LEDGER
from countenance.storage.objects import S3Folder
from countenance.storage.principals import Principals

# Which models were entered last. Losing it costs an entry that says again what is so.
MODELS = "models.json"


def open_ledger(settings: Settings, clock: Callable[[], datetime] = utc_now) -> tuple[Ledger, Database]:
    """The ledger of the settings, and its database, which is closed after it.

    Raises `Misconfigured`, and `Unaccountable` when its parts do not belong together.
    """
    database = Database(settings.effective_ledger_database_url, LEDGER)
    try:
        database.migrate()
        keys = KeyFile(settings.effective_ledger_key, name=settings.ledger_origin)
        witnesses = [_witness(setting) for setting in sorted(settings.ledger_witnesses)]
        store = None if settings.ledger_bucket is None else S3Folder(settings, settings.ledger_bucket)
        folder = settings.effective_ledger_folder
        return Ledger(database, folder, keys, clock=clock, witnesses=witnesses, store=store), database
    except BaseException:
        database.close()
        raise


def install(
    settings: Settings,
    ledger: Ledger,
    *,
    access_keys: AccessKeys,
    principals: Principals,
    policies: PolicySets,
    pins: Pins,
) -> Path | None:
    """On the first start, enter the operator and the policies; whenever they are others than before, the models.

    The path of operator.json while it exists.
    """
    operator_file = ensure_operator(settings, access_keys, principals)
    policies.install(ledger.now())
    entries: list[Entry] = []
    if ledger.size() == 0:
        entries.extend(installed(principals.find(OPERATOR, OPERATOR)))
        entries.append(policy_entry(policies.in_force()))
    models = ModelChange(models=pins.in_use(), software=__version__)
    noted, told = settings.data / MODELS, hashlib.sha256(models.model_dump_json().encode()).hexdigest()
    if not noted.exists() or json.loads(noted.read_text()).get("sha256") != told:
        entries.append(models)
    if entries:
        ledger.append(entries)
        noted.write_text(json.dumps({"sha256": told}))
    return operator_file


def _witness(setting: str) -> WitnessClient:
    url, _, vkey = setting.partition("#")
    try:
        return WitnessClient(url, vkey)
    except (InvalidKey, Unreachable) as error:
        raise Misconfigured(f"ledger_witnesses names no witness by {setting!r}: write URL#VKEY. {error}") from error
