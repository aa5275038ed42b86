"""pip goes through the proxy, as it does where nothing else leads out: an index and a package over plain HTTP."""

import subprocess
import sys
import zipfile
from importlib.util import find_spec
from io import BytesIO

import pytest

from tests.support import Reply, ScriptedOrigin
from tests.support.fixtures import FORWARD
from tests.support.programs import environment

NAME = "limen_test_parcel-1.0-py3-none-any.whl"
METADATA = "Metadata-Version: 2.1\nName: limen-test-parcel\nVersion: 1.0\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def wheel() -> bytes:
    made = BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(zipfile.ZipInfo("limen_test_parcel.py"), "there = True\n")
        archive.writestr(zipfile.ZipInfo("limen_test_parcel-1.0.dist-info/METADATA"), METADATA)
        archive.writestr(zipfile.ZipInfo("limen_test_parcel-1.0.dist-info/WHEEL"), WHEEL)
        archive.writestr(zipfile.ZipInfo("limen_test_parcel-1.0.dist-info/RECORD"), "")
    return made.getvalue()


def serve(request, connection):
    pages = {
        "/simple/limen-test-parcel/": ("text/html", f'<a href="/files/{NAME}">{NAME}</a>'.encode()),
        f"/files/{NAME}": ("application/zip", wheel()),
    }
    if request.target not in pages:
        return [Reply(404)]
    kind, content = pages[request.target]
    return [Reply(content=content, fields=[("Content-Type", kind)])]


@pytest.mark.skipif(find_spec("pip") is None, reason="there is no pip in this environment")
def test_a_package_comes_through(start_limen, tmp_path):
    with ScriptedOrigin(serve) as index:
        proxy = start_limen(FORWARD)
        command = [
            sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "--no-cache-dir", "download",
            "--no-deps", "--proxy", f"http://127.0.0.1:{proxy.port()}", "--index-url", f"http://{index.address}/simple/",
            "--trusted-host", "127.0.0.1", "--retries", "0", "--dest", str(tmp_path), "limen-test-parcel",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False, env=environment())
        assert done.returncode == 0, done.stdout + done.stderr
        assert (tmp_path / NAME).read_bytes() == wheel()
        assert all(request.get("via") for request in index.requests)
