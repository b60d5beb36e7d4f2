"""Find the MQTT broker mosquitto, or put one into .tools without being root.

The distribution's package is downloaded with the libraries it needs that aren't here, and
unpacked, not installed: nothing on the machine changes and no service starts. Where that
can't be done and we are root, it is installed; else one line says what to do.
"""
# ruff: noqa: TID251, S603, S607 - runs before the project exists, on the distribution's own programs

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / ".tools" / "mosquitto"
PROGRAM = HOME / "bin" / "mosquitto"
MEND = "install it (Debian: apt-get install mosquitto), or set TELECARE_MQTT_URL"
# Starts the unpacked broker with the unpacked libraries, wherever the folder is moved to.
WRAPPER = """#!/bin/sh
here=$(dirname "$(readlink -f "$0")")/../root
LD_LIBRARY_PATH=$(echo "$here"/usr/lib/*-linux-* "$here"/lib/*-linux-* "$here"/usr/lib | tr ' ' ':')
export LD_LIBRARY_PATH
exec "$here/usr/sbin/mosquitto" "$@"
"""


class NotHereError(Exception):
    """One way to a broker isn't open here."""


def main() -> int:
    """Make sure that there is a broker, and return the exit code."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    if shutil.which("mosquitto", path=path) or _runs(PROGRAM):
        return 0
    problems = []
    for way in (_unpack, _install):
        try:
            way()
        except NotHereError as error:
            problems.append(str(error))
        else:
            return 0
    _say(f"the MQTT broker mosquitto is missing and could not be had: {MEND}")
    for problem in problems:
        _say(f"  {problem}")
    return 1


def _unpack() -> None:
    for needed in ("apt-get", "apt-cache", "dpkg-deb"):
        if shutil.which(needed) is None:
            raise NotHereError(f"unpacking: there is no {needed}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        folder.chmod(0o755)  # apt's own account downloads when we are root
        options = _lists(folder)
        packages = folder / "packages"
        packages.mkdir(mode=0o777)
        packages.chmod(0o777)
        _run(["apt-get", *options, "-qq", "download", *_needed(options)], cwd=packages)
        fresh = HOME.with_name("mosquitto.new")
        shutil.rmtree(fresh, ignore_errors=True)
        (fresh / "bin").mkdir(parents=True)
        for package in sorted(packages.glob("*.deb")):
            _run(["dpkg-deb", "--extract", str(package), str(fresh / "root")])
    for idle in ("usr/share", "etc", "lib/systemd", "usr/lib/systemd"):
        shutil.rmtree(fresh / "root" / idle, ignore_errors=True)
    program = fresh / "bin" / "mosquitto"
    program.write_text(WRAPPER)
    program.chmod(0o755)
    if not _runs(program):
        shutil.rmtree(fresh)
        raise NotHereError("unpacking: the unpacked broker does not run")
    shutil.rmtree(HOME, ignore_errors=True)
    fresh.rename(HOME)
    _say("unpacked the distribution's mosquitto into .tools (nothing was installed)")


def _lists(folder: Path) -> list[str]:
    """Return apt's options: none, or lists of packages of our own when the machine has none."""
    if _candidate([]):
        return []
    lists, cache = folder / "lists", folder / "cache"
    for made in (lists / "partial", cache / "archives" / "partial"):
        made.mkdir(parents=True)
    options = ["-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={cache}"]
    options += ["-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User="]
    _run(["apt-get", *options, "-qq", "update"])
    if not _candidate(options):
        raise NotHereError("unpacking: the package lists know no mosquitto")
    return options


def _candidate(options: list[str]) -> bool:
    said = subprocess.run(
        ["apt-cache", *options, "policy", "mosquitto"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    found = re.search(r"Candidate: (\S+)", said.stdout)
    return found is not None and found[1] != "(none)"


def _needed(options: list[str]) -> list[str]:
    """Return the broker's package and the libraries it needs that aren't installed."""
    kinds = ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
    said = _run(
        ["apt-cache", *options, "depends", "--recurse"]
        + [f"--no-{kind}" for kind in kinds]
        + ["mosquitto"]
    )
    names = {line for line in said.splitlines() if re.fullmatch(r"lib[a-z0-9.+-]+", line)}
    here = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\\n"],
        capture_output=True,
        text=True,
        check=False,
    )
    installed = {line.split()[1] for line in here.stdout.splitlines() if line[:10] == "installed "}
    # libelogind0 is another distribution's stand-in for libsystemd0; libc6 comes with the machine.
    return ["mosquitto", *sorted(names - installed - {"libelogind0", "libc6"})]


def _install() -> None:
    if os.geteuid() != 0:
        raise NotHereError("installing: needs root")
    if shutil.which("apt-get") is None:
        raise NotHereError("installing: there is no apt-get")
    _run(["apt-get", "-qq", "update"])
    _run(
        ["apt-get", "-qq", "-y", "--no-install-recommends", "install", "mosquitto"],
        environment={"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"},
    )
    _say("installed the distribution's mosquitto")


def _runs(program: Path) -> bool:
    try:
        said = subprocess.run([str(program), "-h"], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return "mosquitto version" in said.stdout + said.stderr


def _run(
    command: list[str], *, cwd: Path | None = None, environment: dict[str, str] | None = None
) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C", **(environment or {})},
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise NotHereError(f"{command[0]}: {said[-1] if said else done.returncode}")
    return done.stdout


def _say(text: str) -> None:
    print(f"setup: {text}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
