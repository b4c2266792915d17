"""Whether the tables are those that the code expects."""

from __future__ import annotations

from typing import Final

from boot import roles
from boot.doctor.deployment import Deployment
from boot.doctor.finding import Finding, error, ok, warning
from boot.doctor.server import Server

CHECK: Final = "migrations"
NAMED: Final = 3  # of the pending ones; the first tell most
COMMAND: Final = "`doorito run manage migrate`"


def check(deployment: Deployment, server: Server) -> Finding:
    lacking = deployment.lacks("RUN_MIGRATIONS")
    runs = not lacking and roles.runs_migrations(deployment.role or "all", deployment.env.typed)
    return applied(server, runs)


def applied(server: Server, at_start: bool) -> Finding:
    """`at_start`: the next start applies what is missing, so that nobody waits for it in vain."""
    if server.is_new:
        return warning(CHECK, "none is applied", COMMAND)
    if server.pending is None:
        reason = server.pending_reason or "unknown"
        return error(CHECK, f"cannot be told: {reason}", "grant the user of DATABASE_URL its own tables")
    if not server.pending:
        return ok(CHECK, "all are applied")
    message = _words(server.pending)
    if at_start:
        return warning(CHECK, message, f"the next start applies them, as does {COMMAND}")
    return error(CHECK, message, f"RUN_MIGRATIONS=true for one start, or {COMMAND}")


def _words(pending: tuple[str, ...]) -> str:
    named, more = ", ".join(pending[:NAMED]), len(pending) - NAMED
    verb = "is" if len(pending) == 1 else "are"
    return f"{len(pending)} {verb} not applied: {named}" + (f" and {more} more" if more > 0 else "")
