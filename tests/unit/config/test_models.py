"""models/: defaults of the design, spellings, and configurations that travel."""

import pickle

import pytest
from pydantic import ValidationError

from limen.config import Config, loads, models, read
from limen.config.addresses import Address, Ports
from limen.config.models import Listener, Route, Section
from tests.unit.config.samples import EXAMPLES

GATEWAY = """
listeners:
  - bind: 127.0.0.1:8080
    routes:
      - upstream: web
upstreams:
  web: {endpoints: [127.0.0.1:9001, 127.0.0.1:9002]}
"""
PROXY = """
listeners:
  - bind: 127.0.0.1:3128
    forward: {}
"""


def test_defaults_are_those_of_the_design():
    config = loads(GATEWAY)
    listener = config.listeners[0]
    route = listener.routes[0]
    upstream = config.upstreams["web"]
    assert config.workers == "auto"
    assert (listener.head.line, listener.head.fields, listener.head.count, listener.head.trailers) == (
        8192,
        32768,
        100,
        16,
    )
    assert listener.head.underscores is False
    assert (listener.timeouts.head, listener.timeouts.idle, listener.timeouts.body) == (10, 60, 30)
    assert (listener.timeouts.tunnel_idle, listener.timeouts.tunnel_half_closed) == (300, 30)
    assert listener.timeouts.tunnel_life == 86400
    assert (listener.min_rate.bytes, listener.min_rate.after) == (500, 10)
    assert listener.via == "limen"
    assert listener.trusted == ()
    assert route.body.max == 16 << 20
    assert (route.timeouts.response, route.timeouts.stall) == (60, 60)
    assert (route.retry.attempts, route.retry.methods, route.retry.memory, route.retry.max) == (
        2,
        "safe",
        65536,
        1 << 20,
    )
    assert (route.host, route.upgrade, route.hooks, route.hook_timeout) == ("pass", True, (), 5)
    assert (upstream.timeouts.dial, upstream.timeouts.idle, upstream.pool.idle) == (5, 55, 512)
    assert [str(endpoint.address) for endpoint in upstream.endpoints] == ["127.0.0.1:9001", "127.0.0.1:9002"]
    assert (config.limits.connections, config.limits.per_client, config.drain.timeout) == (10000, 200, 30)
    assert (config.resolver.timeout, config.resolver.min_ttl, config.resolver.max_ttl) == (5, 5, 3600)
    assert config.resolver.negative_ttl == 30


def test_defaults_of_a_proxy():
    forward = loads(PROXY).listeners[0].forward
    assert forward.access is None
    assert (forward.targets.private, forward.targets.allow) == ("deny", ())
    assert (forward.anonymity, forward.open, forward.body.max) == ("anonymous", False, None)
    assert (forward.timeouts.dial, forward.timeouts.response, forward.timeouts.stall) == (5, 60, 60)


def test_spellings():
    config = loads(
        """
        log: {access: "-"}
        resolver: {servers: [192.0.2.53, "[2001:db8::53]:5353", 2001:db8::54]}
        listeners:
          - bind: 127.0.0.1:80
            via: none
            min_rate: none
            routes:
              - {match: {host: A.example.com, path: /v1/, method: GET}, upstream: web, body: {max: none}}
              - {match: {path: {exact: /x}, fields: {X-A: 1, X-B: false}}, upstream: web, hooks: "a:b"}
          - bind: 127.0.0.1:81
            forward: {access: [{allow: {ports: [80, "1-2"], clients: 10.0.0.0/8}}, {deny: {}}]}
        upstreams:
          web: {endpoints: [{address: 10.0.0.1:80, weight: 3}, b.example:81]}
        """
    )
    gateway, proxy = config.listeners
    assert config.log.access.path == "-"
    assert [str(server) for server in config.resolver.servers] == [
        "192.0.2.53:53",
        "[2001:db8::53]:5353",
        "[2001:db8::54]:53",
    ]
    assert (gateway.via, gateway.min_rate) == (None, None)
    assert gateway.routes[0].match.host == ("a.example.com",)
    assert gateway.routes[0].match.path.prefix == "/v1/"
    assert gateway.routes[0].match.method == ("GET",)
    assert gateway.routes[0].body.max is None
    assert gateway.routes[1].match.path.exact == "/x"
    assert gateway.routes[1].match.fields == {"X-A": "1", "X-B": False}
    assert gateway.routes[1].hooks == ("a:b",)
    assert proxy.forward.access[0].condition.ports == (Ports(80, 80), Ports(1, 2))
    assert proxy.forward.access[0].condition.clients == ("10.0.0.0/8",)
    assert proxy.forward.access[1].deny is not None
    assert config.upstreams["web"].endpoints[0].weight == 3


def test_labels():
    config = loads(GATEWAY.replace("- upstream", "- name: all\n        upstream"))
    listener = config.listeners[0]
    assert listener.label == "127.0.0.1:8080"
    assert listener.route_label(0) == "all"
    assert loads(GATEWAY).listeners[0].route_label(0) == "127.0.0.1:8080#0"


def test_models_are_frozen():
    config = loads(PROXY)
    with pytest.raises(ValidationError):
        config.workers = 2
    with pytest.raises(ValidationError):
        config.listeners[0].forward.open = True


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_configurations_travel(path):
    config = read(path).config
    assert Config.model_validate(config.model_dump(mode="json", by_alias=True)) == config
    assert Config.model_validate_json(config.model_dump_json(by_alias=True)) == config
    assert pickle.loads(pickle.dumps(config)) == config  # noqa: S301 what was just written


def test_made_in_python():
    listener = Listener(bind=Address("127.0.0.1", 80), routes=[Route(upstream="web", hook_timeout=2.5)])
    assert listener.routes[0].hook_timeout == 2.5
    assert Listener(bind="127.0.0.1:80", forward={}).forward is not None


def test_every_field_says_what_it_means():
    silent = []
    sections = [value for value in vars(models).values() if isinstance(value, type) and issubclass(value, Section)]
    assert len(sections) > 30
    for section in sections:
        assert section.__doc__, section
        for name, field in section.model_fields.items():
            if len(field.description or "") < 5:
                silent.append(f"{section.__name__}.{name}")
    assert silent == []
