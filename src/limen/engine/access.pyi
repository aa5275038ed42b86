"""The access table; deciding is for compiled code (access.pxd)."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Protocol, Self, final, type_check_only

from limen.engine.effects import RuleEffect
from limen.engine.host_lists import HostList
from limen.engine.lists import AddressList
from limen.engine.tables import METHODS as METHODS
from limen.engine.tables import Place

SCHEMES: dict[str, int]
SUFFIXES: str

@type_check_only
class Rule(Protocol):
    """What the table reads of a rule; limen.policy.specs.AccessSpec is one."""

    @property
    def allow(self) -> bool: ...
    @property
    def name(self) -> str: ...
    @property
    def clients(self) -> tuple[str, ...]: ...
    @property
    def hosts(self) -> tuple[str, ...]: ...
    @property
    def addresses(self) -> tuple[str, ...]: ...
    @property
    def client_lists(self) -> tuple[str, ...]: ...
    @property
    def address_lists(self) -> tuple[str, ...]: ...
    @property
    def ports(self) -> tuple[tuple[int, int], ...]: ...
    @property
    def methods(self) -> tuple[str, ...]: ...
    @property
    def windows(self) -> Sequence[Hashable]: ...
    @property
    def place(self) -> Place | None: ...
    @property
    def users(self) -> tuple[str, ...]: ...
    @property
    def groups(self) -> tuple[str, ...]: ...
    @property
    def target_place(self) -> Place | None: ...
    @property
    def host_lists(self) -> tuple[str, ...]: ...
    @property
    def schemes(self) -> tuple[str, ...]: ...
    @property
    def paths(self) -> tuple[str, ...]: ...
    @property
    def content_types(self) -> tuple[str, ...]: ...
    @property
    def size_over(self) -> int | None: ...
    @property
    def size_upto(self) -> int | None: ...
    @property
    def response_types(self) -> tuple[str, ...]: ...
    @property
    def response_over(self) -> int | None: ...
    @property
    def response_upto(self) -> int | None: ...
    @property
    def dry_run(self) -> bool: ...

@final
class AccessTable:
    """Access rules of a listener, compiled from AccessSpecs. ValueError names what is malformed. `lists`: those
    that specs name; `effects`: what follows from the verdict of each, a RuleEffect per rule.

    Host conditions: an exact name or address; `.suffix` (the name and all below); `*.suffix` (all below); any other
    text with `*`, `**` or `?` is a glob whose `*` stays within a label. A bare `*` is any host. The first three may end
    with `.<suffix>`, any public suffix by the list SUFFIXES among `lists`.
    """

    def __new__(
        cls,
        rules: Iterable[Rule] = (),
        lists: Mapping[str, AddressList | HostList] | None = None,
        effects: Iterable[RuleEffect] | None = None,
    ) -> Self: ...
    def __len__(self) -> int:
        """How many rules there are."""

    @property
    def names(self) -> list[str]:
        """Of the rules, by number; "" where none was given."""

    @property
    def windows(self) -> list[Hashable]:
        """The distinct windows of all rules, by number."""

    @property
    def asks_place(self) -> bool:
        """Whether a rule has a condition on the client's place."""

    @property
    def asks_target(self) -> bool:
        """Whether a rule has one on the place of the target's address."""

    @property
    def asks_identity(self) -> bool:
        """Whether a rule has a condition on who the client is."""

    @property
    def asks_path(self) -> bool:
        """Whether a rule has one on the path."""

    @property
    def asks_content(self) -> bool:
        """Whether a rule has one on the request's content."""

    @property
    def asks_answer(self) -> bool:
        """Whether a rule has one on the response."""

    @property
    def effects(self) -> list[RuleEffect] | None:
        """What follows from the verdict of each rule."""

    @property
    def redirects(self) -> bool:
        """Whether a rule names a host that is dialled instead of the target."""

    def set_windows(self, flags: bytes) -> None:
        """Open (non-zero) and close (zero) the time windows; one byte for each of `windows`, else ValueError.

        Until the first call every window is open for rules that deny, and closed for rules that allow.
        """
