"""Whether workers can take tasks from the broker's database."""

from __future__ import annotations

from typing import Final

from boot.doctor.finding import Finding, error, ok, skipped
from boot.doctor.server import Server
from boot.refusals import understand

CHECK: Final = "broker"
VARIABLES: Final = {"default": "DATABASE_URL", "broker": "CELERY_BROKER_URL"}  # by Django's name
COMMAND: Final = "`doorito broker migrate`"


def check(server: Server) -> Finding:
    if not server.broker:
        return skipped(CHECK, "it is not PostgreSQL, or not used")
    variable = VARIABLES[server.broker]
    if server.broker_reason:
        mend = understand(server.broker_reason, variable).mend
        return error(CHECK, f"{variable} cannot be used: {server.broker_reason}", mend)
    if server.is_broker_shared:
        return error(
            CHECK,
            f"{variable} leads through a pooler that shares connections: tasks can be sent and none taken",
            "name the server itself in CELERY_BROKER_URL, or have the pooler pool by session",
        )
    if not server.broker_lacks:
        return ok(CHECK, f"its tables are in the database of {variable}")
    if server.broker == "default" and server.pending:
        return skipped(CHECK, "the migrations make its tables")
    return error(CHECK, f"the database of {variable} {server.broker_lacks}", COMMAND)
