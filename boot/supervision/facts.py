"""What the launcher decided and the plug-in needs, of facts.json: the plug-in reads no environment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from boot.health import Address

EXIT = "exit"


class Facts(NamedTuple):
    """See `boot.roles.facts`, which writes them."""

    log_format: str  # "text" or "json"
    is_coloured: bool
    reporting: tuple[str, ...]  # programs whose loops report
    address: Address  # of /readyz
    holds_socket: bool  # whether supervisord has the web server's listening socket
    backlog: int  # connections
    postmaster_file: Path  # of the embedded PostgreSQL
    on_failure: str  # "exit", or "keep" the others up
    restarts_most: int
    restarts_within_s: float
    watchdog_s: Mapping[str, float]  # by program; 0 for none
    drain_s: float
    processes: Mapping[str, int]  # that a program is to work with, for those that have several

    @classmethod
    def read(cls, runtime_dir: Path) -> Facts:
        return cls.of(json.loads(Path(runtime_dir, "facts.json").read_bytes()))

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Facts:
        """Raises KeyError, TypeError, ValueError for those of another version."""
        most, within_s = said["restarts"]
        return cls(
            log_format=said["log_format"],
            is_coloured=said["coloured"],
            reporting=tuple(said["reporting"]),
            address=Address.of(said["probe"]),
            holds_socket=said["holds_socket"],
            backlog=said["backlog"],
            postmaster_file=Path(said["postmaster_file"]),
            on_failure=said["on_failure"],
            restarts_most=most,
            restarts_within_s=within_s,
            watchdog_s=said["watchdog_s"],
            drain_s=said["drain_s"],
            processes=said["processes"],
        )
