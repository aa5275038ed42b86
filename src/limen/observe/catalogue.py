"""The catalogue: every metric with its name, kind, unit, labels and meaning.

Exposition and docs/metrics.md come from here. Names use the vocabulary of the design; counters end in
_total, a unit stands in the name (Prometheus' custom).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from limen.observe.board import EndpointCell, ListenerCell, WorkerCell
from limen.observe.limits import LimitCell


class Kind(enum.StrEnum):
    """What Prometheus calls a metric's type."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric family."""

    name: str
    kind: Kind
    unit: str
    meaning: str
    labels: tuple[str, ...] = ()


def _counter(name: str, unit: str, meaning: str, *labels: str) -> Metric:
    return Metric(f"limen_{name}_total", Kind.COUNTER, unit, meaning, labels)


def _gauge(name: str, unit: str, meaning: str, *labels: str) -> Metric:
    return Metric(f"limen_{name}", Kind.GAUGE, unit, meaning, labels)


INFO = _gauge("info", "", "Always 1; the label tells which version runs.", "version")
WORKERS = _gauge("workers", "processes", "Worker processes that the supervisor keeps.")

WORKER: dict[WorkerCell, Metric] = {
    WorkerCell.CONNECTIONS: _gauge("connections", "connections", "Open client connections."),
    WorkerCell.EXCHANGES: _gauge("exchanges_in_flight", "exchanges", "Exchanges that have begun and not ended."),
    WorkerCell.TUNNELS: _gauge("tunnels", "tunnels", "Open tunnels (CONNECT, upgrades, streams)."),
    WorkerCell.TUNNEL_BYTES: _counter("tunnel_bytes", "bytes", "Bytes moved by tunnels, both ways together."),
    WorkerCell.HOOK_CALLS: _counter("hook_calls", "calls", "Hooks called."),
    WorkerCell.HOOK_FAILURES: _counter("hook_failures", "calls", "Hooks that failed or were too slow."),
    WorkerCell.DNS_LOOKUPS: _counter("dns_lookups", "questions", "Questions asked of DNS servers."),
    WorkerCell.LOG_LOST: _counter("access_log_lost", "records", "Access log records that could not be written."),
    WorkerCell.CAPTURED: _counter("captured", "exchanges", "Exchanges written to the files of captures."),
    WorkerCell.CAPTURE_LOST: _counter(
        "captures_lost", "exchanges", "Exchanges that captures asked for and that could not be written."
    ),
    WorkerCell.HEDGES: _counter("hedges", "attempts", "Second attempts made beside slow ones."),
    WorkerCell.HEDGES_WON: _counter("hedges_won", "attempts", "Of these, those that answered first."),
    WorkerCell.HEDGES_SHED: _counter("hedges_shed", "attempts", "Second attempts not made, for `hedge.most`."),
    WorkerCell.MIRRORED: _counter("mirrored", "requests", "Requests copied to a mirror."),
    WorkerCell.MIRRORS_SHED: _counter(
        "mirrors_shed", "requests", "Requests not copied: too many under way, too much content, or no endpoint."
    ),
    WorkerCell.MIRRORS_FAILED: _counter("mirrors_failed", "requests", "Copies that got no whole answer in time."),
    WorkerCell.IDENTITY_CHECKS: _counter(
        "identity_checks", "credentials", "Credentials verified, without those that were known."
    ),
    WorkerCell.IDENTITY_FAILURES: _counter("identity_failures", "credentials", "Of these, those that were refused."),
    WorkerCell.IDENTITY_SHED: _counter(
        "identity_shed", "credentials", "Credentials not verified: too many at a time, or too many failures before."
    ),
}

LISTENER: dict[ListenerCell, Metric] = {
    ListenerCell.CONNECTIONS: _gauge("listener_connections", "connections", "Open client connections.", "listener"),
    ListenerCell.ACCEPTED: _counter("listener_accepted", "connections", "Connections accepted.", "listener"),
    ListenerCell.REFUSED: _counter(
        "listener_refused", "connections", "Connections closed at once, by a limit or a rule.", "listener"
    ),
    ListenerCell.HANDSHAKES: _counter(
        "listener_tls_handshakes", "handshakes", "TLS handshakes with clients that were finished.", "listener"
    ),
    ListenerCell.RESUMED: _counter(
        "listener_tls_resumed", "handshakes", "Of these, those that took up an earlier session.", "listener"
    ),
    ListenerCell.UNSEALED: _counter(
        "listener_tls_unsealed",
        "connections",
        "TLS connections on which the kernel took over sealing, for a large body.",
        "listener",
    ),
}

EXCHANGES = _counter(
    "exchanges",
    "exchanges",
    "Exchanges ended, by class of the status (1xx to 5xx; none: without an answer).",
    "route",
    "code",
)
RECEIVED = _counter("received_bytes", "bytes", "Bytes received from clients.", "route")
SENT = _counter("sent_bytes", "bytes", "Bytes sent to clients.", "route")
DURATION = Metric(
    "limen_exchange_duration_seconds",
    Kind.HISTOGRAM,
    "seconds",
    "Time from the first byte of a request to the last of its response.",
    ("route",),
)

RETRIES = _counter(
    "retries",
    "requests",
    "Requests sent again, by what failed before: dial, reset, timeout or the status of an answer.",
    "route",
    "cause",
)
BUDGET_SPENT = _counter("retry_budget_spent", "requests", "Retries that the budget prevented or delayed.", "route")

ENDPOINT: dict[EndpointCell, Metric] = {
    cell: make(f"endpoint_{name}", unit, meaning, "upstream", "endpoint")
    for cell, make, name, unit, meaning in (
        (EndpointCell.ACTIVE, _gauge, "active", "exchanges", "Exchanges that the endpoint is working on."),
        (EndpointCell.CONNECTIONS, _gauge, "connections", "connections", "Open connections to the endpoint."),
        (EndpointCell.IDLE, _gauge, "idle_connections", "connections", "Of them, those waiting in the pool."),
        (EndpointCell.OUT, _gauge, "out", "workers", "Workers that have taken the endpoint out; 0: usable for all."),
        (EndpointCell.REQUESTS, _counter, "requests", "requests", "Requests sent to the endpoint."),
        (EndpointCell.RESPONSES, _counter, "responses", "responses", "Response heads that came from the endpoint."),
        (
            EndpointCell.NANOSECONDS,
            _counter,
            "response_seconds",
            "seconds",
            "Sum of the times from sent requests to response heads.",
        ),
        (
            EndpointCell.FAILURES,
            _counter,
            "failures",
            "requests",
            "Attempts that speak against the endpoint: see docs/health.md.",
        ),
        (EndpointCell.DIALS, _counter, "dials", "connections", "Connections begun."),
        (EndpointCell.DIAL_FAILURES, _counter, "dial_failures", "connections", "Dials refused, unreachable or late."),
        (
            EndpointCell.RESPONSE_FAULTS,
            _counter,
            "response_faults",
            "requests",
            "Requests without a whole, well-formed response in time.",
        ),
        (
            EndpointCell.RETRIES,
            _counter,
            "retries",
            "requests",
            "Requests that came here after another attempt failed.",
        ),
    )
}

STATE = _gauge(
    "endpoint_state",
    "",
    "Always 1; the label `state` tells it: up, warming, out, ejected, down, draining or disabled.",
    "upstream",
    "endpoint",
    "state",
)
PROBES = _counter("probes", "probes", "Probes that ended.", "upstream", "endpoint")
PROBES_FAILED = _counter("probes_failed", "probes", "Of these, those that failed.", "upstream", "endpoint")
EJECTIONS = _counter("ejections", "ejections", "Times the endpoint was ejected as an outlier.", "upstream", "endpoint")
PANIC = _gauge(
    "upstream_panic", "", "1 while doubtful endpoints are used because too few others are well, else 0.", "upstream"
)

FAULTS = _counter("faults", "faults", "Faults by label and side; docs/faults.md explains each.", "fault", "side")

LIMIT: dict[LimitCell, Metric] = {
    LimitCell.ALLOWED: _counter("limit_allowed", "exchanges", "Exchanges that a limit let through.", "limit"),
    LimitCell.REFUSED: _counter(
        "limit_refused", "exchanges", "Exchanges that a limit refused, or with `dry_run` would have.", "limit"
    ),
    LimitCell.FORGOTTEN: _counter(
        "limit_forgotten", "keys", "Keys that were forgotten for those of this limit, all places being taken.", "limit"
    ),
    LimitCell.UNCOUNTED: _counter(
        "limit_uncounted", "exchanges", "Exchanges that passed because no place was left to count them.", "limit"
    ),
    LimitCell.HELD: _counter(
        "limit_held", "waits", "Times that bytes had to wait for bandwidth, or with `dry_run` would have.", "limit"
    ),
    LimitCell.WARNED: _counter(
        "limit_warned", "keys", "Times that a key's use of its quota came over a warning threshold.", "limit"
    ),
}
LIST_ENTRIES = _gauge("address_list_entries", "entries", "Entries of an address list in force.", "list")
LIST_BYTES = _gauge("address_list_bytes", "bytes", "Memory of an address list, once for all workers.", "list")
HOST_LIST_ENTRIES = _gauge("host_list_entries", "entries", "Names of a list in force.", "list")
HOST_LIST_BYTES = _gauge("host_list_bytes", "bytes", "Memory of a list of names, once for all workers.", "list")
HOST_LIST_IGNORED = _gauge("host_list_ignored", "lines", "Lines of a list of names that were not understood.", "list")

RULES = _counter(
    "rule_exchanges",
    "exchanges",
    "Exchanges that an access rule decided, or with `dry_run` would have; counted when they are over.",
    "listener",
    "rule",
)

EXPIRY = _gauge(
    "certificate_expiry_seconds",
    "seconds",
    "Unix time at which a certificate, or one that leads from it to the authority, expires. `listener` is empty for a "
    "certificate shown to endpoints, `upstream` for one shown to clients.",
    "listener",
    "upstream",
    "file",
)

DISCOVERY = (
    _gauge("discovery_endpoints", "endpoints", "Endpoints that a source has given.", "upstream"),
    _gauge("discovery_success_seconds", "seconds", "Unix time at which a source last answered; 0: never.", "upstream"),
    _counter("discovery_failures", "failures", "Answers of a source that failed or were refused.", "upstream"),
    _counter("discovery_changes", "changes", "Answers of a source that changed its list.", "upstream"),
)

#: All metrics, in the order of the exposition and of the documentation.
CATALOGUE: tuple[Metric, ...] = (
    INFO,
    WORKERS,
    *WORKER.values(),
    *LISTENER.values(),
    EXCHANGES,
    RECEIVED,
    SENT,
    DURATION,
    RETRIES,
    BUDGET_SPENT,
    RULES,
    *ENDPOINT.values(),
    STATE,
    PROBES,
    PROBES_FAILED,
    EJECTIONS,
    PANIC,
    FAULTS,
    *LIMIT.values(),
    LIST_ENTRIES,
    LIST_BYTES,
    HOST_LIST_ENTRIES,
    HOST_LIST_BYTES,
    HOST_LIST_IGNORED,
    EXPIRY,
    *DISCOVERY,
)
