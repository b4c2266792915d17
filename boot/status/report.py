"""The table of `doorito status`, and the same for machines. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from boot import health
from boot.status.usage import Usage

GREEN: Final = "\x1b[32m"
YELLOW: Final = "\x1b[33m"
RED: Final = "\x1b[31m"
PLAIN: Final = "\x1b[0m"
HEADINGS: Final = ("PROGRAM", "STATE", "PID", "UPTIME", "RESTARTS", "PROCESSES", "MEMORY", "CPU", "READY")
RIGHT: Final = frozenset({"PID", "UPTIME", "RESTARTS", "PROCESSES", "MEMORY", "CPU"})  # numbers
NONE: Final = "-"


def rows(
    programs: Sequence[Mapping[str, Any]], usage: Mapping[int, Usage], shares: Mapping[int, float]
) -> list[dict[str, Any]]:
    """What supervisord says of programs, with what they use: memory in bytes, CPU in per cent of one core."""
    return [
        {
            **program,
            "memory": usage[program["pid"]].memory if program["pid"] in usage else None,
            "cpu_percent": round(shares[program["pid"]], 1) if program["pid"] in shares else None,
        }
        for program in programs
    ]


def is_well(programs: Sequence[Mapping[str, Any]]) -> bool:
    """Whether all run and are ready."""
    return all(program["state"] == "RUNNING" and program["ready"] for program in programs)


def as_json(found: Sequence[Mapping[str, Any]]) -> str:
    """An object: whether all is well, and the programs."""
    return json.dumps({"ready": is_well(found), "programs": list(found)}, indent=2) + "\n"


def table(found: Sequence[Mapping[str, Any]], coloured: bool) -> str:
    """A line for each program, its readiness last: reasons may be long."""
    cells = [_cells(program) for program in found]
    lines = [dict(zip(HEADINGS, HEADINGS, strict=True)), *cells]
    widths = {name: max(len(line[name]) for line in lines) for name in HEADINGS}
    texts = [_line(line, widths) for line in lines]
    if coloured:
        texts[1:] = [_coloured(program, text) for program, text in zip(found, texts[1:], strict=True)]
    return "\n".join(texts) + "\n"


def _cells(program: Mapping[str, Any]) -> dict[str, str]:
    runs = bool(program["pid"])
    known = health.Health(program["name"], program["ready"], tuple(program["reasons"]))
    values = (
        program["name"],
        program["state"],
        str(program["pid"]) if runs else NONE,
        _duration(program["uptime_s"]) if runs else NONE,
        str(program["restarts"]),
        _processes(program),
        NONE if program["memory"] is None else f"{program['memory'] / 1e6:.0f} MB",
        NONE if program["cpu_percent"] is None else f"{program['cpu_percent']:.1f} %",
        health.words(known) if runs else NONE,
    )
    return dict(zip(HEADINGS, values, strict=True))


def _processes(program: Mapping[str, Any]) -> str:
    """How many it works with; and how many it was started with, where somebody has changed that."""
    now, configured = program["processes"], program["configured_processes"]
    if not now:
        return NONE
    return f"{now} (set: {configured})" if configured and now != configured else str(now)


def _duration(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    clock = f"{hour}:{minute:02d}:{second:02d}"
    return f"{days}d {clock}" if days else clock


def _line(cells: Mapping[str, str], widths: Mapping[str, int]) -> str:
    aligned = {name: f"{cells[name]:{'>' if name in RIGHT else '<'}{widths[name]}}" for name in HEADINGS}
    return "  ".join(aligned.values()).rstrip()


def _coloured(program: Mapping[str, Any], text: str) -> str:
    if program["state"] == "RUNNING" and program["ready"]:
        return f"{GREEN}{text}{PLAIN}"
    return f"{RED if program['state'] in ('FATAL', 'BACKOFF') else YELLOW}{text}{PLAIN}"
