"""A machine without /etc/hosts is told what to do before anything runs."""

import socket

import pytest

from flame.core.errors import FlameError
from flame.federation.loopback import check_loopback


def test_here_the_name_is_known() -> None:
    check_loopback()


def test_without_the_name_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(FlameError, match=r"add the line '127.0.0.1 localhost' to /etc/hosts"):
        check_loopback()
