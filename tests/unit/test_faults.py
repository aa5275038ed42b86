"""One table of faults, equal to the engine's numbers; the same for the other shared enums."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import limen
from limen import terms
from limen.faults import FAULTS, Fault, FaultNumber, labels
from limen.terms import Phase, Retry, Side

SOURCE = Path(limen.__file__).parent
#: RFC 9209, section 2.3, those that this version can say.
TOKENS = {
    "dns_timeout", "dns_error", "destination_not_found", "destination_unavailable", "destination_ip_prohibited",
    "destination_ip_unroutable", "connection_refused", "connection_terminated", "connection_timeout",
    "connection_read_timeout", "connection_limit_reached", "http_request_error", "http_request_denied",
    "http_response_incomplete", "http_response_header_section_size", "http_response_body_size",
    "http_response_transfer_coding", "http_response_timeout", "http_upgrade_failed", "http_protocol_error",
    "proxy_configuration_error", "proxy_internal_error", "proxy_loop_detected", "tls_protocol_error", "tls_certificate_error", "tls_alert_received",
}  # fmt: skip


def members(path: str, enum: str, prefix: str) -> dict[str, int]:
    text = (SOURCE / path).read_text()
    body = re.search(rf"^cdef enum {enum}:\n((?:    .*\n|\n)+)", text, re.MULTILINE)
    assert body
    return {name: int(value) for name, value in re.findall(rf"^    {prefix}_([A-Z_]+) = (\d+)", body[1], re.MULTILINE)}


def test_numbers_are_the_engines() -> None:
    assert members("engine/types.pxd", "Fault", "FAULT") == {fault.name: fault.value for fault in FaultNumber}


def test_other_enums_are_the_engines() -> None:
    assert members("engine/types.pxd", "Method", "METHOD") == {item.name: item.value for item in terms.Method}
    engine = members("engine/journal.pxd", "RetryBlocked", "RETRY")
    assert engine.pop("COUNT") == len(terms.RetryBlocked)
    assert engine == {item.name: item.value for item in terms.RetryBlocked}
    assert [reason.label for reason in terms.RetryBlocked][:3] == ["", "attempts", "method"]


def test_every_number_has_its_row() -> None:
    used = set(FaultNumber) - {FaultNumber.NONE, FaultNumber.RESPONSE, FaultNumber.COUNT}
    assert {number for number in FAULTS if number < FaultNumber.RESPONSE} == used
    assert all(FaultNumber.RESPONSE < number <= 119 for number in set(FAULTS) - used)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=lambda fault: fault.label)
def test_rows_are_coherent(fault: Fault) -> None:
    assert re.fullmatch(r"[a-z_]{3,40}", fault.label)
    assert fault.status == 0 or 400 <= fault.status <= 599
    assert (fault.token in TOKENS) == (fault.status != 0)
    assert fault.sentence.endswith((".", ")."))
    assert "{" not in fault.sentence and len(fault.sentence) < 100
    if fault.side is Side.CLIENT:
        assert fault.status < 500 or fault.status in (501, 505, 508)
        assert fault.retry is Retry.NEVER
    elif fault.status:
        assert fault.status >= 500
    if fault.phase is Phase.EGRESS and fault.number in range(40, 45):
        assert fault.retry is Retry.ALWAYS


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (1, 400), (3, 505), (15, 414), (16, 431), (17, 413), (18, 417), (20, 408), (21, 408), (22, 0), (23, 0),
        (28, 405), (30, 404), (31, 403), (32, 403), (33, 508), (34, 407), (35, 501), (40, 502), (41, 504),
        (42, 502), (43, 504), (44, 502), (45, 502), (46, 504), (47, 504), (48, 502), (50, 503), (51, 503),
        (60, 500), (61, 504), (62, 500), (63, 503), (64, 503), (65, 0), (66, 0), (101, 502), (116, 502),
    ],
)  # fmt: skip
def test_status(number: int, status: int) -> None:
    assert FAULTS[number].status == status


def test_labels_are_by_number_and_unique() -> None:
    found = labels()
    assert len(found) == FaultNumber.COUNT
    assert found[0] == "" and found[41] == "dns_timeout" and found[116] == "response_fields_too_large"
    assert len({label for label in found if label}) == len(FAULTS)
