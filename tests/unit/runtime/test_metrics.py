import os

from limen.config import loads
from limen.observe import board
from limen.runtime.estate import establish
from limen.runtime.metrics import SharedBoard


def test_cleared_slots_are_zero_in_every_region():
    shared = SharedBoard(2)
    try:
        start = [board.HEADER + worker * board.REGION + board.ROUTE_AREA for worker in range(2)]
        for first in start:
            os.pwrite(shared.fd, b"\xff" * board.ROUTE_CELLS * board.CELL * 3, first * board.CELL)
        shared.clear([("route", 1)])
        for first in start:
            cells = os.pread(shared.fd, board.ROUTE_CELLS * board.CELL * 3, first * board.CELL)
            size = board.ROUTE_CELLS * board.CELL
            assert [any(cells[size * slot : size * (slot + 1)]) for slot in range(3)] == [True, False, True]
    finally:
        shared.close()


def test_the_exposition_has_the_names_of_the_estate():
    text = """
    listeners: [{bind: "127.0.0.1:0", name: front, routes: [{name: all, upstream: web}]}]
    upstreams: {web: {endpoints: ["127.0.0.1:9001", "127.0.0.1:9002"]}}
    """
    estate = establish(loads(text), number=1, workers=2, base="/")
    shared = SharedBoard(2)
    try:
        for worker in range(2):
            for area, cells, slot, cell in (
                (board.ROUTE_AREA, board.ROUTE_CELLS, 1, board.RouteCell.STATUS + 2),
                (board.ENDPOINT_AREA, board.ENDPOINT_CELLS, 1, board.EndpointCell.REQUESTS),
            ):
                start = board.HEADER + worker * board.REGION + area + slot * cells + cell
                os.pwrite(shared.fd, (21).to_bytes(8, "little"), start * board.CELL)
        lines = shared.exposition(estate).decode().splitlines()
        assert 'limen_exchanges_total{route="all",code="2xx"} 42' in lines
        assert 'limen_endpoint_requests_total{upstream="web",endpoint="127.0.0.1:9002"} 42' in lines
        cells = shared.endpoints([0, 1])
        assert shared.endpoint_report(cells[1])["requests"] == 42
        assert not any(cells[0])
    finally:
        shared.close()
        estate.close(unlink=True)
