"""The OpenAPI document of the admin API: `GET /openapi.json`.

Written by hand and held to the truth by tests: every resource of the server is here and none else, and real answers
fit the schemas. What a later version adds to an answer may be added: clients ignore what they do not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import limen
from limen.control.admin.captures import PARAMETERS as CAPTURE_PARAMETERS
from limen.control.admin.exchanges import REFUSED
from limen.runtime.census import COLUMNS, PAGE, PAGE_MOST
from limen.runtime.explain.asked import PARAMETERS
from limen.runtime.talkers import LIMIT_MOST, ORDERS, WINDOWS
from limen.runtime.talkers import Question as TalkersQuestion

Json = dict[str, Any]

_TEXT: Json = {"type": "string"}
_NUMBER: Json = {"type": "number"}
_COUNT: Json = {"type": "integer"}
_FLAG: Json = {"type": "boolean"}
_ANY: Json = {"type": "object"}


def _maybe(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


def _many(schema: Json) -> Json:
    return {"type": "array", "items": schema}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: Json, optional: Json | None = None) -> Json:
    return {"type": "object", "properties": {**required, **(optional or {})}, "required": sorted(required)}


SCHEMAS: Json = {
    "Error": _object({"error": _TEXT}),
    "Revision": _object({"number": _COUNT, "digest": _TEXT}),
    "Worker": _object(
        {"number": _COUNT, "pid": _maybe(_COUNT), "state": _TEXT, "restarts": _COUNT, "since": _NUMBER, "live": _ANY},
        {"revision": _COUNT, "status": _ANY},
    ),
    "Listener": _object(
        {"name": _TEXT, "address": _TEXT, "kind": _TEXT, "routes": _COUNT, "sockets": _COUNT},
        {"connections": _COUNT, "accepted": _COUNT, "refused": _COUNT, "handshakes": _COUNT},
    ),
    "Endpoint": _object(
        {"address": _TEXT, "weight": _COUNT, "active": _COUNT, "connections": _COUNT, "requests": _COUNT},
        {
            "priority": _COUNT,
            "backup": _FLAG,
            "region": _maybe(_TEXT),
            "idle": _COUNT,
            "out": {**_COUNT, "description": "Workers that have taken it out."},
            "dials": _COUNT,
            "dial_failures": _COUNT,
            "response_faults": _COUNT,
            "retries": _COUNT,
            "state": _TEXT,
            "reason": _maybe(_TEXT),
            "since": {"description": "When it came into this state."},
            "setting": {**_TEXT, "description": "What was set at run time."},
            "runtime_weight": _maybe(_COUNT),
            "load": _maybe(_NUMBER),
            "max_requests": _maybe(_COUNT),
            "responses": _COUNT,
            "failures": _COUNT,
            "response_seconds": _NUMBER,
            "ejections": _COUNT,
            "ejected_until": _maybe(_TEXT),
            "probe": _maybe(_TEXT),
            "probe_reason": _TEXT,
            "probe_at": _maybe(_TEXT),
            "probe_seconds": _maybe(_NUMBER),
        },
    ),
    "Upstream": _object(
        {"name": _TEXT, "balance": _TEXT, "endpoints": _many(_ref("Endpoint"))},
        {"count": _COUNT, "panic": _FLAG, "max_requests": _maybe(_COUNT), "discovery": _maybe(_ANY)},
    ),
    "Certificate": _object(
        {"listener": _maybe(_TEXT), "upstream": _maybe(_TEXT), "file": _TEXT, "expires": _TEXT, "days": _COUNT}
    ),
    "Status": _object(
        {
            "version": _TEXT,
            "pid": _COUNT,
            "state": _TEXT,
            "uptime": _NUMBER,
            "revision": _ref("Revision"),
            "live": _ANY,
            "workers": _many(_ref("Worker")),
            "listeners": _many(_ref("Listener")),
            "upstreams": _many(_ref("Upstream")),
            "certificates": _many(_ref("Certificate")),
            "admin": _maybe(_TEXT),
        }
    ),
    "Traffic": _object(
        {
            "exchanges": _COUNT,
            "classes": {"type": "object", "additionalProperties": _COUNT},
            "received": _COUNT,
            "sent": _COUNT,
            "seconds": _NUMBER,
            "buckets": {**_many(_COUNT), "description": "Exchanges by duration, see `bounds`; not cumulative."},
        },
        {"name": _TEXT, "tunnel_bytes": _COUNT, "connections": _COUNT, "in_flight": _COUNT, "tunnels": _COUNT},
    ),
    "Live": _object(
        {
            "at": {**_NUMBER, "description": "A clock that never goes back, in seconds: rates are differences by it."},
            "version": _TEXT,
            "pid": _COUNT,
            "state": _TEXT,
            "uptime": _NUMBER,
            "revision": _ref("Revision"),
            "traffic": _ref("Traffic"),
            "bounds": {**_many(_NUMBER), "description": "Upper bounds of the buckets in seconds; one more is beyond."},
            "workers": _many(_ref("Worker")),
            "listeners": _many(_ref("Listener")),
            "routes": _many(_ref("Traffic")),
            "routes_untold": _COUNT,
            "upstreams": _many(_ref("Upstream")),
            "endpoints_untold": _COUNT,
            "faults": {"type": "object", "additionalProperties": _object({"count": _COUNT, "side": _TEXT})},
            "certificates": _many(_ref("Certificate")),
            "talkers": {**_FLAG, "description": "Whether /talkers keeps count."},
            "audit": {**_FLAG, "description": "Whether /refused has a log to read."},
        }
    ),
    "Exchange": _object(
        {
            **{name: _TEXT for name in ("id", *COLUMNS) if name not in ("received", "sent")},
            "received": {**_COUNT, "description": "Bytes of content or of the tunnel from the client."},
            "sent": {**_COUNT, "description": "Bytes of content or of the tunnel to the client."},
            "age": _NUMBER,
            "worker": _COUNT,
        }
    ),
    "Share": _object({"name": _TEXT, "bytes": _COUNT, "exchanges": _COUNT}),
    "Talker": _object(
        {
            "name": _TEXT,
            "bytes": _COUNT,
            "exchanges": {**_COUNT, "description": "Those that have ended."},
            "refused": {**_COUNT, "description": "Of these, answered with 401, 403, 407 or 429."},
            "missed": {**_COUNT, "description": "At most so many bytes are missing (4,096 for an exchange)."},
        },
        {"kind": {"enum": ["user", "client"]}},
    ),
    "Explanation": _object(
        {"url": _TEXT, "method": _TEXT, "from": _TEXT, "listener": _ANY, "verdict": _ANY, "revision": _COUNT},
        {
            "source": _TEXT,
            "worker": _COUNT,
            "client": _TEXT,
            "as": _ANY,
            "certificate": _TEXT,
            "target": _ANY,
            "route": _maybe(_ANY),
            "passed_over": _many(_ANY),
            "access": _maybe(_ANY),
            "addresses": _many(_ANY),
            "limits": _many(_ANY),
            "rates": _many(_ANY),
            "place": _maybe(_ANY),
            "share": _ANY,
            "settings": _ANY,
            "hooks": _many(_TEXT),
            "notes": _many(_TEXT),
            "upstream": _ANY,
        },
    ),
}

_PARAMETERS = {
    "url": "http://, https:// or tcp://; without a scheme http.",
    "from": "IP address of the client; 127.0.0.1 by default.",
    "method": "GET by default; CONNECT for https through a proxy.",
    "field": "`Name: value`; repeatable.",
    "listener": "Name or address of the listener; by default as the URL says.",
    "as": "Name of who asks, as if they had shown so; nobody by default.",
    "group": "A group of theirs, beside those that the configuration names; repeatable.",
    "certificate": "The client's certificate: its DER in the base64 of URLs. It is taken to hold; none by default.",
    "ja4": "JA4 of the client's hello; none by default.",
    "sni": "Name that the client's hello asks for; by default the host of an https URL.",
}


def _answer(schema: Json | None, text: str, content_type: str = "application/json") -> Json:
    return {"description": text, "content": {content_type: {"schema": schema or _TEXT}}}


def _operation(summary: str, answer: Json, *, status: int = 200, refusals: dict[int, str] | None = None) -> Json:
    refused = {str(code): _answer(_ref("Error"), text) for code, text in (refusals or {}).items()}
    return {
        "summary": summary,
        "responses": {str(status): answer, **refused, "default": _answer(_ref("Error"), "Error")},
    }


def _in_path(name: str, text: str) -> Json:
    return {"name": name, "in": "path", "required": True, "description": text, "schema": _TEXT}


def _in_query(parameters: Mapping[str, str]) -> list[Json]:
    """Texts that may be left out, with what each means."""
    return [
        {"name": name, "in": "query", "required": False, "description": text, "schema": _TEXT}
        for name, text in parameters.items()
    ]


_UPSTREAMS = _object({"upstreams": _many(_ref("Upstream"))})
_LISTENERS = _object({"listeners": _many(_ref("Listener"))})

_EXCHANGES = _object(
    {
        "exchanges": _many(_ref("Exchange")),
        "count": {**_COUNT, "description": "All that are meant, on all pages."},
        "next": {**_maybe(_TEXT), "description": "`after` of the next page; null: there is none."},
    },
    {
        "talkers": _many(_ref("Share")),
        "targets": _many(_ref("Share")),
        "silent": {**_COUNT, "description": "Workers that did not answer."},
    },
)
_TALKERS = _object(
    {
        "window": _TEXT,
        "seconds": _NUMBER,
        "order": _TEXT,
        "clients": _many(_ref("Talker")),
        "targets": _many(_ref("Talker")),
    },
    {"silent": {**_COUNT, "description": "Workers that did not answer."}},
)
_DEFAULT = TalkersQuestion()
_TALKER_PARAMETERS = {
    "window": f"One of {', '.join(WINDOWS)}; {_DEFAULT.window} by default.",
    "order": f"One of {', '.join(ORDERS)}; {_DEFAULT.order} by default.",
    "limit": f"Rows of each list: {_DEFAULT.limit} by default, at most {LIMIT_MOST}.",
}
_EXCHANGE_PARAMETERS = {
    "id": "One of them.",
    "client": "Address or network of the client.",
    "user": "Name of an identity.",
    "target": "Host, `host:port`, or a pattern with `*`.",
    "listener": "Name of the listener.",
    "rule": "Name of the access rule, or of the route.",
    "upstream": "Name of the upstream.",
    "egress": "Name of the egress.",
    "protocol": "http/1.1, connect, upgrade, socks5, socks4, tls or tcp.",
    "limit": f"Rows of a page: {PAGE} by default, at most {PAGE_MOST}.",
    "after": "`next` of the page before.",
    "top": "1: the clients and targets with most bytes under way, too.",
}
_UPSTREAM = _in_path("upstream", "Name of the upstream")
_STEERING = {
    "drain": "Gives an endpoint no new exchanges but those of its own clients",
    "disable": "Gives an endpoint no exchanges",
    "enable": "Gives an endpoint exchanges again",
    "weight": "Sets the weight of an endpoint until it leaves the configuration; null: the configured one",
}


def _steering(what: str) -> Json:
    refusals = {404: "There is no such upstream or endpoint", 422: "There is no such setting"}
    return {
        "parameters": [_UPSTREAM, _in_path("address", "As in the upstream's endpoints")],
        "post": _operation(what, _answer(_ref("Endpoint"), "The endpoint as it is now"), refusals=refusals),
    }


PATHS: Json = {
    "/": {"get": _operation("The page for people", _answer(None, "HTML", "text/html"))},
    "/page.css": {"get": _operation("Its style", _answer(None, "CSS", "text/css"))},
    "/page.js": {"get": _operation("Its script", _answer(None, "JavaScript", "text/javascript"))},
    "/flows.js": {
        "get": _operation("The script of its lists of exchanges", _answer(None, "JavaScript", "text/javascript"))
    },
    "/icon.svg": {"get": _operation("Its picture", _answer(None, "SVG", "image/svg+xml"))},
    "/openapi.json": {"get": _operation("This document", _answer(_ANY, "OpenAPI 3.1"))},
    "/healthz": {"get": _operation("Whether the instance lives", _answer(None, "ok", "text/plain"))},
    "/status": {"get": _operation("The state of the instance; asks every worker", _answer(_ref("Status"), "State"))},
    "/live": {"get": _operation("Counts of this moment, cheap to poll", _answer(_ref("Live"), "Counts"))},
    "/metrics": {"get": _operation("All counts for Prometheus", _answer(None, "Text format 0.0.4", "text/plain"))},
    "/listeners": {"get": _operation("The listeners in force", _answer(_LISTENERS, "Listeners"))},
    "/upstreams": {"get": _operation("The upstreams in force", _answer(_UPSTREAMS, "Upstreams"))},
    "/upstreams/{upstream}": {
        "parameters": [_UPSTREAM],
        "get": _operation("One upstream", _answer(_ref("Upstream"), "Upstream"), refusals={404: "There is none"}),
    },
    **{f"/upstreams/{{upstream}}/endpoints/{{address}}/{word}": _steering(what) for word, what in _STEERING.items()},
    "/exchanges": {
        "get": {
            **_operation(
                "Exchanges and tunnels under way, in the order they began; asks every worker",
                _answer(_EXCHANGES, "A page"),
                refusals={400: "The question is malformed"},
            ),
            "parameters": _in_query(_EXCHANGE_PARAMETERS),
        }
    },
    "/talkers": {
        "get": {
            **_operation(
                "The clients and targets with most, where `log.talkers` has them counted; asks every worker",
                _answer(_TALKERS, "Two lists"),
                refusals={400: "The question is malformed", 404: "Nobody keeps count"},
            ),
            "parameters": _in_query(_TALKER_PARAMETERS),
        }
    },
    "/refused": {
        "get": {
            **_operation(
                "What rules, limits and quotas refused or ended lately, the newest first: the end of the audit log",
                _answer(_object({"refused": _many(_ANY)}), "Records, in the form of the access log"),
                refusals={400: "The question is malformed", 404: "There is no audit log", 503: "It cannot be read"},
            ),
            "parameters": _in_query({"limit": f"{REFUSED} by default, at most {PAGE_MOST}."}),
        }
    },
    "/exchanges/kill": {
        "post": _operation(
            "Ends those that the content means, by the same conditions; all of them with `all`",
            _answer(_object({"killed": _COUNT}), "How many there were"),
            refusals={422: "The content is malformed, or means nothing"},
        )
    },
    "/captures": {
        "get": _operation(
            "The captures, and their files",
            _answer(_object({"captures": _many(_object({"name": _TEXT, "files": _many(_TEXT)}))}), "Captures"),
            refusals={403: "The admin address asks for no credentials"},
        )
    },
    "/captures/{capture}.har": {
        "parameters": [_in_path("capture", "Name of the capture")],
        "get": {
            **_operation(
                "What it has recorded, as HAR 1.2",
                _answer(_ANY, "A document"),
                refusals={
                    400: "The question is malformed",
                    403: "The admin address asks for no credentials",
                    404: "There is none",
                },
            ),
            "parameters": _in_query(CAPTURE_PARAMETERS),
        },
    },
    "/explain": {
        "get": {
            **_operation(
                "Which way a request would go, and why",
                _answer(_ref("Explanation"), "Explanation"),
                refusals={400: "The question is malformed", 503: "No worker answers"},
            ),
            "parameters": [
                {
                    "name": name,
                    "in": "query",
                    "required": name == "url",
                    "description": _PARAMETERS[name],
                    "schema": _many(_TEXT) if name in ("field", "group") else _TEXT,
                }
                for name in PARAMETERS
            ],
        }
    },
    "/bridge/pins": {
        "get": _operation("Hosts that clients were seen to pin", _answer(_object({"learnt": _many(_ANY)}), "Hosts"))
    },
    "/ca": {"get": _operation("The authorities to install", _answer(None, "HTML", "text/html"))},
    "/ca/{file}": {
        "parameters": [_in_path("file", "NAME.pem or NAME.crt")],
        "get": _operation(
            "An authority's certificate",
            _answer(None, "PEM", "application/x-pem-file"),
            refusals={404: "There is none"},
        ),
    },
    "/reload": {
        "post": _operation(
            "Reads the configuration again and puts it in force",
            _answer(_object({"revision": _COUNT, "digest": _TEXT, "changes": _many(_TEXT)}), "Done"),
            refusals={422: "The configuration is wrong: nothing has changed", 503: "It could not be done"},
        )
    },
    "/drain": {
        "post": _operation("Ends the instance when what lives has ended", _answer(_ANY, "It has begun"), status=202)
    },
}


def document() -> Json:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Limen admin API",
            "version": limen.__version__,
            "description": "Changes need the field `X-Limen-Control` or the token; see the manual.",
        },
        "paths": PATHS,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "user": {"type": "http", "scheme": "basic"},
            },
        },
        # Whether they are demanded is up to the configuration.
        "security": [{}, {"token": []}, {"user": []}],
    }
