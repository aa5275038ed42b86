"""load.py: files and texts, everything at once, and nothing but ConfigErrors whatever comes in."""

import copy
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import limen
from limen.config import Config, Finding, load, loads, read, reads
from limen.config.models import Section
from limen.errors import ConfigErrors
from tests.unit.config.samples import EXAMPLES, ROOT

GOOD = "listeners: [{bind: 127.0.0.1:80, forward: {}}]\n"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_load_without_a_warning(path):
    document = read(path)
    report = document.check()
    assert (report.errors, report.warnings) == ((), ())
    assert load(path) == document.config


def test_the_full_example_uses_every_key():
    """Keys of all sections, as far as they do not exclude each other."""
    text = (ROOT / "examples" / "full.yaml").read_text()
    used = set(re.findall(r"([a-z_0-9]+):", text))
    sections = [value for value in vars(limen.config.models).values() if isinstance(value, type)]
    known = {
        field.alias or name
        for section in sections
        if issubclass(section, Section)
        for name, field in section.model_fields.items()
    }
    assert known - used == set()


@pytest.mark.parametrize(
    "text",
    [
        """
listeners:                       # a reverse proxy
  - bind: 127.0.0.1:8080
    routes:
      - upstream: web
upstreams:
  web: {endpoints: [127.0.0.1:9001, 127.0.0.1:9002]}
""",
        """
listeners:                       # a forward proxy
  - bind: 127.0.0.1:3128
    forward: {}
""",
        """
workers: 1
listeners:
  - bind: 127.0.0.1:8081
    routes:
      - upstream: eight
upstreams:
  web: {endpoints: ["127.0.0.1:9000"]}
  eight:
    endpoints: ["127.0.0.1:9001", "127.0.0.1:9002", "127.0.0.1:9003", "127.0.0.1:9004"]
    balance: least_requests
""",
        """
workers: 1
listeners:
  - bind: 127.0.0.1:8081
    forward:
      targets: {private: allow}
      access:
        - allow: {ports: ["1-65535"]}
upstreams:
  web: {endpoints: ["127.0.0.1:9000"]}
""",
    ],
    ids=["design reverse", "design forward", "bench lb", "bench forward"],
)
def test_configurations_of_the_design(text):
    assert isinstance(loads(text), Config)


def test_load_reads_a_file(tmp_path):
    path = tmp_path / "limen.yaml"
    path.write_text("\ufeff" + GOOD)
    assert load(path) == load(str(path)) == loads(GOOD)
    assert limen.load(path) == loads(GOOD)


def test_relative_paths_start_at_the_file(tmp_path, monkeypatch):
    (tmp_path / "logs").mkdir()
    path = tmp_path / "limen.yaml"
    path.write_text("log: {access: logs/access.log}\ncontrol: {socket: limen.sock}\n" + GOOD)
    monkeypatch.chdir("/")
    config = load(path)
    assert config.log.access.path == str(tmp_path / "logs" / "access.log")
    assert config.control.socket == str(tmp_path / "limen.sock")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read the configuration: no such file or directory"),
        (b"a: \xff\n", "the configuration is not UTF-8 text"),
        (b"", "the configuration is empty"),
    ],
)
def test_files_that_are_no_configuration(tmp_path, content, message):
    path = tmp_path / "limen.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigErrors) as caught:
        load(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_folder_and_a_name_with_nul_are_no_configuration(tmp_path):
    for path in (tmp_path, "a\0b"):
        with pytest.raises(ConfigErrors):
            load(path)


def test_documents_keep_text_and_places():
    document = reads(GOOD, "f.yaml")
    assert (document.text, document.name) == (GOOD, "f.yaml")
    assert document.positions.find(("listeners", 0, "bind"))[0] == (1, 20)


def test_further_checks_are_run_with_places():
    def never(config):
        yield Finding(("listeners", 0), "not today", "come back")
        yield Finding(("listeners", 0, "bind"), "hm", warning=True)

    with pytest.raises(ConfigErrors) as caught:
        loads(GOOD, "f.yaml", checks=[never])
    assert str(caught.value) == "f.yaml:1:13: listeners[0]: not today; come back"
    report = reads(GOOD, "f.yaml").check([never])
    assert [str(warning) for warning in report.warnings] == ["f.yaml:1:20: listeners[0].bind: hm"]


def only_config_errors(text):
    found = None
    try:
        config = loads(text, "f.yaml", Path("/nonexistent"))
    except ConfigErrors as errors:
        found = errors
    if found is None:
        assert isinstance(config, Config)
        return
    assert len(found) > 0
    # No word of the validation library reaches a user.
    assert not re.search(r"pydantic|Input should|validation error|type=|function-", str(found))


WORDS = """listeners bind routes upstream upstreams endpoints forward stream match path host respond status fields set
127.0.0.1:80 web /v1 true null 5s 64KiB 10.0.0.0/8 &a *a !!int '${X}' - : ? | > [ ] { } , # " '"""
FRAGMENTS = st.sampled_from([*WORDS.split(), "\n", "\n  ", "\n    - ", ": ", "- ", "{file: /x}", "\t", "\0", "<<: *a"])


@settings(max_examples=300, deadline=None)
@given(st.lists(FRAGMENTS, max_size=30).map("".join))
def test_texts_raise_nothing_else(text):
    only_config_errors(text)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=80))
def test_any_text_raises_nothing_else(text):
    only_config_errors(text)


FULL = yaml.safe_load((ROOT / "examples" / "full.yaml").read_text())
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["5s", "1MiB", "none", "127.0.0.1:80", "*.a.example", "[", "web", "a:b", "{path}", "-"]),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["file", "set", "from", "x"]), inner, max_size=2)
    ),
    max_leaves=5,
)


def paths(node, before=()):
    yield before
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield from paths(value, (*before, key))


PATHS = list(paths(FULL))[1:]


@settings(max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(PATHS), VALUES), min_size=1, max_size=3))
def test_any_value_at_any_place_raises_nothing_else(changes):
    content = copy.deepcopy(FULL)
    for path, value in changes:
        node = content
        try:
            for part in path[:-1]:
                node = node[part]
            node[path[-1]] = value
        except (TypeError, KeyError, IndexError):
            continue
    only_config_errors(yaml.safe_dump(content, allow_unicode=True))
