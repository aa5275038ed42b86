"""revision.py: digests by content."""

import dataclasses

import pytest

from limen.config import loads
from limen.config.revision import Revision, digest_of

TEXT = "listeners: [{bind: 127.0.0.1:80, routes: [{upstream: web}, {respond: {}}]}]\nupstreams: {web: {endpoints: [127.0.0.1:90]}}\n"


def test_digests_are_equal_for_equal_content():
    same = """
    # the same, written differently
    upstreams: {web: {endpoints: [{address: "127.0.0.1:90", weight: 1}]}}
    drain: {timeout: 30000ms}
    listeners: [{routes: [{upstream: web, body: {max: 16384KiB}}, {respond: {status: 200}}], bind: "127.0.0.1:80"}]
    """
    assert digest_of(loads(TEXT)) == digest_of(loads(same))


@pytest.mark.parametrize(
    ("old", "new"),
    [("127.0.0.1:90", "127.0.0.1:91"), ("{upstream: web}, {respond: {}}", "{respond: {}}, {upstream: web}")],
)
def test_digests_differ_for_other_content(old, new):
    assert digest_of(loads(TEXT)) != digest_of(loads(TEXT.replace(old, new)))


def test_revisions_are_frozen_and_keep_their_source():
    revision = Revision.of(3, loads(TEXT), TEXT)
    assert (revision.number, revision.digest, revision.source) == (3, digest_of(loads(TEXT)), TEXT)
    assert TEXT not in repr(revision)
    with pytest.raises(dataclasses.FrozenInstanceError):
        revision.number = 4
