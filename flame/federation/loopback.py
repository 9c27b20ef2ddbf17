"""A check that processes of this machine find each other, as NVIDIA FLARE's simulator needs."""

import socket

from flame.core.errors import FlameError


def check_loopback() -> None:
    """Check that the name localhost leads to this machine.

    Raises:
        FlameError: it does not, as on a machine or in a container without /etc/hosts.
    """
    try:
        socket.getaddrinfo("localhost", None)
    except OSError as error:
        raise FlameError(
            f"this machine does not know the name localhost ({error}), by which the processes of a "
            "federation find each other: add the line '127.0.0.1 localhost' to /etc/hosts, or set "
            "federation.engine = 'in-process'"
        ) from None
