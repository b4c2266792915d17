"""gunicorn's configuration, from the registry: `gunicorn -c python:boot.gunicorn boot.wsgi:application`."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Final

from celery import current_app
from django.urls import get_resolver

from boot import forking, roles, supervised
from boot.env import load_or_exit
from boot.logs import logging_config
from boot.rules import stop_seconds

if TYPE_CHECKING:
    from gunicorn.arbiter import Arbiter
    from gunicorn.workers.base import Worker

STOPS: Final = (signal.SIGTERM, signal.SIGQUIT)  # what the master ends its workers with

env = load_or_exit()

# By hand: what supervisord holds and hands over (LISTEN_FDS) comes before it.
bind = roles.web_address(env.typed)
backlog = env["WEB_BACKLOG"]
workers = env["WEB_WORKERS"]
threads = env["WEB_THREADS"]
max_requests = env["WEB_MAX_REQUESTS"]
# Not all of them at the same time.
max_requests_jitter = max_requests // 10
# Threads read slow requests: a sync worker would be killed during a slow upload.
worker_class = "gthread"
# One import for all workers: they start sooner and share its memory.
preload_app = True
# One second less than supervisord waits, so that gunicorn itself ends what it must.
graceful_timeout = max(1, stop_seconds(env["STOP_BUDGET_S"], env["WEB_DRAIN_S"])["web"] - 1)
# Its default lies under the home folder, which may be read-only or shared by two checkouts.
control_socket_disable = True
# Heartbeats in memory: on a slow disk a worker could look hung.
worker_tmp_dir = "/dev/shm"  # noqa: S108 - gunicorn opens an unlinked file there
# X-Forwarded-* are Django's business (PROXY_COUNT): gunicorn would believe any peer on loopback.
secure_scheme_headers: dict[str, str] = {}
forwarded_allow_ips = ""
accesslog = "-"
# The logger writes the time. No query, which may hold what is nobody's business.
access_log_format = '%(h)s "%(m)s %(U)s" %(s)s %(B)s bytes %(M)s ms'
logconfig_dict = logging_config(env["LOG_LEVEL"], env["LOG_FORMAT"])


def on_starting(server: Arbiter) -> None:
    """Do not outlive supervisord; report from the master's loop, which looks after workers at every turn."""
    supervised.follow()
    murder_workers, spawn_worker = server.murder_workers, server.spawn_worker

    def turn() -> None:
        murder_workers()
        _report(server.num_workers)

    def spawn() -> int | None:
        # Until a new worker has its own handlers it has the master's, which only take note: a stop that comes
        # then is lost, and the master waits for its end in vain (github.com/benoitc/gunicorn/issues/1910).
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        try:
            pid: int | None = spawn_worker()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        return pid

    server.murder_workers, server.spawn_worker = turn, spawn


def post_worker_init(worker: Worker) -> None:
    """The first worker that has the application takes requests; the master's next turn is a second away."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    _report(worker.cfg.workers)


def _report(processes: int) -> None:
    supervised.report(env["DOORITO_RUNTIME_DIR"], "web", ready=True, processes=processes)


def when_ready(_: Arbiter) -> None:
    """The application is loaded and no worker forked yet: what each of them would load comes first."""
    get_resolver().url_patterns  # noqa: B018 - loads every view; Django would at each worker's first request
    if not current_app.conf.task_always_eager:
        current_app.connection_for_write().get_transport_cls()
    forking.share_memory()
