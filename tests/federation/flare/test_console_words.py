"""Lines of NVIDIA FLARE 2.9's own logs, and what people are told."""

from flame.federation.flare import console_words
from flame.federation.flare.console_words import ConsoleWords

AT = "2026-12-01 08:12:56,818 - "
MADE = AT + "conn_manager - INFO - Connection [CN0000{} {}] is created: PID: 7"
ENDED = AT + "conn_manager - INFO - Connection [CN0000{} Not Connected] is closed PID: 7"
FAILED = "I1201 12:17:26.06 10506 ssl_transport_security.cc:2563] Handshake failed with error "


def told(words: ConsoleWords, *lines: str) -> list[str]:
    return [message for line in lines for message in words.words(line)]


def test_a_server_that_goes_and_comes_back(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    now = [0.0]
    monkeypatch.setattr(console_words.time, "monotonic", lambda: now[0])
    site = ConsoleWords("localhost:8002")
    way = "N/A => localhost:8002"
    registered = AT + "FederatedClient - INFO - Successfully registered client:a for project gbm."
    assert told(site, MADE.format(2, way), ENDED.format(2)) == []  # never had been connected
    assert told(site, MADE.format(3, way), registered) == ["connected"]
    assert told(site, MADE.format(4, "127.0.0.1:1 => localhost:99"), ENDED.format(4)) == []
    assert told(site, ENDED.format(3)) == ["the server is gone since 08:12; trying again"]
    assert told(site, MADE.format(5, way), ENDED.format(5)) == []  # FLARE tries, and says so
    now[0] = 10.0
    told(site, MADE.format(6, way))
    assert list(site.settled()) == []
    now[0] = 13.0
    assert list(site.settled()) == ["the server is back (gone since 08:12)"]
    assert list(site.settled()) == []


def test_who_joins_leaves_and_is_refused() -> None:
    server = ConsoleWords()
    first = MADE.format(2, "127.0.0.1:8002 <= ipv4:10.0.0.9:57090 SSL a")
    second = MADE.format(3, "127.0.0.1:8002 <= ipv4:10.0.0.9:57091 SSL a")
    joined = AT + "ClientManager - INFO - Client: New client a@10.0.0.9 joined. Sent token."
    assert told(server, AT + "root - INFO - Server started") == ["the server is up"]
    assert told(server, first, joined, second) == ["a joined"]
    assert told(server, ENDED.format(3)) == []  # the process of a job
    assert told(server, ENDED.format(2)) == ["a is gone"]
    (none,) = told(server, FAILED + "SSL_ERROR_SSL: ...:PEER_DID_NOT_RETURN_A_CERTIFICATE: ...")
    assert none.startswith("refused: a connection without a certificate")
    other = FAILED + "...:CERTIFICATE_VERIFY_FAILED: unable to get local issuer certificate"
    (foreign,) = told(server, other, other)  # not again and again
    assert foreign.startswith("refused: a certificate of another federation")
    claimed = AT + "x - ERROR - authenticated as 'a' but claimed endpoint 'b'"
    assert told(server, claimed) == ["refused: the certificate of a claims to be b"]
    revoked = AT + "ClientManager - WARNING - Reject disabled client registration: b"
    assert told(server, revoked) == ["refused: b is revoked"]
