"""Words people write that are no keys here: keys of later versions, and other products' words for ours.

Only for messages: an unknown key is refused in any case.
"""

from __future__ import annotations

LATER: dict[str, frozenset[str]] = {
    "Config": frozenset({"egress", "plugins", "cluster", "tracing", "memory", "tls", "acme", "cache", "identity"}),
    "Listener": frozenset({"tls", "socks", "http2", "http3", "quic", "transparent", "limit", "protocols", "identity"}),
    "Route": frozenset({"limit", "cache", "compress", "identity", "mirror", "egress", "trace", "hedge", "split"}),
    "Forward": frozenset({"egress", "bridge", "limit", "identity", "cache", "compress", "retry"}),
    "Match": frozenset({"sni", "identity", "cookies", "time"}),
    "Condition": frozenset({"identity", "sni", "schemes"}),
    "Stream": frozenset({"routes", "egress", "limit", "tls"}),
    "Upstream": frozenset({"probe", "tls", "discovery", "outlier", "protocol", "budget", "resolver", "backup"}),
    "Endpoint": frozenset({"tls", "backup", "url"}),
    "Resolver": frozenset({"tls", "https", "dnssec"}),
    "AccessLog": frozenset({"sample", "fields", "rotate"}),
    "Admin": frozenset({"tls", "identity", "token"}),
}
"""Keys that the design names and this version does not have, by section."""

OTHER_WORDS: dict[str, tuple[str, ...]] = {
    "listen": ("bind", "listeners"),
    "address": ("bind", "addresses"),
    "port": ("bind", "ports"),
    "listener": ("listeners",),
    "frontends": ("listeners",),
    "entrypoints": ("listeners",),
    "backend": ("upstream",),
    "backends": ("upstreams",),
    "clusters": ("upstreams",),
    "services": ("upstreams",),
    "proxy_pass": ("upstream",),
    "to": ("upstream", "endpoints"),
    "servers": ("endpoints",),
    "targets": ("endpoints",),
    "hosts": ("host", "endpoints"),
    "server_name": ("host",),
    "headers": ("fields",),
    "header": ("fields",),
    "methods": ("method",),
    "paths": ("path",),
    "uri": ("path",),
    "url": ("path", "address"),
    "params": ("query",),
    "code": ("status",),
    "content": ("body",),
    "text": ("body",),
    "location": ("to",),
    "locations": ("routes",),
    "rules": ("access", "routes"),
    "acl": ("access",),
    "timeout": ("timeouts",),
    "connect": ("dial",),
    "max_size": ("max",),
    "add": ("set",),
    "lb": ("balance",),
    "policy": ("balance",),
    "ip": ("clients",),
    "client": ("clients",),
    "processes": ("workers",),
    "threads": ("workers",),
    "dns": ("resolver",),
    "logging": ("log",),
    "logs": ("log",),
    "nameservers": ("servers",),
    "send_proxy": ("proxy_protocol",),
    "match": ("allow", "deny"),
}
"""Words of other proxies, and what stands for them here, where the section has it."""

WRITE: dict[str, str] = {
    "listeners": "listeners: [{bind: 127.0.0.1:8080, routes: [{upstream: web}]}]",
    "bind": "bind: 127.0.0.1:8080",
    "endpoints": "endpoints: [127.0.0.1:9001]",
    "address": "address: 127.0.0.1:9001",
    "upstream": "upstream: web",
    "to": "to: https://{host}{path}{query}",
    "path": "path: access.jsonl",
    "pattern": "pattern: ^/old/",
    "with": "with: /new/",
    "from": "from: [10.0.0.0/8]",
}
"""What a key that must be there looks like."""
