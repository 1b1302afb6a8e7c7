"""Which addresses a push may connect to."""

import pytest

from handlers.push.addresses import Guard

PUBLIC = ["8.8.8.8", "20.53.0.1", "2606:4700::1111", "2603:1030::1", "::ffff:8.8.8.8"]
PRIVATE = [
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "198.18.0.1",
    "fc00::1",
    "fd12::1",
    "::ffff:10.0.0.1",
]
LOOPBACK = ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"]
# they hide an address that is not seen here
TUNNELS = ["64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "2001:0:1::1", "::10.0.0.1", "::ffff:0:10.0.0.1"]
NEVER = [
    "169.254.169.254",
    "169.254.0.1",
    "::ffff:169.254.169.254",
    "fe80::1",
    "fe80::1%eth0",
    "168.63.129.16",
    "0.0.0.0",
    "::",
    "224.0.0.1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    assert Guard().refusal(address) is None


@pytest.mark.parametrize("address", [*PRIVATE, *LOOPBACK, *TUNNELS, "240.0.0.1", "255.255.255.255"])
def test_others_are_allowed_only_where_the_subscription_allows_them(address: str) -> None:
    refusal = Guard().refusal(address)
    assert refusal is not None
    assert "allow_private = true allows it" in refusal
    assert Guard(private=True).refusal(address) is None


@pytest.mark.parametrize("address", NEVER)
def test_link_local_and_metadata_addresses_are_never_allowed(address: str) -> None:
    for guard in (Guard(), Guard(private=True), Guard(private=True, loopback=True)):
        assert guard.refusal(address) is not None


@pytest.mark.parametrize("address", LOOPBACK)
def test_the_machine_itself_is_allowed_in_local_runs(address: str) -> None:
    assert Guard(loopback=True).refusal(address) is None
    assert Guard(loopback=True).refusal("10.0.0.1") is not None
