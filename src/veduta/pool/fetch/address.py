"""Which addresses a fetcher may connect to, and a network backend that holds every connection to it.

A link from the web must not make this machine talk to itself, its network or a cloud's metadata service. The name is
resolved once, each address is checked, and the connection goes to a checked address: a name that resolves to another
address the next moment (DNS rebinding) gains nothing. TLS still verifies the certificate against the name.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

import httpcore

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Addresses tried for a name that has several.
MOST_ADDRESSES = 3


class AddressRefused(Exception):
    """Every address of the host is private, loopback, link-local or otherwise not public."""


class NoSuchHost(Exception):
    """The host's name does not resolve."""


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet; IPv4 inside IPv6 (mapped, NAT64, 6to4, Teredo) is looked at."""
    try:
        ip = ipaddress.ip_address(address.split("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip.is_site_local:
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved and not ip.is_unspecified


async def resolve(host: str, port: int, allow_private: bool = False) -> list[str]:
    """Addresses of `host` that may be connected to, in the resolver's order.

    Raises NoSuchHost if there is none at all, AddressRefused if there are only others.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NoSuchHost(f"no such host: {host}") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    allowed = [a for a in addresses if allow_private or is_public(a)]
    if not allowed:
        where = f" ({addresses[0]})" if addresses and addresses[0] != host else ""
        raise AddressRefused(
            f"{host}{where} is not a public address; if it is a server of your own network: --allow-private {host}"
        )
    return allowed


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects to checked addresses only."""

    def __init__(self, allow_private: bool, private_hosts: Iterable[str] = ()) -> None:
        self._allow_private, self._private_hosts = allow_private, frozenset(private_hosts)
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await resolve(host, port, self._allow_private or host.lower() in self._private_hosts)
        for address in addresses[: MOST_ADDRESSES - 1]:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if address == addresses[-1]:
                    raise
        return await self._inner.connect_tcp(addresses[-1], port, timeout, local_address, socket_options)

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        raise AddressRefused("a link from the web never opens a local socket")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
