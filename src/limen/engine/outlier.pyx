# What an attempt's end says of its endpoint: counts for the supervisor, which decides on outliers. A failure is counted
# on the worker's own cells and, if runs are of interest, in one shared by all workers; a success writes there only to
# end a run. A run that is long enough raises the alarm, the one cell that the supervisor watches.

from libc.stdint cimport int64_t, uint64_t

from limen.engine.balance cimport load_measured
from limen.engine.board cimport (
    ENDPOINT_FAILURES,
    ENDPOINT_NANOSECONDS,
    ENDPOINT_RESPONSES,
    Board,
    total_next,
    total_now,
    total_set,
)
from limen.engine.types cimport (
    FAULT_DNS,
    FAULT_RESPONSE,
    FAULT_TLS_ORIGIN,
    FAULT_TLS_ORIGIN_TIMEOUT,
    FAULT_TRUNCATED,
)


cdef void end_run(Upstream upstream, Endpoint endpoint) noexcept:
    if upstream.run_most and total_now(endpoint.run):
        total_set(endpoint.run, 0)


cdef void count_failure(Upstream upstream, Endpoint endpoint) noexcept:
    cdef Board board = endpoint.worker.board
    board.endpoint_add(endpoint.slot, ENDPOINT_FAILURES, 1)
    if upstream.run_most and total_next(endpoint.run) >= upstream.run_most:
        board.raise_alarm()


cdef void judge_response(
    Upstream upstream, Endpoint endpoint, int status, uint64_t now, uint64_t dialled, uint64_t time
) noexcept:
    cdef Board board = endpoint.worker.board
    board.endpoint_add(endpoint.slot, ENDPOINT_RESPONSES, 1)
    board.endpoint_add(endpoint.slot, ENDPOINT_NANOSECONDS, <int64_t>time)
    if upstream.balancer.measures:
        load_measured(&endpoint.load, now, dialled + time, upstream.balancer.decay)
    if 0 <= status < 600 and (<const unsigned char*>upstream.failing)[status]:
        count_failure(upstream, endpoint)
    else:
        end_run(upstream, endpoint)


cdef void judge_fault(Upstream upstream, Endpoint endpoint, int fault) noexcept:
    """Faults of ours (memory, descriptors) speak against nobody."""
    if FAULT_DNS <= fault <= FAULT_TRUNCATED or FAULT_TLS_ORIGIN <= fault <= FAULT_TLS_ORIGIN_TIMEOUT or (
        fault > FAULT_RESPONSE
    ):
        count_failure(upstream, endpoint)


cdef void judge_reached(Upstream upstream, Endpoint endpoint) noexcept:
    end_run(upstream, endpoint)
