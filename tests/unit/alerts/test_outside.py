"""Places outside the hub, played by real servers on this machine."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from alerts import errors, outside
from tests.support.receivers import WebReceiver, answering

NONE: frozenset[str] = frozenset()


@pytest.fixture
def switch(web: WebReceiver) -> outside.DeadMansSwitch:
    return outside.DeadMansSwitch(f"{web.url}/check/", every_s=60.0)


def test_the_switch_is_pinged_once_a_minute_while_all_is_well(
    switch: outside.DeadMansSwitch, web: WebReceiver
) -> None:
    for second in range(0, 125, 10):
        switch.tend(NONE, monotonic=float(second))
    assert web.said == [("/check", "")] * 3


def test_what_goes_wrong_is_said_at_once_and_once_by_rule_ids_and_no_ping_follows(
    switch: outside.DeadMansSwitch, web: WebReceiver
) -> None:
    switch.tend(NONE, monotonic=0.0)
    wrong = frozenset({"hub.tick_missed", "hub.readings_late"})
    for second in range(10, 200, 10):
        switch.tend(wrong, monotonic=float(second))
    assert web.said[1:] == [("/check/fail", "hub.readings_late\nhub.tick_missed")]
    switch.tend(frozenset({"hub.disk_low"}), monotonic=200.0)
    switch.tend(NONE, monotonic=210.0)
    assert [path for path, _ in web.said[2:]] == ["/check/fail", "/check"], (
        "well again is said at once too"
    )


def test_while_nobody_knows_how_the_hub_is_it_is_silent(
    switch: outside.DeadMansSwitch, web: WebReceiver
) -> None:
    switch.tend(None, monotonic=0.0)
    assert web.said == []


def test_what_did_not_arrive_is_said_again(
    switch: outside.DeadMansSwitch, web: WebReceiver
) -> None:
    web.answer = answering(500)
    for wrong in (NONE, frozenset({"hub.disk_low"})):
        with pytest.raises(errors.PlaceUnavailableError, match="500"):
            switch.tend(wrong, monotonic=0.0)
    web.answer = answering(200)
    switch.tend(frozenset({"hub.disk_low"}), monotonic=1.0)
    assert [path for path, _ in web.said] == ["/check", "/check/fail", "/check/fail"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/secret-uuid", "http://[bad", "nonsense"])
def test_an_address_that_does_not_answer_is_told_without_its_path(url: str) -> None:
    with pytest.raises(errors.PlaceUnavailableError) as caught:
        outside.DeadMansSwitch(url, every_s=60.0).tend(NONE, monotonic=0.0)
    assert "secret" not in str(caught.value)


@contextmanager
def behind_tls(folder: Path, end: datetime) -> Iterator[int]:
    """Serve TLS with a certificate of nobody in particular that ends then; give the port."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hub.example")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(end - timedelta(days=365))
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            plain, _ = listener.accept()
            with plain:
                plain.settimeout(10)
                with context.wrap_socket(plain, server_side=True):
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


@pytest.mark.parametrize("scheme", ["https", "mqtts"])
@pytest.mark.parametrize("days", [30, -1])
def test_the_end_of_a_certificate_is_read_also_when_it_has_ended(
    tmp_path: Path, scheme: str, days: int
) -> None:
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
    with behind_tls(tmp_path, end) as port:
        assert outside.certificate_end(f"{scheme}://u:p@127.0.0.1:{port}/x") == end


@pytest.mark.parametrize(
    "url", ["", "http://127.0.0.1:8080", "mqtt://127.0.0.1", "https://127.0.0.1:1"]
)
def test_where_no_certificate_is_to_be_seen_none_is_judged(url: str) -> None:
    assert outside.certificate_end(url) is None
