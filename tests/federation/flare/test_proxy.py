"""Which proxy gRPC takes: the order of its variables and its exceptions, by hand."""

import pytest

from flame.federation.flare.proxy import proxy_of

PROXY = {"https_proxy": "http://proxy:3128"}


@pytest.mark.parametrize(
    ("host", "environment", "expected"),
    [
        ("fl.example.org", {}, None),
        ("fl.example.org", PROXY, "proxy"),
        ("fl.example.org", PROXY | {"grpc_proxy": "http://other:1"}, "other"),
        ("fl.example.org", PROXY | {"no_proxy": "localhost, .example.org"}, None),
        ("fl.example.org", PROXY | {"no_proxy": "example.com"}, "proxy"),
        ("10.1.2.3", PROXY | {"no_proxy": "10.0.0.0/8"}, None),
        ("11.1.2.3", PROXY | {"no_proxy": "10.0.0.0/8"}, "proxy"),
        ("fl.example.org", PROXY | {"no_grpc_proxy": "x", "no_proxy": "example.org"}, "proxy"),
    ],
)
def test_the_proxy_of_a_host(host: str, environment: dict[str, str], expected: str | None) -> None:
    found = proxy_of(host, environment)
    assert (found.hostname if found else None) == expected
