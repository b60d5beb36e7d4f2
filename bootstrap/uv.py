"""Put the pinned uv into .tools, from nothing but a Python with its standard library.

Three ways, the first that works: a uv of this version in PATH; pip in a virtual environment;
and, because a bare Debian has neither pip nor ensurepip, the wheel itself from the package
index. Whichever way, the file is checked against the hash below.
"""
# ruff: noqa: TID251, S603, S310, RUF005 - runs before the project exists, on programs and URLs it names

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import shutil
import ssl
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

VERSION = "0.13.9"
WHEELS = {  # machine -> file, sha256
    "x86_64": (
        f"uv-{VERSION}-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19",
    ),
    "aarch64": (
        f"uv-{VERSION}-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl",
        "5435c5ce14a56431208ca0996416d310f1598e8c2c8ba707688985a16bb82dbe",
    ),
}
INDEX = "https://pypi.org/simple"
ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / ".tools" / "bin" / "uv"


def main() -> int:
    """Make ``.tools/bin/uv`` and return the exit code."""
    if _is_wanted(TARGET):
        return 0
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    problems = []
    for way in (_from_path, _with_pip, _from_index):
        try:
            if way() and _is_wanted(TARGET):
                return 0
        except (OSError, subprocess.CalledProcessError, ValueError, KeyError) as error:
            problems.append(f"{way.__name__.strip('_')}: {_line(error)}")
    _say(f"uv {VERSION} could not be had ({'; '.join(problems)})")
    return 1


def _is_wanted(program: Path | str) -> bool:
    try:
        said = subprocess.run(
            [str(program), "--version"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return False
    return said.stdout.split()[1:2] == [VERSION]


def _from_path() -> bool:
    found = shutil.which("uv")
    if found is None or not _is_wanted(found):
        return False
    TARGET.unlink(missing_ok=True)
    TARGET.symlink_to(found)
    return True


def _with_pip() -> bool:
    folder = ROOT / ".tools" / "uv"
    shutil.rmtree(folder, ignore_errors=True)
    made = subprocess.run(
        [sys.executable, "-m", "venv", str(folder)], capture_output=True, check=False
    )
    pip = folder / "bin" / "pip"
    if made.returncode != 0 or not pip.exists():
        shutil.rmtree(folder, ignore_errors=True)
        return False
    with tempfile.TemporaryDirectory() as scratch:
        wanted = Path(scratch) / "uv.txt"
        hashes = " ".join(f"--hash=sha256:{digest}" for _, digest in WHEELS.values())
        wanted.write_text(f"uv=={VERSION} {hashes}\n")
        subprocess.run(
            [str(pip), "install", "-q", "--disable-pip-version-check", "--no-deps"]
            + ["--only-binary=:all:", "--require-hashes", "-r", str(wanted)],
            capture_output=True,
            text=True,
            check=True,
        )
    TARGET.unlink(missing_ok=True)
    TARGET.symlink_to("../uv/bin/uv")
    return True


def _from_index() -> bool:
    machine = platform.machine()
    if sys.platform != "linux" or machine not in WHEELS:
        raise ValueError(f"no wheel is pinned for {sys.platform} on {machine}")
    name, digest = WHEELS[machine]
    index = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("UV_INDEX_URL")
    index = index or os.environ.get("PIP_INDEX_URL") or INDEX
    page_url = index.rstrip("/") + "/uv/"
    page = _get(page_url, accept="application/vnd.pypi.simple.v1+json, text/html;q=0.5")
    wheel = _get(_wheel_url(page_url, page, name))
    if hashlib.sha256(wheel).hexdigest() != digest:
        raise ValueError(f"{name} is not the file whose hash is pinned")
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        program = next(n for n in archive.namelist() if n.endswith(".data/scripts/uv"))
        fresh = TARGET.with_name("uv.new")
        fresh.write_bytes(archive.read(program))
    fresh.chmod(0o755)
    fresh.replace(TARGET)
    return True


def _wheel_url(page_url: str, page: bytes, name: str) -> str:
    try:
        files = json.loads(page)["files"]
        found = next(f["url"] for f in files if f["filename"] == name)
    except ValueError:  # a mirror that only speaks HTML
        links = page.decode(errors="replace").split('href="')[1:]
        found = next(u for u in (link.split('"')[0] for link in links) if name in u)
    return urllib.parse.urljoin(page_url, str(found))


def _get(url: str, *, accept: str = "*/*") -> bytes:
    parts = urllib.parse.urlsplit(url)
    trusted = os.environ.get("SSL_CERT_FILE") or os.environ.get("PIP_CERT") or None
    openers: list[urllib.request.BaseHandler] = [
        urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=trusted))
    ]
    if parts.username:
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2])
        url = urllib.parse.urlunsplit(bare)
        accounts = urllib.request.HTTPPasswordMgrWithPriorAuth()
        word = urllib.parse.unquote(parts.password or "")
        accounts.add_password(
            None, url, urllib.parse.unquote(parts.username), word, is_authenticated=True
        )
        openers.append(urllib.request.HTTPBasicAuthHandler(accounts))
    request = urllib.request.Request(url, headers={"Accept": accept})
    try:
        with urllib.request.build_opener(*openers).open(request, timeout=120) as answer:
            return bytes(answer.read())
    except urllib.error.URLError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise ValueError(
                "this machine trusts no certificates (Debian: apt-get install ca-certificates)"
            ) from error
        raise


def _line(error: BaseException) -> str:
    said = error.stderr if isinstance(error, subprocess.CalledProcessError) else ""
    last = (said or str(error) or type(error).__name__).strip().splitlines()
    return last[-1] if last else type(error).__name__


def _say(text: str) -> None:
    print(f"setup: {text}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
