"""A server that answers wrongly, or not at all, is found out: its scores would be taken for those of a model."""

from __future__ import annotations

import json

import pytest

from countenance.errors import Misconfigured
from countenance.fairness.testing.door import ATTEMPTS, Door, RequestTooLarge
from countenance.ledger.fetching import Unreachable
from tests.unit.fairness.testing.scripted import RECEIPT, Scripted, refusal, right, wrong


def test_the_answer_is_kept_as_it_came_with_its_receipt(server: Scripted) -> None:
    content = json.dumps(right()).encode()
    server.answers = [(200, content, RECEIPT)]
    reply = server.test()
    assert (reply.text, reply.receipt) == (content.decode(), 7)
    assert reply.answer.pairs[0].similarity == 70.5
    assert "/us-east-1/rekognition/aws4_request" in server.requests[0]["authorization"]


def test_what_may_pass_is_tried_again_signed_anew(server: Scripted) -> None:
    server.answers = [
        (400, refusal("ThrottlingException", "Slow down."), {}),
        (500, refusal("InternalServerError", "Request id: 1"), {}),
        (200, json.dumps(right()).encode(), RECEIPT),
    ]
    assert server.test().receipt == 7
    assert len(server.requests) == 3


def test_what_does_not_pass_is_told(server: Scripted) -> None:
    server.answers = [(500, refusal("InternalServerError", "Request id: 1"), {})]
    with pytest.raises(Misconfigured, match="The server answered InternalServerError: Request id: 1"):
        server.test()
    assert len(server.requests) == ATTEMPTS


@pytest.mark.parametrize(
    ("status", "content", "told"),
    [
        (400, refusal("AccessDeniedException", "TestPairs is denied."), "AccessDeniedException: TestPairs is denied."),
        (404, b"<html>", "The server answered 404: it says nothing more."),
        (302, b"", "The server answered 302"),
    ],
)
def test_a_refusal_is_told_and_not_tried_again(server: Scripted, status: int, content: bytes, told: str) -> None:
    server.answers = [(status, content, {"Location": "http://127.0.0.1:9/"})]
    with pytest.raises(Misconfigured, match=told):
        server.test()
    assert len(server.requests) == 1


def test_a_request_that_is_too_large_is_told_as_that(server: Scripted) -> None:
    server.answers = [(413, refusal("RequestEntityTooLargeException", "Too large."), {})]
    with pytest.raises(RequestTooLarge, match="Too large"):
        server.test()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"\xff",
        wrong(lambda answer: answer.pop("Model")),
        wrong(lambda answer: answer["Model"].update(Files=["short"])),
        wrong(lambda answer: answer["Pairs"][0].update(Similarity=101)),
        wrong(lambda answer: answer["Pairs"][0].update(Cosine=float("nan"))),
        wrong(lambda answer: answer["Pairs"][0].update(Cosine=None)),
        wrong(lambda answer: answer["Pairs"][0].update(Right=2)),
        wrong(lambda answer: answer["Photos"][0].update(FailureToEnrol={"Code": "NO_FACE", "Message": "None."})),
    ],
    ids=range(10),
)
def test_what_is_no_answer_is_none(server: Scripted, content: bytes) -> None:
    server.answers = [(200, content, RECEIPT)]
    with pytest.raises(Misconfigured, match="answers what is no answer to a test of pairs"):
        server.test()


@pytest.mark.parametrize("receipt", [{}, {"x-countenance-receipt": "none"}])
def test_without_a_receipt_it_is_none_either(server: Scripted, receipt: dict[str, str]) -> None:
    server.answers = [(200, json.dumps(right()).encode(), receipt)]
    with pytest.raises(Misconfigured, match="no answer to a test"):
        server.test()


def test_an_answer_about_other_photos_or_pairs_is_found_out(server: Scripted) -> None:
    server.answers = [
        (200, wrong(lambda answer: answer["Photos"].reverse()), RECEIPT),
        (200, wrong(lambda answer: answer["Pairs"].clear()), RECEIPT),
    ]
    with pytest.raises(Misconfigured, match="about other photos"):
        server.test()
    with pytest.raises(Misconfigured, match="about other pairs"):
        server.test()


@pytest.mark.parametrize("url", ["faces.example.org", "ftp://faces.example.org", "https://", "https://a:b@example.org"])
def test_what_is_no_address_of_a_server_is_told_before_anything_is_sent(server: Scripted, url: str) -> None:
    with pytest.raises(Unreachable):
        Door(url)
