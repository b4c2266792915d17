"""This machine's clock against the database's, which is the one clock that all machines can ask.

Web servers, workers and beat on several machines compare times that others have written: when a signed
token or a session ends, when a task with a countdown is due, what beat ran last. A second is noise of
what they do; half a minute shows.
"""

from __future__ import annotations

from typing import Final

from boot.doctor.finding import Finding, error, ok, skipped, warning
from boot.doctor.server import Server

CHECK: Final = "clock"
WARNING_S: Final = 1.0  # seconds; a clock that is kept in step is off by milliseconds
ERROR_S: Final = 30.0
MEND: Final = "keep both clocks in step with NTP (`timedatectl set-ntp true` where systemd runs)"


def check(server: Server) -> Finding:
    """Judges what is certain: the offset less half the round trip, by which it may be wrong."""
    ahead, doubt = server.clock_ahead_s, server.clock_doubt_s
    if ahead is None:
        return skipped(CHECK, "SQLite has none of its own")
    way = "ahead of" if ahead > 0 else "behind"
    message = f"the database's is {abs(ahead):.3f} s {way} this machine's (give or take {doubt:.3f} s)"
    certain = abs(ahead) - doubt
    if certain > ERROR_S:
        return error(CHECK, message, MEND)
    return warning(CHECK, message, MEND) if certain > WARNING_S else ok(CHECK, message)
