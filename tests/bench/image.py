"""What the image weighs, how long its roles take to be ready and to stop, what a probe costs, and memory.

    make bench-image

Each thing is measured beside what it is compared with, alternating; medians are printed, with the least and
the most. Nothing is asserted: the machine decides the figures. Memory is the proportional set size (Pss
of /proc/PID/smaps_rollup) of all processes in a container, after 100 requests and 100 tasks.
"""

from __future__ import annotations

import http.client
import re
import statistics
import subprocess
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.ports import free_port
from tests.scenarios.engine import IMAGE, KEY, Container, Database, docker, inspect, run
from tests.system.copies import copy_tree
from tests.system.stack import READY, wait_until

BASE: Final = "python:3.12-slim"
ROUNDS: Final = 5  # of starts
MEMORY_ROUNDS: Final = 3  # they differ little
TIMED: Final = ("web", "celery-beat", "celery-worker", "all")
REQUESTS: Final = 100
TASKS: Final = 100
NUMBERS: Final = {"WEB_WORKERS": "2", "CELERY_CONCURRENCY": "2"}
# The seed's own three commands, with the same numbers, as anybody would put them under supervisord.
SEED: Final = """\
[supervisord]
nodaemon=true
logfile=/dev/null
logfile_maxbytes=0
pidfile=/tmp/supervisord.pid
[program:web]
command=gunicorn boot.wsgi:application --bind 0.0.0.0:8000 --workers 2
[program:celery-worker]
command=celery -A boot worker -Q high,default -c 2 --loglevel=info
[program:celery-beat]
command=celery -A boot beat --scheduler django_celery_beat.schedulers:DatabaseScheduler --loglevel=info
"""
SEND: Final = f"""
from celery import current_app
for number in range({TASKS}):
    current_app.send_task("celery.accumulate", args=(1, number))
"""
DONE: Final = "SELECT count(*) FROM django_celery_results_taskresult WHERE status = 'SUCCESS'"
PSS: Final = r"""
import pathlib, re
total = 0
for path in pathlib.Path("/proc").glob("[0-9]*/smaps_rollup"):
    try:
        command = (path.parent / "cmdline").read_bytes()
        if b"smaps_rollup" not in command:
            total += int(re.search(r"^Pss:\s+(\d+)", path.read_text(), re.MULTILINE)[1])
    except OSError:
        pass
print(total)
"""
PROBE: Final = """
import resource, statistics, subprocess
def cpu():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["doorito", "health"], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
print(statistics.median(cpu() for _ in range(11)))
"""
Times = defaultdict[str, list[float]]


def sizes() -> None:
    """Our layers over the base image, unpacked, and what made each."""
    ours, base = inspect(".Size", IMAGE), inspect(".Size", BASE)
    print(f"\nimage: {(ours - base) / 1e6:.0f} MB over the base image ({base / 1e6:.0f} MB), unpacked")
    layers = docker("history", "--no-trunc", "--human=false", "--format", "{{.Size}}\t{{.CreatedBy}}", IMAGE)
    for line in layers.splitlines()[: -len(inspect(".RootFS.Layers", BASE)) or None]:
        size, _, made_by = line.partition("\t")
        if int(size) > 100_000:
            print(f"  {int(size) / 1e6:6.1f} MB  {' '.join(made_by.split())[:90]}")
    packages = "cd /app/.venv/lib/python3*/site-packages && du -sk -- * | sort -rn | head -8"
    for line in docker("run", "--rm", IMAGE, "sh", "-c", packages).splitlines():
        size, name = line.split("\t")
        print(f"           of which {int(size) / 1000:5.1f} MB {name}")


def until_ready(command: list[str], environ: dict[str, str] | None, cwd: Path) -> tuple[float, float, int]:
    """Seconds from the command to its word that it is ready, and from TERM to its end; its status."""
    begun = time.monotonic()
    process = subprocess.Popen(
        command, env=environ, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout
    said = []
    for line in process.stdout:
        said.append(line)
        if READY.search(line):
            break
    else:
        raise SystemExit(f"{command} did not become ready:\n{''.join(said)}")
    ready = time.monotonic()
    time.sleep(2)  # idle, as the figure says
    asked = time.monotonic()
    process.terminate()
    process.stdout.read()
    status = process.wait()
    return ready - begun, time.monotonic() - asked, status


def in_container(role: str, db: Database, environ: dict[str, str]) -> tuple[float, float, int]:
    name = f"doorito-bench-{uuid.uuid4().hex[:8]}"
    settings = [part for item in environ.items() for part in ("--env", "=".join(item))]
    command = ["docker", "run", "--rm", "--name", name, "--network", db.network, *settings, IMAGE, role]
    return until_ready(command, None, Path("/"))


def on_host(role: str, tree: Path, environ: dict[str, str]) -> tuple[float, float, int]:
    with TemporaryDirectory(prefix="doorito-bench-") as folder:
        own = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "DOORITO_STATE_DIR": folder,
            "DOORITO_RUNTIME_DIR": f"{folder}/run",
            "WEB_PORT": str(free_port()),
            "DJANGO_CONFIGURATION": "Production",
        }
        python = str(tree / ".venv/bin/python")
        return until_ready([python, str(tree / "doorito"), "run", role], environ | own, tree)


def starts(db: Database, url: str, tree: Path) -> None:
    """Ready and stopped, in a container and without one, alternating."""
    address = inspect(f'(index .NetworkSettings.Networks "{db.network}").IPAddress', db.name)
    common = {"DJANGO_SECRET_KEY": KEY, "DJANGO_ALLOWED_HOSTS": "localhost", **NUMBERS}
    ready: Times = defaultdict(list)
    stopped: Times = defaultdict(list)
    for number in range(1, ROUNDS + 1):
        print(f"starts: round {number} of {ROUNDS} ...", flush=True)
        for role in TIMED:
            there = in_container(role, db, {**common, "DATABASE_URL": url})
            here = on_host(role, tree, {**common, "DATABASE_URL": url.replace("@db:", f"@{address}:")})
            for where, (until, end, status) in (("container", there), ("host", here)):
                assert status == 0, f"{role} in a {where} ended with {status}"
                ready[f"{role} {where}"].append(until)
                stopped[f"{role} {where}"].append(end)
    print("\nseconds to ready: `docker run`, the same role without a container, and the ratio")
    for role in TIMED:
        print(f"  {role:<14} {_pair(ready, role)}")
    print("seconds from TERM to the end of an idle role, likewise")
    for role in TIMED:
        print(f"  {role:<14} {_pair(stopped, role)}")


def _pair(taken: Times, role: str) -> str:
    there, here = taken[f"{role} container"], taken[f"{role} host"]
    ratio = statistics.median(there) / statistics.median(here)
    return f"{_spread(there)}   {_spread(here)}   {ratio:.2f}"


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):6.2f} ({min(values):.2f} to {max(values):.2f})"


@contextmanager
def seed(db: Database, url: str) -> Iterator[Container]:
    """The seed's three commands under stock supervisord, in the same image."""
    configuration = f"printf %s '{SEED}' > /tmp/seed.conf && exec supervisord -c /tmp/seed.conf"
    with db.container("sh", "-c", configuration, DATABASE_URL=url) as container:
        yield container


@contextmanager
def ours(db: Database, url: str) -> Iterator[Container]:
    with db.container("all", DATABASE_URL=url, **NUMBERS) as container:
        yield container


def work(container: Container, db: Database, name: str) -> None:
    """100 requests and 100 tasks, to their end."""

    def answers() -> bool:
        try:
            return _get(container.port) == 200
        except OSError:
            return False

    wait_until("the web server", answers, lambda: container.log)
    for _ in range(REQUESTS):
        assert _get(container.port) == 200
    before = int(db.sql(DONE, name))
    sent = container.execute("python", "manage.py", "shell", "--no-imports", "-c", SEND)
    assert sent.returncode == 0, sent.stderr
    wait_until("the tasks", lambda: int(db.sql(DONE, name)) >= before + TASKS, lambda: container.log)


def _get(port: int) -> int:
    connection = http.client.HTTPConnection("localhost", port, timeout=30)
    connection.request("GET", "/accounts/log-in/")
    status = connection.getresponse().status
    connection.close()
    return status


def memory(db: Database, url: str) -> None:
    """Of all processes of one container: ours, and the seed's commands under stock supervisord."""
    taken: Times = defaultdict(list)
    name = url.rpartition("/")[2]
    for number in range(1, MEMORY_ROUNDS + 1):
        print(f"memory: round {number} of {MEMORY_ROUNDS} ...", flush=True)
        for title, start in (("ours", ours), ("seed", seed)):
            with start(db, url) as container:
                work(container, db, name)
                taken[title].append(int(container.execute("python", "-c", PSS).stdout) / 1024)
                if title == "ours":
                    taken["probe"].append(float(container.execute("python", "-c", PROBE).stdout))
    ratio = statistics.median(taken["ours"]) / statistics.median(taken["seed"])
    print(f"\nmemory after {REQUESTS} requests and {TASKS} tasks, PSS in MiB")
    print("(2 web processes, 2 of the worker, beat)")
    print(f"  role `all`                        {_spread(taken['ours'])}")
    print(f"  the seed under stock supervisord  {_spread(taken['seed'])}")
    print(f"  ratio                             {ratio:6.2f}")
    print(f"\na health probe of role `all`, seconds of CPU: {_spread(taken['probe'])}")


def main() -> None:
    done = run("make", "docker-build")
    assert done.returncode == 0, done.stderr
    sizes()
    with Database() as db, db.database() as url, TemporaryDirectory() as folder:
        docker("run", "--rm", "--network", db.network, "--env", f"DATABASE_URL={url}", "--env",
               "DJANGO_CONFIGURATION=Dev", IMAGE, "manage", "migrate", "--verbosity", "0")  # fmt: skip
        tree = copy_tree(Path(folder) / "tree")
        collected = run(str(tree / ".venv/bin/python"), "manage.py", "collectstatic", "--noinput", cwd=tree,
                        environ={"DJANGO_DEBUG": "false"})  # fmt: skip
        assert re.search(r"static files copied", collected.stdout), collected.stderr
        starts(db, url, tree)
        memory(db, url)


if __name__ == "__main__":
    main()
