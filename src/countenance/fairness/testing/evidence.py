"""That the scores of a test came from the models that answer searches: by the server's public ledger, not by its word.

The entry of each request, handed over as a receipt, pins the files and the calibration that made the scores, and has
the hash of the answer, under the signature of the log, which has made the same promise to everybody else. Whether all
results in it, those of searches too, came from the pins that were announced is what `countenance transparency` says of
the whole log.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from http import HTTPStatus

from countenance.errors import Misconfigured
from countenance.fairness.testing.journal import Answered
from countenance.ledger import receipts
from countenance.ledger.entries import Impossible, Model, Outcome, read
from countenance.ledger.fetching import Server
from countenance.ledger.notes import Verifier
from countenance.ledger.receipts import MAX_RECEIPT_BYTES, Receipt


def fetched(endpoint_url: str, numbers: Sequence[int]) -> Iterator[Receipt]:
    """The receipts of entries, from the server. Raises `Unreachable`, `Misconfigured` and `InvalidReceipt`."""
    server = Server(endpoint_url)
    try:
        for number in numbers:
            answer = server.get(f"ledger/receipt/{number}", MAX_RECEIPT_BYTES)
            if answer.status != HTTPStatus.OK:
                raise Misconfigured(f"{server.url} answers {answer.status} when asked for the receipt {number}.")
            receipt = receipts.read_receipt(answer.content)
            if receipt.index != number:
                raise Misconfigured(f"{server.url} hands over receipt {receipt.index} when asked for {number}.")
            yield receipt
    finally:
        server.close()


def check(receipt: Receipt, answered: Answered, keys: Sequence[Verifier]) -> None:
    """That the entry is in the log of these keys, and says that this was answered, by the model that the answer names.

    Raises `Misconfigured` where it says something else, and what `receipts.verify` raises where it is not in the log.
    """
    receipts.verify(receipt, keys)
    try:
        entry = read(receipt.extra or b"")
    except Impossible as error:
        raise Misconfigured(f"Entry {receipt.index} of the ledger is no entry.") from error
    said = answered.answer.model
    model = Model(face_model_version=said.face_model_version, files=said.files, calibration=said.calibration)
    if not isinstance(entry, Outcome) or (entry.model, entry.answer) != (model, answered.sha256):
        raise Misconfigured(
            f"Entry {receipt.index} of the ledger does not say what the server answered: the scores are not proven to "
            "be of the model that it names. Keep them and the receipt, and ask the operator."
        )
