"""What `doorito env` says of the registry: the table, JSON, one variable, and two generated files."""

from __future__ import annotations

import difflib
import json
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from boot.env import EX_CONFIG, GROUPS, REGISTRY, VARIABLES, Environment, Raw, Variable, examine
from boot.places import BASE_DIR
from boot.values import on_one_line, quoted

WIDTH: Final = 100  # columns
HIDDEN: Final = "***"
# What docker-compose.yml does not start without; `.env` is its file.
COMPOSE_NEEDS: Final = ("DJANGO_SECRET_KEY", "DJANGO_ALLOWED_HOSTS", "DATABASE_PASSWORD")
# What a URL's query may show; whatever else stands there might be a password or a key.
HARMLESS: Final = frozenset(
    {"host", "port", "service", "sslmode", "connect_timeout", "timeout", "tls", "ssl"}
)
NAME_COLUMNS: Final = max(map(len, VARIABLES)) + 1
LEGEND: Final = "* is set, ! is wrong; (in parentheses) is the default. Secrets are not shown.\n"


class UnknownVariable(Exception):
    """No variable of the registry has that name."""


def show(as_json: bool = False) -> int:
    """Print the table, or JSON with the problems on standard error; the exit status is 78 for problems."""
    found = examine()
    if reconfigure := getattr(sys.stdout, "reconfigure", None):
        reconfigure(errors="backslashreplace")  # a locale may be unable to print a value
    print(_json(found) if as_json else _table(found), end="")
    if as_json:
        for problem in found.problems:
            print(f"doorito: {problem}", file=sys.stderr)
    return EX_CONFIG if found.problems else 0


def table(environ: Raw | None = None) -> str:
    """Every variable with its value, where that came from, what is wrong with it, and its help."""
    return _table(examine(environ))


def as_json(environ: Raw | None = None) -> str:
    """The same as a list of objects, one a variable."""
    return _json(examine(environ))


def explain(name: str, environ: Raw | None = None) -> str:
    """All about one variable, or about the one that a NAME_FILE stands for.

    Raises UnknownVariable.
    """
    variable = _find(name)
    found = examine(environ)
    facts = {
        "Type": variable.kind.type + (f" ({variable.kind.unit})" if variable.kind.unit else ""),
        "Accepted": variable.kind.accepted,
        "Default": default_words(variable) or "none",
        "Production": _production_words(variable),
        "Read by": ", ".join(variable.roles),
        "Secret": f"yes; {variable.name}_FILE may name a file that holds it" if variable.secret else "no",
        "Now": f"{_value(variable, found)} ({found.sources.get(variable.name, 'unset')})",
    }
    lines = [f"{title + ':':<12}{text}" for title, text in facts.items()]
    lines += [f"{'Wrong:':<12}{problem}" for problem in _problems(variable, found)]
    return "\n".join([variable.name, textwrap.indent(_wrapped(variable.help, WIDTH - 4), "    "), "", *lines])


def write(root: Path = BASE_DIR) -> list[Path]:
    """Write the generated files anew."""
    for name, content in _generated().items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(content, encoding="utf-8")
    return [root / name for name in _generated()]


def check(root: Path = BASE_DIR) -> list[str]:
    """Which generated files are stale or missing, a line each."""
    return [
        f"{name} is not what the registry says; `doorito env write` mends it"
        for name, content in _generated().items()
        if not (root / name).is_file() or (root / name).read_text(encoding="utf-8") != content
    ]


def masked(variable: Variable, text: str) -> str:
    """The text as it may be shown: of a secret URL all but passwords, of other secrets nothing."""
    if not variable.secret:
        return on_one_line(text)
    return _without_password(text) if variable.kind.type == "URL" else HIDDEN


def default_words(variable: Variable, production: bool = False) -> str | None:
    """The default in words that are the same on every machine; None where there is none."""
    if production and variable.required:
        return None
    chosen = variable.production if production and variable.production is not None else variable.default
    if variable.default_text:
        return variable.default_text
    return chosen if isinstance(chosen, str) else None


def _generated() -> dict[str, str]:
    return {".env.example": _env_example(), "docs/environment.md": _page()}


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    user, at, address = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    query = "&".join(f"{key}={value if key in HARMLESS else HIDDEN}" for key, value in pairs)
    # Not urlunsplit, which drops the empty authority of console:// and sqlite:///
    start = f"{parts.scheme}://{name}{colon and ':' + HIDDEN}{at}{address}{parts.path}"
    return f"{start}?{query}" if query else start


def _value(variable: Variable, found: Environment) -> str:
    """The value as a table shows it; a default stands in parentheses."""
    name = variable.name
    by_default = found.sources.get(name, "default") == "default"
    if name in found.typed and name in found.texts:
        shown = masked(variable, found.texts[name])
        return f"({variable.default_text if shown == HIDDEN else shown})" if by_default else shown
    if by_default and not _problems(variable, found):
        return f"({variable.default_text or 'unset'})"
    text = found.texts.get(name)
    return HIDDEN if text is None or variable.secret or "@" in text else quoted(text)


def _problems(variable: Variable, found: Environment) -> list[str]:
    starts = (f"{variable.name}: ", f"{variable.name}_FILE: ")
    return [problem for problem in found.problems if problem.startswith(starts)]


def _find(name: str) -> Variable:
    wanted = name.upper()
    variable = VARIABLES.get(wanted) or VARIABLES.get(wanted.removesuffix("_FILE"))
    if variable and (wanted == variable.name or variable.secret):
        return variable
    close = difflib.get_close_matches(wanted, VARIABLES, n=1)
    hint = f"did you mean {close[0]}?" if close else "`doorito env` lists them"
    raise UnknownVariable(f"{on_one_line(name)} is no variable of Doorito; {hint}")


def _production_words(variable: Variable) -> str:
    words = default_words(variable, production=True)
    if variable.required:
        return "must be set"
    return "the same default" if words == default_words(variable) else f"{words}"


def _wrapped(text: str, width: int) -> str:
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)


def _table(found: Environment) -> str:
    lines = []
    for title, group in GROUPS.items():
        lines += [title, ""]
        for variable in group:
            lines += _rows(variable, found)
        lines.append("")
    ours = {problem for variable in REGISTRY for problem in _problems(variable, found)}
    others = [f"! {problem}" for problem in found.problems if problem not in ours]
    warnings = [f"Note: {_wrapped(warning, WIDTH - 6)}" for warning in found.warnings]
    return "\n".join([*lines, *others, *warnings, LEGEND])


def _rows(variable: Variable, found: Environment) -> Iterator[str]:
    problems = _problems(variable, found)
    source = found.sources.get(variable.name, "default")
    mark = "!" if problems else " " if source == "default" else "*"
    origin = "" if source == "default" else f"  [{source}]"
    yield f"{mark} {variable.name:<{NAME_COLUMNS}} {_value(variable, found)}{origin}"
    for text in (*problems, variable.help):
        yield textwrap.indent(_wrapped(text, WIDTH - 6), "      ")


def _json(found: Environment) -> str:
    return (
        json.dumps([_object(title, v, found) for title, group in GROUPS.items() for v in group], indent=2)
        + "\n"
    )


def _object(group: str, variable: Variable, found: Environment) -> dict[str, Any]:
    name = variable.name
    readable = name in found.typed and name in found.texts
    return {
        "name": name,
        "group": group,
        "value": masked(variable, found.texts[name]) if readable else None,
        "source": found.sources.get(name, "unset"),
        "problems": _problems(variable, found),
        "default_dev": default_words(variable),
        "default_production": default_words(variable, production=True),
        "type": variable.kind.type,
        "unit": variable.kind.unit,
        "accepted": variable.kind.accepted,
        "secret": variable.secret,
        "required": variable.required,
        "roles": list(variable.roles),
        "help": variable.help,
    }


def _env_example() -> str:
    head = (
        "# Generated from boot/env.py by `doorito env write`. Every variable of Doorito, with its default.\n"
        "# For docker compose copy it to .env and fill in what is marked REQUIRED. Elsewhere name the\n"
        "# copy in DOORITO_ENV_FILE. Uncomment what is to differ. Values with spaces or other specials go\n"
        "# in 'single quotes', where nothing is interpolated. Empty counts as unset.\n"
    )
    sections = [
        f"\n# --- {title} ---\n\n" + "\n".join(map(_example, group)) for title, group in GROUPS.items()
    ]
    return head + "".join(sections)


def _example(variable: Variable) -> str:
    facts = [
        variable.help,
        f"Accepted: {variable.kind.accepted}.",
        f"Default: {_defaults_sentence(variable)}.",
    ]
    if variable.secret:
        facts.append(f"Or {variable.name}_FILE: a file that holds it.")
    needed = variable.name in COMPOSE_NEEDS
    if needed:
        facts.append("REQUIRED by docker compose: fill it in.")
    comment = "\n".join(textwrap.indent(_wrapped(fact, WIDTH - 2), "# ") for fact in facts)
    # An example that depends on the machine, or that is a secret, would be of no use: empty is unset.
    plain = variable.default if isinstance(variable.default, str) else ""
    text = plain if not variable.secret or masked(variable, plain) == plain else ""
    return f"{comment}\n" + (f"{variable.name}=\n" if needed else f"#{variable.name}={_in_file(text)}\n")


def _defaults_sentence(variable: Variable) -> str:
    here, there = default_words(variable) or "none", _production_words(variable)
    return here if there == "the same default" else f"{here}; in Production: {there}"


def _in_file(text: str) -> str:
    """The text as a file of NAME=value lines takes it, for python-dotenv, shells and Compose alike."""
    return text if re.fullmatch(r"[\w./:,@+-]*", text) else f"'{text}'"


def _page() -> str:
    head = (
        "# Environment variables\n\n"
        "Generated from `boot/env.py` by `doorito env write`. `doorito env` shows the values that hold now\n"
        "and where each came from; `doorito env explain NAME` tells all about one.\n\n"
        "- An empty value counts as unset. Nothing is interpolated: `$`, `%` and `#` are just characters.\n"
        "- The process environment wins over the file that `DOORITO_ENV_FILE` names.\n"
        "- A secret may come as `NAME_FILE`: the path of a UTF-8 file that holds it, whose final newline\n"
        "  does not count. Of `NAME` and `NAME_FILE` only one may be set.\n"
        "- All problems are reported at once, with exit status 78; a secret's value is never shown.\n"
        "- A misspelt name is a problem too; beside the right one, in the file, a warning.\n"
    )
    return head + "".join(f"\n## {title}\n\n{_page_table(group)}" for title, group in GROUPS.items())


def _page_table(group: tuple[Variable, ...]) -> str:
    rows = [("Variable", "Default", "Accepted", "What it does", "Read by"), ("---",) * 5]
    rows += [
        (
            f"`{variable.name}`" + (" (secret)" if variable.secret else ""),
            _defaults_sentence(variable),
            variable.kind.accepted,
            variable.help,
            ", ".join(variable.roles),
        )
        for variable in group
    ]
    return "".join("| " + " | ".join(map(_cell, row)) + " |\n" for row in rows)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
