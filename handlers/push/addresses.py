"""Which addresses a push may connect to: an endpoint must not lead into the app's own network.

The check runs where the socket is made, on the very address that is connected to. So it holds for names and
literal addresses alike, and a name that resolves to another address a moment later gains nothing. TLS uses
the name, for SNI and for the certificate.
"""

import errno
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from aiohttp import AddrInfoType

# All that is routed on the internet. NAT64, Teredo and the like hide an IPv4 address: they are refused.
_UNICAST = IPv6Network("2000::/3")
# Azure's own host: a public address that answers every virtual machine, with its DNS, agent and metadata
# (https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16).
_AZURE_HOST = IPv4Address("168.63.129.16")


@dataclass(frozen=True)
class Guard:
    """The addresses that are allowed beside public ones; link-local and metadata addresses never are."""

    private: bool = False
    loopback: bool = False

    def refusal(self, address: str) -> str | None:
        """Return why an address must not be connected to, None if it may."""
        ip = ip_address(address.partition("%")[0])
        if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        if ip.is_link_local or ip == _AZURE_HOST:
            return f"{ip} is a link-local or metadata address, which is never pushed to"
        if ip.is_multicast or ip.is_unspecified:
            return f"{ip} is no single host's address"
        if _is_public(ip) or self.private or (self.loopback and ip.is_loopback):
            return None
        return f"{ip} is not a public address; allow_private = true allows it"

    def socket(self, info: AddrInfoType) -> socket.socket:
        """Make the socket for an address. Raises PermissionError for one that is refused."""
        family, kind, protocol, _, address = info
        refusal = self.refusal(str(address[0]))
        if refusal is not None:
            raise PermissionError(errno.EACCES, refusal)
        return socket.socket(family, kind, protocol)


def _is_public(ip: IPv4Address | IPv6Address) -> bool:
    if isinstance(ip, IPv6Address):
        return ip in _UNICAST and ip.is_global and ip.sixtofour is None and ip.teredo is None
    return ip.is_global
