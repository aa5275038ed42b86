"""Lists of names with categories, as plain lines; and files that are not taken."""

import hashlib
import json
import os

import pytest

from limen.config.models.lists import SharedList
from limen.runtime.list_formats import plain_lines
from limen.runtime.lists import ListRefused, Lists, Request, read_list, request_of

BY_CATEGORY = {"ads": ["a.example", "b.example"], "games": ["c.example"]}
RECORDS = [
    {"name": "a.example", "category": "ads"},
    {"domain": "b.example", "categories": ["news", "games"]},
    {"host": "c.example"},
    "d.example",
]


def lines(text, kind, *categories):
    return plain_lines(text.encode(), kind, categories).decode().split()


@pytest.mark.parametrize(
    ("tree", "categories", "expected"),
    [
        (BY_CATEGORY, (), ["a.example", "b.example", "c.example"]),
        (BY_CATEGORY, ("games",), ["c.example"]),
        (BY_CATEGORY, ("other",), []),
        (RECORDS, (), ["a.example", "b.example", "c.example", "d.example"]),
        (RECORDS, ("games", "ads"), ["a.example", "b.example"]),
        # what is no name is a line that will be counted as not understood
        ({"ads": "a.example"}, (), ["?"]),
        ([{"title": "a.example"}, 5, "a b", "a#b", ""], (), ["?"] * 5),
        ("a.example", (), ["?"]),
    ],
)
def test_json(tree, categories, expected):
    assert lines(json.dumps(tree), "json", *categories) == expected


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"a": NaN'])
def test_json_that_is_none(text):
    with pytest.raises(ValueError, match=r"."):
        plain_lines(text.encode(), "json", ())


@pytest.mark.parametrize(
    ("text", "categories", "expected"),
    [
        ("a.example,ads\nb.example,games\n", (), ["a.example", "b.example"]),
        ("a.example,ads\nb.example,games,news\n", ("news",), ["b.example"]),
        ("a.example,ads|news\r\nb.example\r\n", ("news",), ["a.example"]),
        ("\ufeffid,Domain,Category\n1,a.example,ads\n2,b.example,games\n", ("games",), ["b.example"]),
        ("name\na.example\n", (), ["a.example"]),
        ("name\na.example\n", ("ads",), []),
        ('# c\n\n" a.example ","ads"\n', ("ads",), ["a.example"]),
        ("id,name\n1\n", (), ["?"]),
        ('"a\nb",ads\n', (), ["?"]),
    ],
)
def test_csv(text, categories, expected):
    assert lines(text, "csv", *categories) == expected


def read(tmp_path, content, **options):
    path = tmp_path / "list"
    path.write_bytes(content)
    table = read_list(os.fspath(path), Request(**{"format": "domains", **options}), bytes(16))
    os.close(table.descriptor)
    return table


def test_what_is_not_taken(tmp_path):
    names = b"a.example\nb.example\nnot a name\n"
    table = read(tmp_path, names, sha256=hashlib.sha256(names).hexdigest())
    assert (table.entries, table.told()) == (2, "no host name (1, first in line 3)")
    for options, reason in (
        ({"sha256": "0" * 64}, "SHA-256"),
        ({"largest": len(names) - 1}, "larger than 30 bytes"),
        ({"most": 1}, "over 1 names"),
        ({"format": "json"}, "Expecting value"),
    ):
        with pytest.raises(ListRefused, match=reason):
            read(tmp_path, names, **options)
    with pytest.raises(ListRefused, match="No such file"):
        read_list(os.fspath(tmp_path / "none"), Request(format="domains"), bytes(16))


def test_two_lists_of_a_file_have_one_table_if_they_read_it_alike():
    def source(**values):
        return SharedList.model_validate({"file": "/a", **values}).source

    assert source(format="domains") == source(format="domains", max=7)
    different = [
        source(),
        source(format="domains"),
        source(format="domains", below=False),
        source(format="csv"),
        source(format="csv", categories=["a"]),
        source(format="domains", sha256="0" * 64),
    ]
    assert len(set(different)) == len(different)
    request = request_of(SharedList.model_validate({"file": "/a", "format": "hosts", "max_size": "1MiB"}))
    assert (request.below, request.largest, request.most) == (False, 1024 * 1024, 10_000_000)
    assert Lists().tables() == {}
