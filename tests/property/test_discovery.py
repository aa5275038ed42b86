"""Lists of endpoints, merged and sent as changes: whatever comes, in whatever order."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from limen.config import loads
from limen.config.listing import Listing
from limen.config.models.upstreams import Endpoint
from limen.errors import ConfigErrors
from limen.runtime.changes import apply_change, encode_change, is_change
from limen.runtime.discovered import encode_list, filled, merged
from limen.runtime.estate import abandon, changed, establish
from limen.runtime.names import endpoint_name


def endpoint(host, weight):
    return Endpoint.model_validate({"address": f"10.0.0.{host}:80", "weight": weight})


ENDPOINTS = st.lists(st.builds(endpoint, st.integers(1, 12), st.integers(1, 3)), max_size=14)
UNIQUE = ENDPOINTS.map(lambda found: tuple({one.address: one for one in found}.values()))
CONFIG = loads(
    "listeners: [{bind: '127.0.0.1:0', routes: [{upstream: a}, {upstream: b, match: {path: /b}}]}]\n"
    "upstreams: {a: {discover: {dns: 'a:1'}}, b: {endpoints: ['10.0.0.1:80'], discover: {dns: 'b:1'}}}\n"
)


@given(UNIQUE, ENDPOINTS, st.booleans(), st.randoms())
def test_a_merge_has_every_address_once_and_written_ones_first(written, discovered, ordered, random):
    found = merged(written, discovered, ordered=ordered)
    assert found[: len(written)] == written
    addresses = [one.address for one in found]
    assert len(set(addresses)) == len(addresses)
    assert set(addresses) == {one.address for one in (*written, *discovered)}
    # each as it stood first
    first = {}
    for one in (*written, *discovered):
        first.setdefault(one.address, one)
    assert all(first[one.address] is one for one in found)
    # merged again nothing is new; turned around it is the same, unless the order counts
    assert merged(written, found, ordered=ordered) == found
    turned = list({one.address: one for one in discovered}.values())
    again = merged(written, turned, ordered=False)
    random.shuffle(turned)
    assert merged(written, turned, ordered=False) == again
    if ordered:
        rest = [one for one in first.values() if one not in written]
        assert list(found[len(written) :]) == [one for one in rest if one.address not in {w.address for w in written}]


@settings(max_examples=60)
@given(st.lists(st.tuples(UNIQUE, UNIQUE), min_size=1, max_size=5))
def test_changes_lead_to_what_the_whole_revision_says(rounds):
    """One worker gets every change, and has what one that starts now gets."""

    def config_of(lists):
        upstreams = {
            name: filled(upstream, found)
            for (name, upstream), found in zip(CONFIG.upstreams.items(), lists, strict=True)
        }
        return CONFIG.model_copy(update={"upstreams": upstreams})

    first = estate = establish(config_of(((), ())), number=1, workers=1, base="")
    try:
        worker = estate.revision
        numbers = {}
        for lists in rounds:
            config = config_of(lists)
            names = [name for name in config.upstreams if config.upstreams[name] != worker.config.upstreams[name]]
            successor = changed(estate, config, names)
            payload = encode_change(estate.revision, successor.revision, names)
            assert is_change(payload)
            worker, told = apply_change(payload, worker)
            assert set(told) == set(names)
            assert worker.config == successor.revision.config
            assert worker.slots == successor.revision.slots
            assert worker.number == successor.revision.number
            # (what retries and hedges of an upstream are counted in stands among them)
            slots = {name: slot for name, slot in worker.slots["endpoint"].items() if "/*" not in name}
            assert slots.keys() == {
                endpoint_name(name, one.address) for name, model in config.upstreams.items() for one in model.endpoints
            }
            # no number twice, and a name has its own again when it comes back
            assert len(set(slots.values())) == len(slots)
            assert all(numbers.setdefault(name, number) == number for name, number in slots.items())
            abandon(successor, previous=estate)
            estate = successor
    finally:
        first.close(unlink=True)


@given(UNIQUE)
def test_lists_are_kept_as_they_are(endpoints):
    assert Listing("kept").plain(json.loads(json.dumps(encode_list(endpoints)))) == endpoints


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12) | st.just("a:1"),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["address", "targets", "labels", "weight", "endpoints", "x"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_a_list_or_is_refused(tree):
    text = json.dumps(tree)
    results = []
    for read in (lambda: Listing("u").json(text.encode()), lambda: Listing("u").yaml(text)):
        try:
            results.append(read())
        except ConfigErrors as errors:
            results.append(None if str(errors) else ())
    if results[0] is not None and results[1] is not None:
        assert results[0] == results[1]
    for found in results:
        assert found is None or all(isinstance(one, Endpoint) for one in found)
