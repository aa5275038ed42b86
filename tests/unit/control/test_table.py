from limen.control.table import overview

FOUND = {
    "name": "found",
    "endpoints": [],
    "discovery": {
        "source": "dns a.test:80",
        "endpoints": 3,
        "origin": "source",
        "succeeded": "2026-12-01T10:00:00+00:00",
        "failures": 2,
        "error": "too late",
    },
}
STATUS = {
    "version": "1.2",
    "pid": 7,
    "state": "running",
    "uptime": 93784.0,
    "revision": {"number": 3, "digest": "abc"},
    "live": {"connections": 5, "exchanges": 2, "tunnels": 0},
    "workers": [
        {
            "number": 0,
            "pid": 8,
            "state": "ready",
            "restarts": 0,
            "live": {"connections": 5, "exchanges": 2, "tunnels": 0},
        },
        {"number": 1, "pid": None, "state": "waiting", "restarts": 4, "live": {}},
    ],
    "listeners": [{"name": "front", "address": "127.0.0.1:80", "kind": "routes", "routes": 2}],
    "upstreams": [
        {"name": "web", "endpoints": [{"address": "127.0.0.1:9001", "weight": 1, "state": "up"}]},
        {
            "name": "web",
            "panic": True,
            "endpoints": [
                {
                    "address": "127.0.0.1:9002",
                    "weight": 1,
                    "runtime_weight": 7,
                    "active": 3,
                    "retries": 4,
                    "ejections": 2,
                    "responses": 8,
                    "response_seconds": 0.1,
                    "load": 0.75,
                    "state": "down",
                    "reason": "probe: status 503 is not 200-399",
                    "since": "2026-01-01T00:00:00.000+00:00",
                    "probe": "failed",
                }
            ],
        },
        FOUND,
    ],
    "certificates": [{"listener": "front", "upstream": None, "file": "/a.pem", "expires": "2026-12-01", "days": 5}],
}


def test_an_overview_has_every_worker_listener_and_endpoint():
    text = "\n".join(overview(STATUS))
    assert "up 1d 2h  revision 3 (abc)" in text
    assert "live: 5 connections, 2 exchanges, 0 tunnels" in text
    for words in (["0", "8", "ready", "0", "5", "2", "0"], ["1", "-", "waiting", "4", "-", "-", "-"]):
        assert words in [line.split() for line in text.splitlines()]
    assert ["/a.pem", "front", "2026-12-01", "5"] in [line.split() for line in text.splitlines()]
    assert "front     127.0.0.1:80  2 routes" in text
    assert ["web", "127.0.0.1:9001", "1", *"---------", "up", "-", "-", "-"] in [
        line.split() for line in text.splitlines()
    ]
    (line,) = (line for line in text.splitlines() if "127.0.0.1:9002" in line)
    assert line.startswith("web (panic)  127.0.0.1:9002  7 (run time)  3 ")
    assert line.endswith("failed  probe: status 503 is not 200-399")
    assert line.split()[5:].count("-") == 4
    assert "  4        2          12.5ms  75%   down   " in line
    assert "down   " in line


def test_an_overview_has_every_source():
    lines = [line.split("  ") for line in overview(STATUS)]
    (row,) = [[cell.strip() for cell in line if cell.strip()] for line in lines if "found" in line[0]]
    assert row == ["found", "dns a.test:80", "3", "source", "2026-12-01T10:00:00+00:00", "2", "too late"]
    assert not any("DISCOVERY" in line for line in overview({**STATUS, "upstreams": STATUS["upstreams"][:1]}))


def test_nothing_known_is_no_failure():
    assert overview({})[0].startswith("limen None")
