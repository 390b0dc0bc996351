"""Whose request it is, and how many questions they may ask."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Lock

from starlette.datastructures import Headers

from b12qa.web.settings import ForwardedHeader, Network, Settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

UNKNOWN = "unknown"
MAX_CLIENTS = 10_000
MAX_OPEN_REQUESTS = 256  # of one client: each open page holds one or two, and many may share an address
_MAX_HOPS = 32


def client_address(peer: str, headers: Headers, settings: Settings) -> str:
    """The address that a request came from, as far as it can be believed.

    What a proxy writes is believed only of the proxies that the operator trusts, from the last one back:
    anybody may write the first entries themselves.

    Args:
        peer: the address of the connection.
    """
    address = _address(peer)
    if address is None:
        return UNKNOWN
    if within(address, settings.trusted_proxies):
        for text in reversed(_hops(headers, settings.forwarded_header)):
            hop = _address(text)
            if hop is None:
                break
            address = hop
            if not within(hop, settings.trusted_proxies):
                break
    return str(address)


def is_within(client: str, networks: Sequence[Network]) -> bool:
    """Whether a client, as `client_address` names it, is in one of the networks."""
    address = _address(client)
    return address is not None and within(address, networks)


def within(address: Address, networks: Sequence[Network]) -> bool:
    """Whether an address is in one of the networks."""
    return any(address in network for network in networks)  # another version is in none


class RateLimit:
    """A bucket of tokens for each client: it fills slowly, and each question takes one out.

    Of too many clients the one that asked longest ago is forgotten.
    """

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate  # tokens a second; 0 sets no limit
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, at that time
        self._lock = Lock()

    def seconds_to_wait(self, client: str, cost: float, reserve: float = 0.0) -> float:
        """Take tokens out and return 0, or take none and say how long it takes until there are enough.

        Args:
            client: as `client_address` names it.
            cost: tokens; more than the bucket holds count as all it holds.
            reserve: tokens that must be there as well, and stay there.
        """
        if not self._rate:
            return 0.0
        cost = min(cost, self._burst)
        needed = min(cost + reserve, self._burst)
        with self._lock:
            key, now, tokens = self._bucket(client)
            enough = tokens >= needed
            self._keep(key, now, tokens - cost if enough else tokens)
        return 0.0 if enough else (needed - tokens) / self._rate

    def charge(self, client: str, cost: float) -> None:
        """Take tokens out even where they are not there; nobody ever owes more than this cost."""
        if self._rate:
            with self._lock:
                key, now, tokens = self._bucket(client)
                self._keep(key, now, max(tokens - cost, -cost))

    def take(self, client: str, wanted: int) -> int:
        """Take out so many tokens, or as many as there are, and say how many."""
        if not self._rate:
            return wanted
        with self._lock:
            key, now, tokens = self._bucket(client)
            taken = min(wanted, max(0, int(tokens)))
            self._keep(key, now, tokens - taken)
        return taken

    def _bucket(self, client: str) -> tuple[str, float, float]:
        """The name of a client's bucket, the time, and how many tokens there are by now."""
        key, now = _household(client), self._clock()
        tokens, since = self._buckets.get(key, (float(self._burst), now))
        return key, now, min(self._burst, tokens + (now - since) * self._rate)

    def _keep(self, key: str, now: float, tokens: float) -> None:
        self._buckets[key] = tokens, now
        self._buckets.move_to_end(key)
        while len(self._buckets) > MAX_CLIENTS:
            self._buckets.popitem(last=False)

    def __len__(self) -> int:
        return len(self._buckets)


class OpenRequests:
    """How many requests of each client are under way."""

    def __init__(self, limit: int = MAX_OPEN_REQUESTS) -> None:
        self._limit = limit
        self._counts: dict[str, int] = {}

    def enter(self, client: str) -> bool:
        """Count one more, unless that is too many."""
        key = _household(client)
        count = self._counts.get(key, 0)
        if count >= self._limit:
            return False
        self._counts[key] = count + 1
        return True

    def leave(self, client: str) -> None:
        """Count one less."""
        key = _household(client)
        self._counts[key] -= 1
        if not self._counts[key]:
            del self._counts[key]

    def __len__(self) -> int:
        return len(self._counts)


def _household(client: str) -> str:
    """One subscriber has a whole network of IPv6 addresses to choose from."""
    address = _address(client)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return client


def _hops(headers: Headers, header: ForwardedHeader) -> list[str]:
    """What the proxies wrote, in the order in which they wrote it; the last ones only."""
    entries = ",".join(headers.getlist(header.value)).split(",")[-_MAX_HOPS:]
    if header is ForwardedHeader.X_FORWARDED_FOR:
        return [entry.strip() for entry in entries if entry.strip()]
    return [_forwarded_for(entry) for entry in entries if entry.strip()]


def _forwarded_for(entry: str) -> str:
    for pair in entry.split(";"):
        name, _, value = pair.strip().partition("=")
        if name.strip().lower() == "for":
            return value.strip().strip('"')
    return ""


def _address(text: str) -> Address | None:
    """An address, with or without a port."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
