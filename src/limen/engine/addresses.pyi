"""Host names and sets of networks; parsing per request is for compiled code (addresses.pxd)."""

from collections.abc import Iterable
from typing import Self, final

from limen.engine.lists import AddressList

@final
class AddressSet:
    """An immutable set of IP addresses, made from addresses and CIDR prefixes.

    An IPv4 prefix also takes the IPv4-mapped form of its addresses; an IPv6 prefix takes no IPv4 address (`::/0` is all
    of IPv6 only). Bits after the prefix's length are ignored. ValueError names a malformed entry.
    It also takes what is on one of `lists` (AddressLists), whenever they change.
    """

    def __new__(cls, prefixes: Iterable[str] = (), lists: Iterable[AddressList] = ()) -> Self: ...
    def __len__(self) -> int:
        """How many disjoint ranges the set holds, those of its lists apart."""

    def matches(self, address: str) -> bool:
        """Whether the set holds `address`; ValueError if that is not an IP address."""

def canonical_host(text: str) -> tuple[str, int]:
    """The one form of a host name or literal that tables match: (name, kind), kind being 0 (a name), 4 or 6.

    Takes no port; IPv6 with or without brackets, and without in the result. ValueError if it is no host.
    """
