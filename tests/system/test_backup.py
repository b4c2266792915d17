"""`doorito backup` and `doorito restore`, as somebody types them, on real databases."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from boot import postgres
from boot.backup.archive import Writer
from boot.backup.connection import environment
from boot.backup.database import dump
from boot.backup.errors import ProgramFailed
from boot.backup.tools import find, with_tls
from tests.system.databases import database, name_of
from tests.system.second_server import DATABASE, PASSWORD, Server, second_server, tls_server
from tests.system.stack import PATIENCE_S, ROOT, Stack, wait_until

pytestmark = pytest.mark.system

TLS_PROGRAMS = [path.parent for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))]
FILL = """
from django.core.files.uploadedfile import SimpleUploadedFile
from apps.accounts.models import User
from apps.uploads import services
for number in range(3):
    user = User.objects.create_user(f"user{number}@example.com", "a long password, 1")
    for name in ("plain.txt", "ünï cöde.txt", "it's.txt"):
        services.receive(user.pk, SimpleUploadedFile(name, name.encode() * 1000))
"""
DESTROY = """
DELETE FROM uploads_upload WHERE name = 'plain.txt';
UPDATE accounts_user SET email = 'changed-' || email;
ALTER TABLE uploads_upload ADD COLUMN newer integer NOT NULL DEFAULT 1;
CREATE TABLE newer (id serial PRIMARY KEY, upload uuid REFERENCES uploads_upload);
CREATE TYPE mood AS ENUM ('newer');
CREATE DOMAIN even AS integer CHECK (value % 2 = 0);
CREATE VIEW newer_view AS SELECT id FROM newer;
CREATE MATERIALIZED VIEW newer_facts AS SELECT 1 AS one;
CREATE FUNCTION newer_function(integer, text DEFAULT '') RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE PROCEDURE newer_procedure() LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE newer_sum(integer) (SFUNC = int4pl, STYPE = integer);
CREATE COLLATION newer_order (LOCALE = 'C');
CREATE OPERATOR ### (LEFTARG = integer, RIGHTARG = integer, FUNCTION = int4pl);
CREATE TEXT SEARCH CONFIGURATION newer_search (COPY = simple);
CREATE STATISTICS newer_statistics ON id, upload FROM newer;
CREATE TABLE parted (id integer) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (1) TO (2);
CREATE SCHEMA "Newer schema";
CREATE TABLE "Newer schema"."Weird ""table" (id integer);
SELECT lo_create(0);
"""
# The copy of `doorito restore` that dies by SIGKILL at the third rename: a crash that nothing else causes.
DIES = """
import os, signal, sys
from pathlib import Path
from boot import cli
replace, left = Path.replace, [2]
def dying(self, target):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    return replace(self, target)
Path.replace = dying
sys.exit(cli.main(["restore", sys.argv[1], "--yes"]))
"""


class Site:
    """A database with users and uploads, its files, and a folder for backups."""

    def __init__(self, stack: Stack, url: str) -> None:
        self.stack = stack
        self.url = url
        self.media = stack.state_dir / "media"
        self.file = stack.folder / "backups" / "one.tar"
        self.file.parent.mkdir()

    def backup(self, *options: str) -> subprocess.CompletedProcess[str]:
        return self.stack.doorito("backup", str(self.file), *options)

    def restore(self, *options: str) -> subprocess.CompletedProcess[str]:
        return self.stack.doorito("restore", str(self.file), *(options or ("--yes",)))

    def execute(self, statements: str) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute(statements.encode())

    def rows(self) -> dict[str, object]:
        """Every object's kind, every table's rows and every sequence's state."""
        with psycopg.connect(self.url) as connection:
            objects = connection.execute(
                "SELECT nspname, relname, relkind FROM pg_class"
                " JOIN pg_namespace ON pg_namespace.oid = relnamespace"
                " WHERE nspname !~ '^(pg_|information_schema)' ORDER BY 1, 2"
            ).fetchall()
            found: dict[str, object] = {"": objects}
            for what, query in (
                (
                    "types",
                    "SELECT typname FROM pg_type WHERE typnamespace = 'public'::regnamespace ORDER BY 1",
                ),
                (
                    "functions",
                    "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1",
                ),
                (
                    "collations",
                    "SELECT collname FROM pg_collation WHERE collnamespace = 'public'::regnamespace",
                ),
                ("large objects", "SELECT oid FROM pg_largeobject_metadata ORDER BY 1"),
                ("sequences", "SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2"),
                ("constraints", "SELECT conname FROM pg_constraint WHERE conrelid <> 0 ORDER BY 1"),
            ):
                found[what] = connection.execute(query.encode()).fetchall()
            for schema, name, kind in objects:
                if kind == "r":
                    table = sql.Identifier(schema, name)
                    rows = sql.SQL("SELECT row::text FROM {} AS row ORDER BY 1").format(table)
                    found[f"{schema}.{name}"] = connection.execute(rows).fetchall()
            return found

    def files(self) -> dict[str, object]:
        """Every path in MEDIA_ROOT with its mode, a file with its bytes and time."""
        found: dict[str, object] = {}
        for path in self.media.rglob("*"):
            status = path.stat()
            content = None if path.is_dir() else (path.read_bytes(), int(status.st_mtime))
            found[str(path.relative_to(self.media))] = (stat.S_IMODE(status.st_mode), content)
        return found

    def state(self) -> tuple[object, object]:
        return self.rows(), self.files()

    def destroy(self) -> None:
        """Change, remove and add rows, tables and files."""
        self.execute(DESTROY)
        for path in [path for path in self.media.rglob("*") if path.is_file()][::2]:
            path.unlink()
        (self.media / "newer").mkdir()
        (self.media / "newer/file").touch()

    def left_over(self) -> list[str]:
        """What a backup or a restore should not leave."""
        found = [*self.file.parent.glob("*.partial-*"), *self.media.glob(".restore-*")]
        return [path.name for path in found]

    @contextlib.contextmanager
    def begun(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """`doorito`, not waited for."""
        with subprocess.Popen(
            self.stack.command(*arguments),
            env=self.stack.environ,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()


@contextlib.contextmanager
def _filled(url: str) -> Iterator[Path]:
    """Users and uploads come into a migrated database; the folder of their files while the block runs."""
    with Stack(environ={"DATABASE_URL": url}, embedded=False) as stack:
        stack.manage(FILL)
        media = stack.state_dir / "media"
        (media / "a folder, ä\n").mkdir()
        (media / "a folder, ä\n/a file\n").write_text("of another feature")
        yield media


@contextlib.contextmanager
def _site(url: str, files: Path) -> Iterator[Site]:
    with Stack(environ={"DATABASE_URL": url}, embedded=False) as stack:
        site = Site(stack, url)
        stack.state_dir.mkdir(mode=0o700)
        shutil.copytree(files, site.media)
        yield site


@pytest.fixture(scope="module")
def filled(migrated: str) -> Iterator[tuple[str, Path]]:
    """A database with users and uploads, by its name, and the folder of their files: to copy."""
    with database(template=migrated) as url, _filled(url) as files:
        yield name_of(url), files


@pytest.fixture
def site(filled: tuple[str, Path]) -> Iterator[Site]:
    """One on the tests' own server."""
    template, files = filled
    with database(template=template) as url, _site(url, files) as made:
        yield made


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """PostgreSQL 18."""
    with second_server() as running:
        yield running


@pytest.fixture(scope="module")
def shelves(server: Server) -> Iterator[Path]:
    """The files of a database "filled" there, to copy."""
    command = [sys.executable, str(Path(ROOT, "manage.py")), "migrate", "--verbosity", "0"]
    subprocess.run(command, env={"DATABASE_URL": server.url}, cwd=ROOT, check=True)
    with _filled(server.url) as files:
        server.rename("filled")
        yield files


@pytest.fixture
def shop(server: Server, shelves: Path) -> Iterator[Site]:
    """One on PostgreSQL 18, whose role is no superuser and has a password of odd characters."""
    with server.database(template="filled"), _site(server.url, shelves) as made:
        yield made


def _holds(server: Server, table: str) -> psycopg.Connection[Any]:
    """A superuser's session that has a table locked."""
    connection = server.connect()
    connection.autocommit = False
    connection.execute(sql.SQL("LOCK TABLE {}").format(sql.Identifier(table)))
    return connection


def _waits(server: Server, program: str) -> bool:
    """Whether the program waits for a lock."""
    with server.connect() as connection:
        found = connection.execute(
            "SELECT FROM pg_stat_activity WHERE application_name = %s AND wait_event_type = 'Lock'", [program]
        )
        return found.rowcount > 0


def test_a_restore_brings_back_every_row_and_every_byte(site: Site) -> None:
    """Whatever was changed, removed or added since, also by a newer version; and again the same."""
    before = site.state()
    done = site.backup()
    assert done.returncode == 0, done.stderr
    assert f"doorito restore {site.file}" in done.stdout
    assert stat.S_IMODE(site.file.stat().st_mode) == 0o600
    site.destroy()
    assert site.rows() != before[0]
    for _ in range(2):
        done = site.restore()
        assert done.returncode == 0, done.stderr
        assert "RUN_MIGRATIONS" in done.stdout
        assert site.state() == before
        assert site.left_over() == []
    assert site.stack.doorito("run", "manage", "migrate", "--check").returncode == 0


def test_large_objects_and_an_extension_come_along(site: Site) -> None:
    """The extension stays in place, since only a superuser may be able to make it anew."""
    site.execute(
        "CREATE EXTENSION vector; COMMENT ON EXTENSION vector IS 'ours';"
        "CREATE TABLE points (place vector(3)); INSERT INTO points VALUES ('[1,2,3]');"
        "SELECT lo_from_bytea(0, 'large'); CREATE SCHEMA other; CREATE TABLE other.numbers AS SELECT 1 AS one"
    )
    before = site.state()
    assert site.backup().returncode == 0
    site.execute("DROP TABLE points; DROP SCHEMA other CASCADE; SELECT lo_create(0)")
    done = site.restore()
    assert done.returncode == 0, done.stderr
    assert site.state() == before


def test_a_running_stack_is_backed_up_and_keeps_a_restore_away() -> None:
    """With the embedded server, which commands share; once the stack has stopped they start it themselves."""
    with Stack() as stack:
        stack.start()
        file = stack.folder / "x.tar"
        done = stack.doorito("backup", str(file), "--json")
        assert done.returncode == 0, done.stderr
        facts = json.loads(done.stdout)
        assert (facts["file"], facts["database"]) == (str(file), postgres.NAME)
        assert facts["bytes"] == file.stat().st_size
        refused = stack.doorito("restore", str(file), "--yes")
        assert refused.returncode == 69
        assert "a stack already runs here" in refused.stderr
        assert "docker compose stop web celery-worker celery-beat" in refused.stderr
        assert stack.stop() == 0
        done = stack.doorito("restore", str(file), "--yes", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["file"] == str(file)
        assert stack.processes() == []
        assert stack.doorito("run", "doorito", "backup", str(file), "--force").returncode == 0


def test_a_restore_waits_for_nobody_who_uses_the_database(site: Site) -> None:
    """Another container's programs, most likely: their number and what stops them."""
    assert site.backup().returncode == 0
    before = site.state()
    with psycopg.connect(site.url, application_name="a busy program"):
        done = site.restore()
    assert done.returncode == 69
    assert "1 other sessions" in done.stderr
    assert "a busy program" in done.stderr
    assert site.state() == before


def test_a_damaged_backup_changes_nothing(site: Site) -> None:
    """One bit, anywhere; cut short, anywhere."""
    assert site.backup().returncode == 0
    site.destroy()
    before, whole = site.state(), site.file.read_bytes()
    for position in (100, len(whole) // 3, len(whole) // 3 * 2, len(whole) - 1):
        flipped = bytearray(whole)
        flipped[position] ^= 4
        for content in (bytes(flipped), whole[:position]):
            site.file.write_bytes(content)
            done = site.restore()
            assert done.returncode == 65
            assert "nothing was changed" in done.stderr
    assert site.state() == before
    assert site.left_over() == []


def test_a_hostile_backup_changes_nothing(site: Site) -> None:
    """A whole one in itself, with a name that leaves the folder."""
    before = site.state()
    with site.file.open("wb") as file:
        writer = Writer(file.fileno())
        writer.add("database.dump", [b"PGDMP"])
        writer.add("media/../../../escaped", [b"x"])
        writer.finish({}, 0)
    done = site.restore()
    assert done.returncode == 65
    assert "media/../../../escaped" in done.stderr
    assert site.state() == before
    assert not (site.media.parents[1] / "escaped").exists()


def test_without_a_terminal_a_restore_wants_yes(site: Site) -> None:
    """A script that forgot it replaces nothing."""
    done = site.restore("--json")
    assert done.returncode == 64
    assert "--yes" in done.stderr


def test_on_a_terminal_a_restore_asks(site: Site) -> None:
    """It says what is replaced by what; anything but yes changes nothing."""
    assert site.backup().returncode == 0
    before = site.state()
    site.destroy()
    destroyed = site.state()
    assert _answer(site, "no") == 64
    assert site.state() == destroyed
    assert _answer(site, "yes") == 0
    assert site.state() == before


def _answer(site: Site, answer: str) -> int:
    """Run a restore, and type an answer as soon as it asks; its exit status."""
    ours, its = pty.openpty()
    command = site.stack.command("restore", str(site.file))
    with subprocess.Popen(
        command, env=site.stack.environ, stdin=its, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd="/"
    ) as process:
        assert process.stderr
        said = b""
        while not said.endswith(b"Type yes to go on: "):
            chunk = os.read(process.stderr.fileno(), 4096)
            assert chunk, said
            said += chunk
        assert str(site.media).encode() in said
        os.write(ours, f"{answer}\n".encode())
        process.communicate(timeout=PATIENCE_S)
    os.close(ours)
    os.close(its)
    return process.returncode


def test_a_backup_that_is_there_is_kept(site: Site) -> None:
    """Unless told otherwise."""
    site.file.write_text("old")
    done = site.backup()
    assert done.returncode == 64
    assert "--force" in done.stderr
    assert site.file.read_text() == "old"
    assert site.backup("--force").returncode == 0
    assert site.file.stat().st_size > 10_000


def test_a_full_disk_leaves_nothing(site: Site) -> None:
    """One message, no half file."""
    site.file.parent.rmdir()
    site.file.parent.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", str(site.file.parent)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root with the right to mount makes a small disk")
    try:
        done = site.backup()
        assert done.returncode == 69
        assert f"{site.file} cannot be written: No space left on device" in done.stderr
        assert "Traceback" not in done.stderr
        assert list(site.file.parent.iterdir()) == []
    finally:
        subprocess.run(["umount", str(site.file.parent)], check=True)


def test_sqlite_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """Wrong configuration, before anything is made."""
    with Stack(environ={"DATABASE_URL": f"sqlite:///{tmp_path}/db"}, embedded=False) as stack:
        for command in (["backup", "x.tar"], ["restore", "x.tar", "--yes"]):
            done = stack.doorito(*command)
            assert done.returncode == 78
            assert "copy its file and MEDIA_ROOT" in done.stderr
        assert not stack.state_dir.exists()


def test_postgresql_18_is_backed_up_by_its_own_programs(shop: Site) -> None:
    """By a role that owns the database and is no superuser."""
    before = shop.state()
    done = shop.backup("--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["server"].startswith("18.")
    shop.destroy()
    done = shop.restore()
    assert done.returncode == 0, done.stderr
    assert shop.state() == before


def test_a_backup_goes_to_a_newer_server_and_not_to_an_older(site: Site, shop: Site) -> None:
    """From 16 to 18; the other way round nothing is changed."""
    assert site.backup().returncode == 0
    assert shop.backup().returncode == 0
    older, newer = site.state(), shop.state()
    old_file, site.file = site.file, shop.file
    done = site.restore()
    assert done.returncode == 69
    assert "PostgreSQL 18" in done.stderr
    assert site.state() == older
    shop.file = old_file
    done = shop.restore()
    assert done.returncode == 0, done.stderr
    assert shop.files() == older[1] != newer[1]
    assert shop.stack.manage("from apps.uploads.models import Upload; print(Upload.objects.count())") == "9"


def test_no_password_is_on_a_command_line(shop: Site, server: Server) -> None:
    """Of any program that runs while a backup does; nor in what is said."""
    with _holds(server, "uploads_upload") as lock, shop.begun("backup", str(shop.file)) as process:
        wait_until("pg_dump", lambda: _waits(server, "pg_dump"))
        lines = _command_lines()
        assert any(b"pg_dump" in line for line in lines)
        lock.rollback()
        said = "".join(process.communicate(timeout=PATIENCE_S))
        assert process.returncode == 0, said
    assert not any(PASSWORD.encode() in line or b"p%20%40" in line for line in lines)
    assert PASSWORD not in said


def _command_lines() -> list[bytes]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int(process.name) != os.getpid():
                found.append((process / "cmdline").read_bytes())
    return found


@pytest.mark.skipif(not TLS_PROGRAMS, reason="no PostgreSQL with TLS in /usr/lib/postgresql")
@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl to make a certificate")
def test_the_wheels_programs_reach_a_server_that_wants_tls() -> None:
    """Their own libpq was built without; the server's certificate is verified."""
    wheel = next(find(""))
    with tls_server(TLS_PROGRAMS[0]) as server:
        root = quote(str(server.certificate), safe="")
        url = server.url.replace("sslmode=prefer", f"sslmode=verify-full&sslrootcert={root}")
        environ = environment(url, {})
        with pytest.raises(ProgramFailed, match="not compiled in"):
            list(dump(wheel, environ))
        assert b"".join(dump(wheel, with_tls(wheel, environ))).startswith(b"PGDMP")


def test_a_wrong_password_is_said_without_it(shop: Site, server: Server) -> None:
    """The server's own words."""
    shop.stack.environ["DATABASE_URL"] = server.url_with("s3cr3t")
    done = shop.backup()
    assert done.returncode == 69
    assert "password authentication failed" in done.stderr
    assert "s3cr3t" not in done.stderr
    assert not list(shop.file.parent.iterdir())


def test_a_database_that_is_away_is_said(site: Site) -> None:
    """No traceback, no file."""
    site.stack.environ["DATABASE_URL"] = f"postgresql://u:s3cr3t@127.0.0.1:{site.stack.port}/d"
    done = site.backup()
    assert done.returncode == 69
    assert "does not answer" in done.stderr
    assert "s3cr3t" not in done.stderr
    assert not list(site.file.parent.iterdir())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_backup_that_is_stopped_leaves_nothing(shop: Site, server: Server, number: signal.Signals) -> None:
    """Neither a file nor half of one, nor a pg_dump; the status says by what."""
    with _holds(server, "uploads_upload"), shop.begun("backup", str(shop.file)) as process:
        wait_until("pg_dump", lambda: _waits(server, "pg_dump"))
        process.send_signal(number)
        said = "".join(process.communicate(timeout=PATIENCE_S))
        assert process.returncode == 128 + number
        assert said == "doorito: stopped; nothing was changed\n"
        assert not list(shop.file.parent.iterdir())


def test_a_backup_that_is_killed_leaves_no_file_and_the_next_one_cleans_up(
    shop: Site, server: Server
) -> None:
    """What it left has another name; pg_dump ends with it."""
    with _holds(server, "uploads_upload"), shop.begun("backup", str(shop.file)) as process:
        wait_until("pg_dump", lambda: _waits(server, "pg_dump"))
        process.kill()
        process.wait()
        assert not shop.file.exists()
        assert len(shop.left_over()) == 1
        wait_until("the end of pg_dump", lambda: not _waits(server, "pg_dump"))
    assert shop.backup().returncode == 0
    assert shop.left_over() == []


def test_a_restore_that_fails_leaves_all_as_it_was(shop: Site, server: Server) -> None:
    """Our role may drop tables, and make none: it fails when all is gone already."""
    assert shop.backup().returncode == 0
    shop.destroy()
    with server.connect() as connection:
        connection.execute("REVOKE CREATE ON SCHEMA public FROM pg_database_owner")
    before = shop.state()
    done = shop.restore()
    assert done.returncode == 70
    assert "permission denied for schema public" in done.stderr
    assert done.stderr.rstrip().endswith("nothing was changed")
    assert shop.state() == before
    assert shop.left_over() == []


def test_a_restore_that_is_stopped_changes_nothing(shop: Site, server: Server) -> None:
    """While the database is being replaced, and the files are staged."""
    assert shop.backup().returncode == 0
    shop.destroy()
    before = shop.state()
    with _holds(server, "uploads_upload"), shop.begun("restore", str(shop.file), "--yes") as process:
        wait_until("psql", lambda: _waits(server, "psql"))
        process.terminate()
        said = "".join(process.communicate(timeout=PATIENCE_S))
        assert process.returncode == 128 + signal.SIGTERM, said
    assert shop.state() == before
    assert shop.left_over() == []


def test_a_restore_that_is_killed_is_mended_by_another(shop: Site, server: Server) -> None:
    """Before the database is replaced nothing has changed; after it, the same restore goes on."""
    whole = shop.state()
    assert shop.backup().returncode == 0
    shop.destroy()
    before = shop.rows()
    with _holds(server, "uploads_upload"), shop.begun("restore", str(shop.file), "--yes") as process:
        wait_until("psql", lambda: _waits(server, "psql"))
        process.kill()
        process.wait()
        wait_until("the end of psql", lambda: not _waits(server, "psql"))
    wait_until("the end of its session", lambda: _sessions(server) == 0)
    assert shop.rows() == before
    assert shop.left_over()
    dying = [sys.executable, "-c", DIES, str(shop.file)]
    environ = {**shop.stack.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(dying, env=environ, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert shop.rows() == whole[0]
    assert shop.files() != whole[1]
    done = shop.restore()
    assert done.returncode == 0, done.stderr
    assert shop.state() == whole
    assert shop.left_over() == []


def _sessions(server: Server) -> int:
    with server.connect() as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND usename <> current_user", [DATABASE]
        ).fetchone()
        assert row
        return int(row[0])


def test_a_link_in_the_folder_is_refused_by_both(site: Site, tmp_path: Path) -> None:
    """A backup without what it leads to would be none; a restore would replace it."""
    assert site.backup().returncode == 0
    shutil.move(site.media / "uploads", tmp_path / "elsewhere")
    (site.media / "uploads").symlink_to(tmp_path / "elsewhere")
    for done in (site.backup("--force"), site.restore()):
        assert done.returncode == 78
        assert "is a link" in done.stderr
    assert list((tmp_path / "elsewhere").iterdir())
