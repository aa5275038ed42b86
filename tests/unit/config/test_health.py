"""Probes and outliers in the file: spellings, defaults, refusals."""

import pytest

from limen.config import reads
from limen.config.statuses import Statuses
from limen.errors import ConfigErrors

TEXT = """\
listeners: [{bind: 127.0.0.1:80, routes: [{upstream: web}]}]
upstreams:
  web:
    endpoints: [127.0.0.1:9001, 127.0.0.1:9002]
    %s
"""


def upstream(keys):
    return reads(TEXT % keys, "f.yaml").config.upstreams["web"]


def test_a_path_alone_is_a_probe():
    probe = upstream("probe: /healthz?full=1").probe
    assert (probe.type, probe.path, probe.interval, probe.rise, probe.fall) == ("http", "/healthz?full=1", 5.0, 2, 3)
    assert probe.status == (Statuses(200, 399),)
    assert 204 in probe.status[0]
    assert 404 not in probe.status[0]


def test_values():
    probe = upstream(
        'probe: {status: [200-299, 304, "401"], body: ready, fields: {X-A: true, X-B: "1", X-C: false}}'
    ).probe
    assert [str(one) for one in probe.status] == ["200-299", "304", "401"]
    assert probe.body.contains == "ready"
    assert probe.fields == {"X-A": True, "X-B": "1", "X-C": False}
    assert upstream("probe: {status: 204, body: {pattern: ^ok}}").probe.body.pattern == "^ok"


def test_outliers():
    assert upstream("").outlier is None
    assert upstream("outlier: false").outlier is None
    outlier = upstream("outlier: true").outlier
    assert (outlier.consecutive, outlier.error_rate, outlier.slow) == (5, None, None)
    assert outlier.failures == (Statuses(502, 504),)
    assert (outlier.ejection.base, outlier.ejection.most, outlier.ejection.share) == (30.0, 300.0, 0.5)
    outlier = upstream("outlier: {consecutive: 0, error_rate: true, slow: {times: 5}, failures: []}").outlier
    assert (outlier.error_rate.above, outlier.slow.times, outlier.failures) == (0.5, 5.0, ())
    assert upstream("").panic_below == 0.5


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("probe: healthz", "did you mean '/healthz'?"),
        ("probe: /a b", "holds a space"),
        ("probe: /a?b c", "holds a space, a # or a control character"),
        ("probe: {type: udp}", "probe.type: "),
        ("probe: {type: tcp, path: /a}", "probe.path: a `tcp` probe has no `path`"),
        ("probe: {type: tls, status: 204}", "probe.status: a `tls` probe has no `status`"),
        ("probe: {type: tls, plain: true}", "cannot be `plain`"),
        ("probe: {method: HEAD, body: ok}", "has no content to look at"),
        ("probe: {method: CONNECT}", "use GET"),
        ("probe: {status: 600}", "is not a status or a range"),
        ("probe: {status: 299-200}", "did you mean 200-299?"),
        ("probe: {body: {}}", "`body` expects nothing"),
        ("probe: {body: {pattern: '['}}", "is not a regular expression"),
        ("probe: {interval: 5}", "duration"),
        ("probe: {jitter: 2}", "from 0 to 0.5"),
        ("probe: {fall: 0}", "from 1 to 100"),
        ("outlier: {consecutive: 0}", "nothing can eject"),
        ("outlier: {ejection: {base: 10m}}", "outlier.ejection: `most` is shorter than `base`"),
        ("outlier: {slow: {times: 1}}", "from 1.5 to 1000"),
        ("outlier: 5", "expected true or false or a mapping"),
        ("panic_below: 50", "from 0 to 1"),
        ("max_requests: 0", "from 1 to"),
        ("health_check: /a", "did you mean 'probe'?"),
    ],
)
def test_refusals(keys, message):
    with pytest.raises(ConfigErrors, match=r"f\.yaml:5:") as caught:
        upstream(keys)
    assert message in str(caught.value)
