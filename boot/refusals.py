"""What libpq and PostgreSQL say of a database that cannot be used, and what then helps.

By their English words: libpq gives no SQLSTATE for a connection that was refused.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple


class Refusal(NamedTuple):
    """`pattern` is looked for in what was said; `is_final` where waiting would not help."""

    pattern: str
    mend: str
    is_final: bool = False


OR_BESIDE: Final = " or in DATABASE_PASSWORD"  # other URLs hold theirs
# The first that matches counts.
REFUSALS: Final = (
    Refusal(
        r"password authentication|no password supplied",
        f"set the right user in DATABASE_URL, and the right password there{OR_BESIDE}",
        is_final=True,
    ),
    Refusal(r"pg_hba\.conf", "allow this machine and this user in the server's pg_hba.conf"),
    Refusal(
        r"authentication failed",
        "name the user in DATABASE_URL that the server's pg_hba.conf lets in from here",
        is_final=True,
    ),
    Refusal(
        r"(database|role) .* does not exist",
        "create it on the server, or name another in DATABASE_URL",
        is_final=True,
    ),
    Refusal(r"too many|connection slots", "raise max_connections of the server; `doorito doctor` reckons it"),
    Refusal(r"host name|resolve|not known", "mend the host in DATABASE_URL, or the name service"),
    Refusal(r"refused|No such file", "start the server, or mend host and port in DATABASE_URL"),
    Refusal(r"invalid response", "mend host and port in DATABASE_URL: what answers there is no PostgreSQL"),
    Refusal(
        r"time-?out|timed out|not answer|unreachable|No route",
        "mend host and port in DATABASE_URL, or the firewall in between",
    ),
)
UNKNOWN: Final = Refusal("", "mend DATABASE_URL or the server, whose log may say more")


def understand(reason: str, variable: str = "DATABASE_URL") -> Refusal:
    """What the driver's words mean, for the database that `variable` names."""
    matching = (one for one in REFUSALS if re.search(one.pattern, reason, re.IGNORECASE))
    found = next(matching, UNKNOWN)
    if variable == "DATABASE_URL":
        return found
    return found._replace(mend=found.mend.replace(OR_BESIDE, "").replace("DATABASE_URL", variable))
