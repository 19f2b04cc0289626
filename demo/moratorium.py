"""The same search by three keys: denied to the police, allowed to rescuers, denied where these act for the police."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError
from rich.console import Console
from rich.padding import Padding

POLICE, RESCUE = "Kings County Police", "Found Children"

# The header with the entry of the ledger that every answer carries.
RECEIPT = "x-countenance-receipt"


@dataclass(frozen=True)
class Ask:
    """Somebody who searches, and whether the policies of a new installation let them."""

    description: str
    principal: str
    purpose: str
    beneficiary: str | None
    allowed: bool


ASKS = (
    Ask("the police, for an investigation", "sam", "criminal_investigation", None, allowed=False),
    Ask("child protection, for a missing child", "ann", "missing_child", None, allowed=True),
    Ask("child protection, for the police", "ann", "missing_child", POLICE, allowed=False),
)


class CommandLine:
    """The `countenance` command on one data folder."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._command = str(Path(sys.executable).with_name("countenance"))

    def __call__(self, *arguments: str, on_data: bool = True) -> Any:
        """What a command answers with --json. Raises `subprocess.CalledProcessError` when it is refused."""
        where = ["--data", str(self._data)] if on_data else []
        done = subprocess.run(
            [self._command, *arguments, *where, "--json"], stdout=subprocess.PIPE, text=True, check=True
        )
        return json.loads(done.stdout)


def show_accountability(console: Console, data: Path, operator: dict[str, str], photo: Path, collection: str) -> bool:
    """Ask three times, print who was denied and why, then verify the ledger and a receipt; whether all was right."""
    countenance = CommandLine(data)
    trained = (datetime.now(UTC) + timedelta(days=365)).strftime("%Y-%m-%d")
    countenance("organization", "create", POLICE, "--kind", "law_enforcement")
    countenance("organization", "create", RESCUE, "--kind", "child_protection")
    countenance("principal", "create", "sam", "--organization", POLICE, "--trained-until", trained)
    countenance("principal", "create", "ann", "--organization", RESCUE, "--trained-until", trained)
    console.print("The same search, under the moratorium that a new installation runs with:")
    right, receipt = True, 0
    for ask in ASKS:
        allowed, answer, receipt = _search(countenance, operator, ask, photo, collection)
        right &= allowed == ask.allowed
        verdict = "allowed" if allowed else "denied"
        wrong = "" if allowed == ask.allowed else " [red](wrong)[/]"
        console.print(f"  [bold]{ask.description}: {verdict}[/]{wrong}, receipt {receipt}")
        console.print(Padding(answer, (0, 0, 0, 4)), highlight=False)
    return _verified(console, countenance, operator, data, receipt) and right


def _search(
    countenance: CommandLine, operator: dict[str, str], ask: Ask, photo: Path, collection: str
) -> tuple[bool, str, int]:
    """Whether it was allowed, what was answered, and its receipt."""
    acting = ["--principal", ask.principal, "--purpose", ask.purpose]
    acting += [] if ask.beneficiary is None else ["--beneficiary", ask.beneficiary]
    key = countenance("keys", "create", *acting)
    rekognition = boto3.client(
        "rekognition",
        endpoint_url=operator["endpoint_url"],
        region_name=operator["region"],
        aws_access_key_id=key["aws_access_key_id"],
        aws_secret_access_key=key["aws_secret_access_key"],
    )
    try:
        found = rekognition.search_faces_by_image(CollectionId=collection, Image={"Bytes": photo.read_bytes()})
    except ClientError as error:
        told = error.response["Error"]
        if told["Code"] != "AccessDeniedException":
            raise
        return False, told["Message"], _receipt(error.response)
    names = [f"{match['Face']['ExternalImageId']} ({match['Similarity']:.1f})" for match in found["FaceMatches"]]
    return True, f"found {', '.join(names) or 'nobody'}", _receipt(found)


def _receipt(answer: Any) -> int:
    return int(answer["ResponseMetadata"]["HTTPHeaders"][RECEIPT])


def _verified(console: Console, countenance: CommandLine, operator: dict[str, str], data: Path, receipt: int) -> bool:
    """Check the whole ledger as anybody can, and one receipt offline."""
    ledger = f"{operator['endpoint_url']}/ledger"
    key, proof = str(data / "ledger.vkey"), str(data.parent / f"{receipt}.tlog-proof")
    try:
        report = countenance("ledger", "verify", ledger, "--key", key, on_data=False)
        countenance("ledger", "prove", str(receipt), "--ledger", ledger, "--key", key, "--out", proof, on_data=False)
        countenance("ledger", "verify", proof, "--key", key, on_data=False)
    except subprocess.CalledProcessError:
        return False
    console.print(f"The ledger verifies: {report['size']} entries, signed by {report['origin']}.")
    console.print(f"Receipt {receipt} is in it, provable offline with the verifier key alone.")
    console.print(f"Everybody can read {ledger} and {operator['endpoint_url']}/transparency.\n")
    return True
