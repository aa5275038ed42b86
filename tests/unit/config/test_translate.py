"""translate.py, check.py and the models: what users are told of bad configurations, to the letter."""

import pytest

from limen.config import loads
from limen.errors import ConfigErrors

ROUTES = "listeners: [{bind: 127.0.0.1:80, routes: [%s]}]\nupstreams: {web: {endpoints: [127.0.0.1:9001]}}\n"
LISTENER = "listeners:\n  - bind: 127.0.0.1:80\n    routes: [{upstream: web}]\n    %s\nupstreams: {web: {endpoints: [127.0.0.1:9001]}}\n"
FORWARD = "listeners: [{bind: 127.0.0.1:80, forward: {%s}}]\n"
RULE = "listeners:\n  - bind: 127.0.0.1:80\n    forward:\n      access:\n        - %s\n"
UPSTREAM = "listeners: [{bind: 127.0.0.1:80, routes: [{upstream: web}]}]\nupstreams:\n  web: {%s}\n"
ROOT = "%s\nlisteners: [{bind: 127.0.0.1:80, forward: {}}]\n"
LIST = "listeners: [{bind: 127.0.0.1:3128, forward: {}}]\nlists:\n  a: %s\n"
BIND = "listeners: [{bind: %s, forward: {}}]\n"

# name: (text, message)
CASES = {
    "empty": ("", "f.yaml: the configuration is empty; it needs at least `listeners`"),
    "comment_only": ("# nothing\n", "f.yaml: the configuration is empty; it needs at least `listeners`"),
    "scalar_root": (
        "hello",
        "f.yaml:1:1: expected a mapping, found 'hello'; its keys are workers, listeners, upstreams, egress, places, lists, icap, captures, identities, admin, control, log, resolver, limits, drain",
    ),
    "list_root": (
        "- a\n- b\n",
        "f.yaml:1:1: expected a mapping, found a list; its keys are workers, listeners, upstreams, egress, places, lists, icap, captures, identities, admin, control, log, resolver, limits, drain",
    ),
    "null_listeners": ("listeners:\n", "f.yaml:1:11: listeners: expected a list, found nothing; write it like [a, b]"),
    "empty_listeners": ("listeners: []\n", "f.yaml:1:12: listeners: the list is empty; name at least one"),
    "no_listeners": (
        "workers: 2\n",
        "f.yaml:1:1: listeners: is missing; write it like `listeners: [{bind: 127.0.0.1:8080, routes: [{upstream: web}]}]`",
    ),
    "tab": (
        "listeners:\n\t- bind: x\n",
        "f.yaml:2:1: not readable as YAML: while scanning for the next token found character that cannot start any token; indent with spaces, and put values that begin with @, ` or % in quotes",
    ),
    "bad_indent": (
        "listeners:\n  - bind: 127.0.0.1:80\n   routes: []\n",
        "f.yaml:3:4: not readable as YAML: while parsing a block collection did not find expected '-' indicator; check the indentation: all items of a list begin in the same column",
    ),
    "colon_in_value": (
        "listeners: a: b\n",
        "f.yaml:1:13: not readable as YAML: mapping values are not allowed in this context; put a value that holds ': ' in quotes, and check the indentation",
    ),
    "unclosed_bracket": (
        "listeners: [a, b\nworkers: 2\n",
        "f.yaml:2:8: not readable as YAML: while parsing a flow sequence did not find expected ',' or ']'; a bracket or brace is not closed, or a value such as [::1]:80 needs quotes",
    ),
    "unclosed_quote": (
        'listeners: "abc\n',
        "f.yaml:2:1: not readable as YAML: while scanning a quoted scalar found unexpected end of stream; a quote is not closed",
    ),
    "star_unquoted": (
        ROUTES % "{match: {host: *.example.com}, upstream: web}",
        "f.yaml:1:59: not readable as YAML: while scanning an alias did not find expected alphabetic or numeric character; a value that begins with * must be in quotes",
    ),
    "alias_unknown": (
        "listeners: *nowhere\n",
        "f.yaml:1:12: listeners: the alias *nowhere has no anchor before it; a value that begins with * must be in quotes",
    ),
    "alias_inside": ("listeners: &a [*a]\n", "f.yaml:1:16: listeners[0]: the alias *a stands inside of its own anchor"),
    "second_document": (
        "listeners: []\n---\nworkers: 1\n",
        (
            "f.yaml:1:12: listeners: the list is empty; name at least one\n"
            "f.yaml:2:1: a second document begins here; a configuration is one document"
        ),
    ),
    "duplicate_key": (
        "workers: 1\nworkers: 2\nlisteners: [{bind: 127.0.0.1:80, forward: {}}]\n",
        "f.yaml:2:1: workers: the key 'workers' stands twice in this mapping; first on line 1",
    ),
    "complex_key": ("? [a, b]\n: 1\n", "f.yaml:1:3: a key must be text; put keys that begin with [ or { in quotes"),
    "tag": (
        ROOT % "workers: !!python/object:os.system 4",
        "f.yaml:1:10: workers: the tag 'tag:yaml.org,2002:python/object:os.system' means nothing here; leave it out",
    ),
    "control_character": (
        "listeners: \x01\n",
        "f.yaml:1:12: not readable as YAML: a character that may not stand in a text",
    ),
    "merge_scalar": (ROOT % "<<: 5", "f.yaml:1:5: ['<<']: << merges mappings, and this is none; write <<: *anchor"),
    "brackets_unquoted": (
        "listeners: [{bind: [::1]:80, forward: {}}]\n",
        "f.yaml:1:21: not readable as YAML: while parsing a flow node did not find expected node content; a value such as [::1]:80 needs quotes",
    ),
    "unknown_key": (ROOT % "workrs: 2", "f.yaml:1:1: workrs: unknown key 'workrs'; did you mean 'workers'?"),
    "unknown_far": (
        ROOT % "zzz: 2",
        "f.yaml:1:1: zzz: unknown key 'zzz'; known here are workers, listeners, upstreams, egress, places, lists, icap, captures, identities, admin, control, log, resolver, limits, drain",
    ),
    "later_root": (
        ROOT % "cluster: {}",
        "f.yaml:1:1: cluster: the key 'cluster' is not available in this version; remove it",
    ),
    "later_http2": (
        "listeners: [{bind: 127.0.0.1:80, http2: {}}]\n",
        "f.yaml:1:34: listeners[0].http2: the key 'http2' is not available in this version; remove it",
    ),
    "later_cache": (
        ROUTES % "{upstream: web, cache: {rate: 5/s}}",
        "f.yaml:1:59: listeners[0].routes[0].cache: the key 'cache' is not available in this version; remove it",
    ),
    "later_discovery": (
        UPSTREAM % "endpoints: [127.0.0.1:9001], discovery: {dns: a}",
        "f.yaml:3:38: upstreams.web.discovery: unknown key 'discovery'; did you mean 'discover'?",
    ),
    "empty_stream_routes": (
        "listeners: [{bind: 127.0.0.1:80, stream: {routes: []}}]\n",
        "f.yaml:1:51: listeners[0].stream.routes: the list is empty; name at least one, or leave the key out",
    ),
    "other_word": (
        "listeners: [{listen: 127.0.0.1:80, forward: {}}]\n",
        (
            "f.yaml:1:13: listeners[0].bind: is missing; write it like `bind: 127.0.0.1:8080`\n"
            "f.yaml:1:14: listeners[0].listen: unknown key 'listen'; did you mean 'bind'?"
        ),
    ),
    "other_word_headers": (
        ROUTES % "{upstream: web, match: {headers: {A: b}}}",
        "f.yaml:1:67: listeners[0].routes[0].match.headers: unknown key 'headers'; did you mean 'fields'?",
    ),
    "missing_bind": (
        "listeners: [{forward: {}}]\n",
        "f.yaml:1:13: listeners[0].bind: is missing; write it like `bind: 127.0.0.1:8080`",
    ),
    "missing_upstream": (
        "listeners: [{bind: 127.0.0.1:80, stream: {}}]\n",
        "f.yaml:1:42: listeners[0].stream: needs exactly one of upstream or routes; has none of them",
    ),
    "none_of_three": (
        "listeners: [{bind: 127.0.0.1:80}]\n",
        "f.yaml:1:13: listeners[0]: needs exactly one of routes, forward, socks, stream or https; has none of them",
    ),
    "two_of_three": (
        "listeners: [{bind: 127.0.0.1:80, forward: {}, stream: {upstream: web}}]\n",
        "f.yaml:1:55: listeners[0].stream: needs exactly one of routes, forward, socks, stream or https; has forward and stream",
    ),
    "empty_routes": (
        "listeners: [{bind: 127.0.0.1:80, routes: []}]\n",
        "f.yaml:1:42: listeners[0].routes: the list is empty; name at least one",
    ),
    "routes_mapping": (
        "listeners: [{bind: 127.0.0.1:80, routes: {upstream: web}}]\n",
        "f.yaml:1:42: listeners[0].routes: expected a list, found a mapping; write it like [a, b]",
    ),
    "route_text": (
        ROUTES % "web",
        "f.yaml:1:43: listeners[0].routes[0]: expected a mapping, found 'web'; its keys are name, match, upstream, split, respond, redirect, rewrite, request, response, body, timeouts, retry, hedge, mirror, urgent, host, hooks, hook_timeout, icap, capture, client_certificate, identity, allow, deny, limit, maintenance, errors, mask, upgrade",
    ),
    "route_no_action": (
        ROUTES % "{match: {path: /}}",
        "f.yaml:1:43: listeners[0].routes[0]: needs exactly one of upstream, split, respond or redirect; has none of them",
    ),
    "route_two_actions": (
        ROUTES % "{upstream: web, respond: {status: 200}}",
        "f.yaml:1:68: listeners[0].routes[0].respond: needs exactly one of upstream, split, respond or redirect; has upstream and respond",
    ),
    "forward_list": (
        "listeners: [{bind: 127.0.0.1:80, forward: []}]\n",
        "f.yaml:1:43: listeners[0].forward: expected a mapping, found a list; its keys are access, targets, egress, anonymity, scrub, identity, bridge, fronting, limit, socks, transparent, pac, open, hooks, hook_timeout, icap, capture, body, timeouts, request, response",
    ),
    "forward_null": (
        "listeners: [{bind: 127.0.0.1:80, forward: }]\n",
        "f.yaml:1:13: listeners[0]: needs exactly one of routes, forward, socks, stream or https; `forward` has no value",
    ),
    "stream_http_key": (
        "listeners:\n  - bind: 127.0.0.1:80\n    stream: {upstream: web}\n    timeouts: {idle: 5s}\nupstreams: {web: {endpoints: [127.0.0.1:9001]}}\n",
        "f.yaml:4:15: listeners[0].timeouts: `timeouts` has no meaning on a stream listener; set `timeouts` inside `stream`",
    ),
    "forward_forwarded": (
        "listeners:\n  - bind: 127.0.0.1:80\n    forward: {}\n    forwarded: {x_forwarded: false}\n",
        "f.yaml:4:16: listeners[0].forwarded: `forwarded` has no meaning on a forward listener; use `forward.anonymity`",
    ),
    "workers_word": (
        ROOT % "workers: many",
        "f.yaml:1:10: workers: expected auto or a number, found 'many'; write auto or a number such as 4",
    ),
    "workers_zero": (ROOT % "workers: 0", "f.yaml:1:10: workers: 0 is out of range; from 1 to 1024"),
    "workers_quoted": (
        ROOT % "workers: '4'",
        "f.yaml:1:10: workers: expected auto or a number, found '4'; write auto or a number such as 4",
    ),
    "workers_fraction": (ROOT % "workers: 1.5", "f.yaml:1:10: workers: expected a whole number, found 1.5"),
    "workers_true": (ROOT % "workers: true", "f.yaml:1:10: workers: expected a whole number, found true"),
    "duration_bare": (
        ROOT % "drain: {timeout: 30}",
        "f.yaml:1:18: drain.timeout: '30' is not a duration; a duration needs a unit, such as 30s or 30ms",
    ),
    "duration_text": (
        ROOT % "drain: {timeout: soon}",
        "f.yaml:1:18: drain.timeout: 'soon' is not a duration; write it like 5s, 250ms, 1m30s or 24h",
    ),
    "duration_order": (
        ROOT % "drain: {timeout: 30s1m}",
        "f.yaml:1:18: drain.timeout: '30s1m' is not a duration; write larger units before smaller ones, as in 1m30s",
    ),
    "duration_range": (
        ROOT % "drain: {timeout: 48h}",
        "f.yaml:1:18: drain.timeout: '48h' is out of range; from 0s to 24h",
    ),
    "duration_list": (
        ROOT % "drain: {timeout: [5s]}",
        "f.yaml:1:18: drain.timeout: expected a duration, found a list; write it like 5s, 250ms, 1m30s or 24h",
    ),
    "duration_negative": (
        ROOT % "drain: {timeout: -5s}",
        "f.yaml:1:18: drain.timeout: '-5s' is not a duration; write it like 5s, 250ms, 1m30s or 24h",
    ),
    "size_unit": (
        LISTENER % "head: {line: 8k}",
        "f.yaml:4:18: listeners[0].head.line: '8k' is not a size; did you mean 8KiB?",
    ),
    "size_range": (
        LISTENER % "head: {line: 1MiB}",
        "f.yaml:4:18: listeners[0].head.line: '1MiB' is out of range; from 256B to 16KiB",
    ),
    "size_fraction": (
        LISTENER % "head: {line: 300.3B}",
        "f.yaml:4:18: listeners[0].head.line: '300.3B' is not a whole number of bytes",
    ),
    "size_word": (
        LISTENER % "head: {line: large}",
        "f.yaml:4:18: listeners[0].head.line: 'large' is not a size; write it like 500B, 64KiB or 16MiB",
    ),
    "flag_yes": (
        LISTENER % "head: {underscores: yes}",
        "f.yaml:4:25: listeners[0].head.underscores: expected true or false, found 'yes'; write true",
    ),
    "flag_quoted": (
        LISTENER % "head: {underscores: 'false'}",
        "f.yaml:4:25: listeners[0].head.underscores: expected true or false, found 'false'; write false, without quotes",
    ),
    "flag_number": (
        LISTENER % "head: {underscores: 1}",
        "f.yaml:4:25: listeners[0].head.underscores: expected true or false, found 1; write true or false",
    ),
    "choice_near": (
        UPSTREAM % "endpoints: [127.0.0.1:9001], balance: round-robin",
        "f.yaml:3:47: upstreams.web.balance: 'round-robin' is not known here; did you mean 'round_robin'?",
    ),
    "choice_far": (
        ROOT % "log: {level: loud}",
        "f.yaml:1:14: log.level: 'loud' is not known here; use debug, info, warning or error",
    ),
    "none_word": (
        ROOT % "limits: {connections: none}",
        "f.yaml:1:23: limits.connections: expected a whole number, found 'none'",
    ),
    "bind_port_only": (
        BIND % "8080",
        "f.yaml:1:20: listeners[0].bind: 8080 is not an address; write host:port, such as 127.0.0.1:8080",
    ),
    "bind_colon_port": (
        BIND % "':8080'",
        "f.yaml:1:20: listeners[0].bind: ':8080' has no host; write 127.0.0.1:8080, or 0.0.0.0 for all addresses",
    ),
    "bind_star": (
        BIND % "'*:8080'",
        "f.yaml:1:20: listeners[0].bind: '*:8080' has no host; write 127.0.0.1:8080, or 0.0.0.0 for all addresses",
    ),
    "bind_no_port": (
        BIND % "127.0.0.1",
        "f.yaml:1:20: listeners[0].bind: '127.0.0.1' has no port; write host:port, such as 127.0.0.1:8080",
    ),
    "bind_url": (
        BIND % "http://127.0.0.1:80",
        "f.yaml:1:20: listeners[0].bind: 'http://127.0.0.1:80' is a URL, not an address; did you mean 127.0.0.1:80?",
    ),
    "bind_v6": (
        BIND % "'::1:8080'",
        "f.yaml:1:20: listeners[0].bind: '::1:8080' is not an address; put an IPv6 address in brackets: [::1]:8080",
    ),
    "bind_v6_bare": (
        BIND % "'fe80::1:2:3:4:5'",
        "f.yaml:1:20: listeners[0].bind: 'fe80::1:2:3:4:5' is not an address; put an IPv6 address in brackets: [fe80::1:2:3:4:5]:8080",
    ),
    "bind_range": (
        BIND % "127.0.0.1:99999",
        "f.yaml:1:20: listeners[0].bind: port 99999 of '127.0.0.1:99999' is out of range; ports are 0 to 65535",
    ),
    "bind_word_port": (
        BIND % "127.0.0.1:http",
        "f.yaml:1:20: listeners[0].bind: 'http' of '127.0.0.1:http' is not a port; ports are numbers, 1 to 65535",
    ),
    "bind_relative_socket": (
        BIND % "unix:limen.sock",
        "f.yaml:1:20: listeners[0].bind: the socket path of 'unix:limen.sock' is not absolute; write unix:/path",
    ),
    "bind_bad_v4": (
        BIND % "127.0.0.256:80",
        "f.yaml:1:20: listeners[0].bind: '127.0.0.256:80' is not an IPv4 address; write four numbers, such as 192.0.2.1",
    ),
    "bind_bad_name": (
        BIND % "'my host:80'",
        "f.yaml:1:20: listeners[0].bind: 'my host:80' is not a host name; write a name such as www.example.com, or an IP address",
    ),
    "endpoint_url": (
        UPSTREAM % "endpoints: ['http://127.0.0.1:9001']",
        "f.yaml:3:21: upstreams.web.endpoints[0]: 'http://127.0.0.1:9001' is a URL, not an address; did you mean 127.0.0.1:9001?",
    ),
    "endpoint_unix": (
        UPSTREAM % "endpoints: ['unix:/run/web.sock']",
        "f.yaml:3:21: upstreams.web.endpoints[0]: an endpoint on a Unix socket is not available in this version; write host:port",
    ),
    "endpoint_wildcard": (
        UPSTREAM % "endpoints: [0.0.0.0:9001]",
        "f.yaml:3:21: upstreams.web.endpoints[0]: '0.0.0.0:9001' cannot be dialled; did you mean 127.0.0.1:9001?",
    ),
    "endpoint_twice": (
        UPSTREAM % "endpoints: [127.0.0.1:9001, 127.0.0.1:9001]",
        "f.yaml:3:37: upstreams.web.endpoints[1]: the endpoint 127.0.0.1:9001 stands twice; give it a `weight` instead",
    ),
    "endpoint_weight": (
        UPSTREAM % "endpoints: [{address: 127.0.0.1:9001, weight: 0}]",
        "f.yaml:3:55: upstreams.web.endpoints[0].weight: 0 is out of range; from 1 to 65535",
    ),
    "endpoints_text": (
        UPSTREAM % "endpoints: 127.0.0.1:9001",
        "f.yaml:3:20: upstreams.web.endpoints: expected a list, found '127.0.0.1:9001'; write it like [127.0.0.1:9001]",
    ),
    "endpoints_empty": (
        UPSTREAM % "endpoints: []",
        "f.yaml:3:20: upstreams.web.endpoints: the list is empty; name at least one",
    ),
    "network_host_bits": (
        RULE % "allow: {clients: [10.0.0.1/8]}",
        "f.yaml:5:29: listeners[0].forward.access[0].allow.clients[0]: '10.0.0.1/8' has host bits set; did you mean 10.0.0.0/8?",
    ),
    "network_word": (
        RULE % "allow: {clients: [office]}",
        "f.yaml:5:29: listeners[0].forward.access[0].allow.clients[0]: 'office' is not a network; write it like 10.0.0.0/8, 2001:db8::/32 or 192.0.2.1",
    ),
    "ports_reversed": (
        RULE % 'allow: {ports: ["9000-8000"]}',
        "f.yaml:5:27: listeners[0].forward.access[0].allow.ports[0]: '9000-8000' ends before it begins; did you mean \"8000-9000\"?",
    ),
    "ports_range": (
        RULE % "allow: {ports: [0]}",
        "f.yaml:5:27: listeners[0].forward.access[0].allow.ports[0]: '0' is out of range; ports are 1 to 65535",
    ),
    "sealed_servers": (
        ROOT % "resolver: {tls: {name: dns.example.com}}",
        "f.yaml:1:17: resolver.tls: `tls` needs `servers`: those of the system are not known to have a name; name them, such as `servers: [tls://9.9.9.9#dns.quad9.net]`",
    ),
    "server_name": (
        ROOT % "resolver: {servers: [dns.example.com]}",
        "f.yaml:1:22: resolver.servers[0]: 'dns.example.com' is not the address of a name server; write an IP address, such as 192.0.2.53, tls://192.0.2.53#dns.example.com or https://dns.example.com/dns-query",
    ),
    "server_scheme": (
        ROOT % "resolver: {servers: ['quic://192.0.2.53']}",
        "f.yaml:1:22: resolver.servers[0]: a name server cannot be asked by 'quic'; tls, https, or an IP address alone",
    ),
    "server_named_twice": (
        ROOT % "resolver: {servers: ['tls://dns.example.com#other.example.com']}",
        "f.yaml:1:22: resolver.servers[0]: 'tls://dns.example.com#other.example.com' names the server twice; keep it, or name its address: tls://192.0.2.53#other.example.com",
    ),
    "server_path": (
        ROOT % "resolver: {servers: ['tls://192.0.2.53/dns-query']}",
        "f.yaml:1:22: resolver.servers[0]: a server that is asked over TLS has no path, such as '/dns-query'; https:// has one",
    ),
    "server_in_the_clear": (
        ROOT % "resolver: {servers: ['tls://192.0.2.53', 192.0.2.54]}",
        "f.yaml:1:42: resolver.servers[1]: 192.0.2.54 would be asked in the clear; write tls://192.0.2.54#NAME, or leave it out",
    ),
    "server_tls_without_name": (
        ROOT % "resolver: {servers: [192.0.2.54], tls: {idle: 5s}}",
        "f.yaml:1:22: resolver.servers[0]: 192.0.2.54 would be asked in the clear; write tls://192.0.2.54#NAME, or leave it out",
    ),
    "server_name_of_nobody": (
        ROOT % "resolver: {servers: ['tls://192.0.2.53'], tls: {name: dns.example.com}}",
        "f.yaml:1:55: resolver.tls.name: no server is without a name of its own; take it out",
    ),
    "server_nowhere": (
        ROOT % "resolver: {servers: ['https://dns.example.com/x']}",
        "f.yaml:1:22: resolver.servers[0]: nobody says where dns.example.com is; write `bootstrap: {dns.example.com: ADDRESS}`, or the address in the URL and #dns.example.com at its end",
    ),
    "bootstrap_of_nobody": (
        ROOT % "resolver: {servers: ['tls://192.0.2.53'], bootstrap: {dns.example.com: 192.0.2.53}}",
        "f.yaml:1:72: resolver.bootstrap['dns.example.com']: none of `servers` has this name; take it out",
    ),
    "bootstrap_by_name": (
        ROOT % "resolver: {servers: ['tls://dns.example.com'], bootstrap: {dns.example.com: dns.example.net}}",
        "f.yaml:1:77: resolver.bootstrap['dns.example.com']: 'dns.example.net' is not an IP address; write it like 192.0.2.1 or 2001:db8::1",
    ),
    "host_port": (
        ROUTES % "{upstream: web, match: {host: 'a.example.com:80'}}",
        "f.yaml:1:73: listeners[0].routes[0].match.host: 'a.example.com:80' holds a port; hosts are matched without the port",
    ),
    "host_url": (
        ROUTES % "{upstream: web, match: {host: 'http://a.example.com'}}",
        "f.yaml:1:73: listeners[0].routes[0].match.host: 'http://a.example.com' is not a host; write only the name, such as www.example.com",
    ),
    "host_star_inside": (
        ROUTES % "{upstream: web, match: {host: 'a.*.com'}}",
        "f.yaml:1:73: listeners[0].routes[0].match.host: 'a.*.com' is not a host; a star may only stand first, as in *.example.com",
    ),
    "host_star": (
        ROUTES % "{upstream: web, match: {host: '*'}}",
        "f.yaml:1:73: listeners[0].routes[0].match.host: '*' is not a host; leave out `host` to match every host",
    ),
    "path_relative": (
        ROUTES % "{upstream: web, match: {path: v1}}",
        "f.yaml:1:73: listeners[0].routes[0].match.path: 'v1' is not a path; did you mean '/v1'?",
    ),
    "path_query": (
        ROUTES % "{upstream: web, match: {path: '/a?b=c'}}",
        "f.yaml:1:73: listeners[0].routes[0].match.path: the path '/a?b=c' holds a ?; match the query with `query`",
    ),
    "path_two": (
        ROUTES % "{upstream: web, match: {path: {prefix: /a, exact: /b}}}",
        "f.yaml:1:93: listeners[0].routes[0].match.path.exact: needs exactly one of prefix, exact, pattern or regex; has prefix and exact",
    ),
    "path_list": (
        ROUTES % "{upstream: web, match: {path: [/a, /b]}}",
        "f.yaml:1:73: listeners[0].routes[0].match.path: expected a mapping, found a list; its keys are prefix, exact, pattern, regex",
    ),
    "regex": (
        ROUTES % "{upstream: web, match: {path: {regex: '/(a'}}}",
        "f.yaml:1:81: listeners[0].routes[0].match.path.regex: '/(a' is not a regular expression: missing ), unterminated subpattern at position 1",
    ),
    "method_case": (
        ROUTES % "{upstream: web, match: {method: get}}",
        "f.yaml:1:75: listeners[0].routes[0].match.method: 'get' is not a method; methods are case-sensitive; did you mean GET?",
    ),
    "method_bad": (
        ROUTES % "{upstream: web, match: {method: [GET, 'A B']}}",
        "f.yaml:1:81: listeners[0].routes[0].match.method[1]: 'A B' is not a method; letters, digits and !#$%&'*+-.^_`|~ only",
    ),
    "field_framing": (
        ROUTES % "{upstream: web, request: {set: {Content-Length: '5'}}}",
        "f.yaml:1:75: listeners[0].routes[0].request.set.Content-Length: the field Content-Length may not be changed; the framing of a message is not configurable",
    ),
    "field_host": (
        ROUTES % "{upstream: web, request: {set: {Host: a.example.com}}}",
        "f.yaml:1:75: listeners[0].routes[0].request.set.Host: the field Host may not be changed; use the key `host` of the route",
    ),
    "field_hop": (
        ROUTES % "{upstream: web, response: {remove: [Connection]}}",
        "f.yaml:1:79: listeners[0].routes[0].response.remove[0]: the field Connection may not be changed; Limen writes it as each connection needs",
    ),
    "field_name": (
        ROUTES % "{upstream: web, request: {set: {'X Y': a}}}",
        "f.yaml:1:75: listeners[0].routes[0].request.set['X Y']: 'X Y' is not a field name; letters, digits and !#$%&'*+-.^_`|~ only",
    ),
    "field_value": (
        ROUTES % '{upstream: web, request: {set: {X-Y: "a\\r\\nb"}}}',
        "f.yaml:1:80: listeners[0].routes[0].request.set.X-Y: a field value holds a line break or another control character; it must be one line of text",
    ),
    "field_space": (
        ROUTES % '{upstream: web, request: {set: {X-Y: " a"}}}',
        "f.yaml:1:80: listeners[0].routes[0].request.set.X-Y: the field value ' a' begins or ends with a space",
    ),
    "field_twice": (
        ROUTES % "{upstream: web, request: {set: {X-Y: a, x-y: b}}}",
        "f.yaml:1:88: listeners[0].routes[0].request.set.x-y: the field x-y stands twice (as X-Y before); names are equal in any case",
    ),
    "field_flag": (
        ROUTES % "{upstream: web, request: {set: {X-Y: true}}}",
        'f.yaml:1:80: listeners[0].routes[0].request.set.X-Y: expected a field value, found true; put it in quotes: "true"',
    ),
    "status": (
        ROUTES % "{respond: {status: 99}}",
        "f.yaml:1:62: listeners[0].routes[0].respond.status: 99 is not a status that may stand here; from 200 to 599",
    ),
    "status_body": (
        ROUTES % "{respond: {status: 204, body: hello}}",
        "f.yaml:1:73: listeners[0].routes[0].respond.body: a response of status 204 has no body; leave `body` out",
    ),
    "content_type": (
        ROUTES % "{respond: {fields: {Content-Type: text/html}}}",
        "f.yaml:1:62: listeners[0].routes[0].respond.fields: Content-Type stands among the fields; use the key `content_type`",
    ),
    "redirect_status": (
        ROUTES % "{redirect: {to: /, status: 200}}",
        "f.yaml:1:70: listeners[0].routes[0].redirect.status: 200 is not a redirect status; use 301, 302, 303, 307 or 308",
    ),
    "redirect_placeholder": (
        ROUTES % "{redirect: {to: 'https://{hst}/'}}",
        "f.yaml:1:59: listeners[0].routes[0].redirect.to: unknown placeholder '{hst}'; known are {host}, {hostname}, {path} and {query}",
    ),
    "redirect_target": (
        ROUTES % "{redirect: {to: example.com}}",
        "f.yaml:1:59: listeners[0].routes[0].redirect.to: 'example.com' is not a redirect target; write a URL such as https://{host}{path}, or a path",
    ),
    "rewrite_group": (
        ROUTES % "{upstream: web, rewrite: {replace: {pattern: a, with: '\\1'}}}",
        "f.yaml:1:97: listeners[0].routes[0].rewrite.replace.with: the replacement does not fit the pattern: invalid group reference 1 at position 1",
    ),
    "hook": (
        ROUTES % "{upstream: web, hooks: [myrules]}",
        "f.yaml:1:67: listeners[0].routes[0].hooks[0]: 'myrules' is not a hook; write module:function, such as myrules:add_tenant",
    ),
    "retry_memory": (
        ROUTES % "{upstream: web, retry: {memory: 2MiB, max: 1MiB}}",
        "f.yaml:1:75: listeners[0].routes[0].retry.memory: `memory` is larger than `max`; memory is the first part of max",
    ),
    "name": (
        ROUTES % "{upstream: web, name: 'my route'}",
        "f.yaml:1:65: listeners[0].routes[0].name: 'my route' is not a name; up to 128 visible ASCII characters, without spaces and quotes",
    ),
    "rule_both": (
        RULE % "{allow: {}, deny: {}}",
        "f.yaml:5:29: listeners[0].forward.access[0].deny: needs exactly one of allow or deny; has allow and deny",
    ),
    "rule_neither": (
        RULE % "name: x",
        "f.yaml:5:11: listeners[0].forward.access[0]: needs exactly one of allow or deny; has none of them",
    ),
    "rule_empty_list": (
        RULE % "allow: {clients: []}",
        "f.yaml:5:28: listeners[0].forward.access[0].allow.clients: the list is empty; name at least one, or leave the key out",
    ),
    "rule_redirect_host": (
        RULE % "{allow: {}, redirect: 'https://safe.example/'}",
        "f.yaml:5:33: listeners[0].forward.access[0].redirect: with `allow` it is a host; write the name alone, or `deny` to answer",
    ),
    "rule_redirect_url": (
        RULE % "{deny: {}, redirect: safe.example}",
        "f.yaml:5:32: listeners[0].forward.access[0].redirect: 'safe.example' is not a redirect target; write a URL such as https://{host}{path}, or a path",
    ),
    "rule_redirect_address": (
        RULE % "{allow: {addresses: 10.0.0.0/8}, redirect: safe.example}",
        "f.yaml:5:54: listeners[0].forward.access[0].redirect: another host is dialled, so the target has no address; leave `redirect` out, or the condition on the address",
    ),
    "rule_limit_denied": (
        RULE % "{deny: {}, limit: {rate: 1/s}}",
        "f.yaml:5:29: listeners[0].forward.access[0].limit: a rule that denies has nothing to limit; use it with `allow`",
    ),
    "rule_dry_redirect": (
        RULE % "{deny: {}, dry_run: true, redirect: 'https://a.example/'}",
        "f.yaml:5:47: listeners[0].forward.access[0].redirect: a rule with `dry_run` does nothing; leave out `redirect` until it is in force",
    ),
    "rule_response_allowed": (
        RULE % "{allow: {response: {size: {over: 1MiB}}}}",
        "f.yaml:5:19: listeners[0].forward.access[0].allow: the request has passed when the response is there; use it with `deny`",
    ),
    "rule_response_address": (
        RULE % "{deny: {response: {size: {over: 1MiB}}, addresses: 10.0.0.0/8}}",
        "f.yaml:5:18: listeners[0].forward.access[0].deny: a rule on the response has no condition on addresses; put the condition on the address into a rule before",
    ),
    "rule_response_empty": (
        RULE % "{deny: {response: {}}}",
        "f.yaml:5:29: listeners[0].forward.access[0].deny.response: nothing is asked of the response; write `content_types` or `size`",
    ),
    "rule_size_empty": (
        RULE % "{deny: {size: {}}}",
        "f.yaml:5:25: listeners[0].forward.access[0].deny.size: no size is given; write `over` or `upto`",
    ),
    "rule_size_order": (
        RULE % "{deny: {size: {over: 2MiB, upto: 1MiB}}}",
        "f.yaml:5:44: listeners[0].forward.access[0].deny.size.upto: no size is over the one and up to the other; write the smaller one at `over`",
    ),
    "rule_type": (
        RULE % "{deny: {content_types: image}}",
        "f.yaml:5:34: listeners[0].forward.access[0].deny.content_types: 'image' is not a content type; write it like application/json, or image/*",
    ),
    "rule_scheme": (
        RULE % "{deny: {schemes: htps}}",
        "f.yaml:5:28: listeners[0].forward.access[0].deny.schemes: 'htps' is not known here; did you mean 'https'?",
    ),
    "rule_suffix_alone": (
        RULE % "{deny: {hosts: '.<suffix>'}}",
        "f.yaml:5:26: listeners[0].forward.access[0].deny.hosts: '.<suffix>' is not a host pattern; a name stands before `.<suffix>`, without wildcards",
    ),
    "rule_suffix_glob": (
        RULE % "{deny: {hosts: 'a*.b.<suffix>'}}",
        "f.yaml:5:26: listeners[0].forward.access[0].deny.hosts: 'a*.b.<suffix>' is not a host pattern; a name stands before `.<suffix>`, without wildcards",
    ),
    "list_neither": (
        LIST % "{format: domains}",
        "f.yaml:3:6: lists.a: needs exactly one of file or url; has none of them",
    ),
    "list_both": (
        LIST % "{file: a.txt, url: 'https://a.example/'}",
        "f.yaml:3:25: lists.a.url: needs exactly one of file or url; has file and url",
    ),
    "list_format": (
        LIST % "{file: a.txt, format: domain}",
        "f.yaml:3:28: lists.a.format: 'domain' is not known here; did you mean 'domains'?",
    ),
    "list_refresh": (
        LIST % "{file: a.txt, refresh: 1h}",
        "f.yaml:3:29: lists.a.refresh: is of lists that are fetched, and this one is a file; leave it out",
    ),
    "list_categories": (
        LIST % "{file: a.txt, format: domains, categories: [a]}",
        "f.yaml:3:49: lists.a.categories: lists of the format domains have no categories; leave it out",
    ),
    "list_below": (
        LIST % "{file: a.txt, format: adblock, below: true}",
        "f.yaml:3:44: lists.a.below: has no meaning in the format adblock; leave it out",
    ),
    "list_digest": (
        LIST % "{file: a.txt, sha256: abc}",
        "f.yaml:3:28: lists.a.sha256: 'abc' is not a SHA-256 digest; write its 64 hexadecimal digits",
    ),
    "list_url": (
        LIST % "{url: 'ftp://a.example/x'}",
        "f.yaml:3:12: lists.a.url: 'ftp://a.example/x' is not a URL; write https://host/path",
    ),
    "rule_word": (
        RULE % "allow: all",
        "f.yaml:5:18: listeners[0].forward.access[0].allow: expected a mapping, found 'all'; its keys are clients, client_lists, users, groups, hosts, addresses, address_lists, target, host_lists, ports, methods, schemes, path, content_types, size, response, country, continent, asn, region, times",
    ),
    "target_host_port": (
        RULE % "allow: {hosts: ['a.example.com:443']}",
        "f.yaml:5:27: listeners[0].forward.access[0].allow.hosts[0]: 'a.example.com:443' holds a port; use `ports` for the port",
    ),
    "time_clock": (
        RULE % "allow: {times: [{from: 25:00}]}",
        "f.yaml:5:34: listeners[0].forward.access[0].allow.times[0].from: '25:00' is not a time of day; write it like 08:00; 24:00 is the end of the day",
    ),
    "time_zone": (
        RULE % "allow: {times: [{zone: Mars/Base}]}",
        "f.yaml:5:34: listeners[0].forward.access[0].allow.times[0].zone: 'Mars/Base' is not a time zone; write it like Europe/Paris, or UTC",
    ),
    "time_day": (
        RULE % "allow: {times: [{days: [monday]}]}",
        "f.yaml:5:35: listeners[0].forward.access[0].allow.times[0].days[0]: 'monday' is not known here; did you mean 'mon'?",
    ),
    "time_empty": (
        RULE % "allow: {times: [{from: '08:00', to: '08:00'}]}",
        "f.yaml:5:47: listeners[0].forward.access[0].allow.times[0].to: the span is empty; leave out `from` and `to` for the whole day",
    ),
    "anonymity": (
        FORWARD % "anonymity: high",
        "f.yaml:1:55: listeners[0].forward.anonymity: 'high' is not known here; use transparent, anonymous or elite",
    ),
    "ttl_order": (
        ROOT % "resolver: {min_ttl: 2h}",
        "f.yaml:1:21: resolver.min_ttl: `min_ttl` is larger than `max_ttl`",
    ),
    "variable_missing": (
        ROUTES % "{upstream: web, request: {set: {X: '${LIMEN_TEST_MISSING}'}}}",
        "f.yaml:1:78: listeners[0].routes[0].request.set.X: the environment variable LIMEN_TEST_MISSING is not set; set it, or write $${LIMEN_TEST_MISSING} literally",
    ),
    "variable_name": (
        ROUTES % "{upstream: web, request: {set: {X: '${1}'}}}",
        "f.yaml:1:78: listeners[0].routes[0].request.set.X: '${1}' names no environment variable; write ${NAME}, or $${ for a literal ${",
    ),
    "variable_open": (
        ROUTES % "{upstream: web, request: {set: {X: '${HOME'}}}",
        "f.yaml:1:78: listeners[0].routes[0].request.set.X: '${HOME' names no environment variable; write ${NAME}, or $${ for a literal ${",
    ),
    "file_missing": (
        ROUTES % "{upstream: web, request: {set: {X: {file: /nowhere/secret}}}}",
        "f.yaml:1:85: listeners[0].routes[0].request.set.X.file: cannot read the file '/nowhere/secret': no such file or directory",
    ),
    "upstream_near": (
        ROUTES % "{upstream: wbe}",
        "f.yaml:1:54: listeners[0].routes[0].upstream: unknown upstream 'wbe'; did you mean 'web'?",
    ),
    "upstream_far": (
        ROUTES % "{upstream: zzzzz}",
        "f.yaml:1:54: listeners[0].routes[0].upstream: unknown upstream 'zzzzz'; defined: web",
    ),
    "upstream_none": (
        "listeners: [{bind: 127.0.0.1:80, routes: [{upstream: web}]}]\n",
        "f.yaml:1:54: listeners[0].routes[0].upstream: unknown upstream 'web'; there are no `upstreams`",
    ),
    "bind_twice": (
        "listeners:\n  - {bind: 127.0.0.1:80, forward: {}}\n  - {bind: 127.0.0.1:80, forward: {}}\n",
        "f.yaml:3:12: listeners[1].bind: 127.0.0.1:80 is bound twice; also by listeners[0]",
    ),
    "admin_twice": (
        "listeners:\n  - {bind: 127.0.0.1:80, forward: {}}\nadmin: {bind: 127.0.0.1:80}\n",
        "f.yaml:3:15: admin.bind: 127.0.0.1:80 is bound twice; also by listeners[0]",
    ),
    "name_twice": (
        "listeners:\n  - {bind: 127.0.0.1:80, name: a, forward: {}}\n  - {bind: 127.0.0.1:81, name: a, forward: {}}\n",
        "f.yaml:3:32: listeners[1].name: the listener name 'a' is taken; names must differ",
    ),
    "route_name_twice": (
        ROUTES % "{name: a, match: {path: /a}, upstream: web}, {name: a, upstream: web}",
        "f.yaml:1:95: listeners[0].routes[1].name: the route name 'a' is taken; names must differ",
    ),
    "loop": (
        "listeners: [{bind: 127.0.0.1:80, routes: [{upstream: web}]}]\nupstreams: {web: {endpoints: [127.0.0.1:80]}}\n",
        "f.yaml:2:31: upstreams.web.endpoints[0]: 127.0.0.1:80 is the own listener listeners[0]: a loop; name the origin's address",
    ),
    "loop_wildcard": (
        "listeners: [{bind: 0.0.0.0:80, routes: [{upstream: web}]}]\nupstreams: {web: {endpoints: [localhost:80]}}\n",
        "f.yaml:2:31: upstreams.web.endpoints[0]: localhost:80 is the own listener listeners[0]: a loop; name the origin's address",
    ),
    "loop_of_two": (
        "listeners:\n  - {bind: 127.0.0.1:80, routes: [{upstream: a}]}\n  - {bind: 127.0.0.1:81, stream: {upstream: b}}\nupstreams:\n  a: {endpoints: [127.0.0.1:81]}\n  b: {endpoints: [127.0.0.1:80]}\n",
        (
            "f.yaml:5:19: upstreams.a.endpoints[0]: 127.0.0.1:81 is the own listener listeners[1]: a loop; name the origin's address\n"
            "f.yaml:6:19: upstreams.b.endpoints[0]: 127.0.0.1:80 is the own listener listeners[0]: a loop; name the origin's address"
        ),
    ),
    "open_proxy": (
        "listeners:\n  - bind: 0.0.0.0:3128\n    forward:\n      access:\n        - allow: {clients: [10.0.0.0/8]}\n        - allow: {ports: [443]}\n",
        "f.yaml:6:11: listeners[0].forward.access[1]: an open proxy: on 0.0.0.0:3128 this rule allows clients beyond private addresses; name their networks in `clients`, or say `open: true` in `forward`",
    ),
    "open_proxy_public_client": (
        "listeners:\n  - bind: '[::]:3128'\n    forward:\n      access: [{allow: {clients: 203.0.113.0/24}}]\n",
        "f.yaml:4:16: listeners[0].forward.access[0]: an open proxy: on [::]:3128 this rule allows clients beyond private addresses; name their networks in `clients`, or say `open: true` in `forward`",
    ),
    "log_directory": (
        ROOT % "log: {access: /nowhere/at/all/access.log}",
        "f.yaml:1:15: log.access: the directory '/nowhere/at/all' does not exist; make it, or change the path",
    ),
    "several": (
        "workrs: 2\nlisteners:\n  - bind: 8080\n    routes:\n      - upstream: web\n        retry: {attempts: many}\n",
        (
            "f.yaml:1:1: workrs: unknown key 'workrs'; did you mean 'workers'?\n"
            "f.yaml:3:11: listeners[0].bind: 8080 is not an address; write host:port, such as 127.0.0.1:8080\n"
            "f.yaml:6:27: listeners[0].routes[0].retry.attempts: expected a whole number, found 'many'"
        ),
    ),
}


@pytest.mark.parametrize(("text", "message"), CASES.values(), ids=CASES)
def test_message(text, message, monkeypatch):
    monkeypatch.delenv("LIMEN_TEST_MISSING", raising=False)
    with pytest.raises(ConfigErrors) as caught:
        loads(text, "f.yaml")
    assert str(caught.value) == message
