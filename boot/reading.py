"""How the registry's variables are read: from texts to an `Environment`, all problems at once."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from environs import Env, EnvValidationError

from boot import envfile, rules
from boot.values import on_one_line, quoted
from boot.variable import Raw, Variable

CLOSE: Final = 0.86  # difflib ratio: WEB_PROT is 0.875 from WEB_PORT; WEB_PORT_8000_TCP 0.64
# What Docker's links and Kubernetes set for a service that is called doorito.
SERVICE_LINK: Final = re.compile(
    r"_SERVICE_HOST|_SERVICE_PORT(_\w+)?|_PORT(_\d+_[A-Z]+(_\w+)?)?|_NAME|_ENV_\w+"
)

Registry = Mapping[str, Variable]


class InvalidEnvironment(Exception):
    """The environment cannot be used; `problems` says why, a line each, never a secret's value."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class _Source(Env):
    """environs, reading from the given texts alone; `FileAwareEnv` overrides the same method."""

    def __init__(self, texts: Raw) -> None:
        super().__init__(eager=False)
        self._texts = texts

    def _get_value(self, env_key: str, default: Any) -> Any:
        return self._texts.get(env_key, default)


@dataclass(frozen=True)
class Environment:
    """All variables, read and checked. `env["WEB_PORT"]` is a value; unset ones are None.

    Values stay out of its repr, which tracebacks with local variables show.
    """

    typed: Mapping[str, Any] = field(repr=False)
    texts: Raw = field(repr=False)
    sources: Mapping[str, str]  # name -> where its value came from, in words
    problems: tuple[str, ...]  # of what `examine` found; `load` returns none that has any
    warnings: tuple[str, ...]
    merged: Raw = field(repr=False)  # the process environment over the file: what programs are given

    def __getitem__(self, name: str) -> Any:
        return self.typed[name]


def examine(registry: Registry, process: Raw) -> Environment:
    """Read and check every variable; what could not be read is in `problems`, and missing elsewhere."""
    problems: list[str] = []
    file_name = process.get("DOORITO_ENV_FILE", "")
    in_file = _file_texts(file_name, problems) if file_name else {}
    set_here = {name: text for name, text in process.items() if text}
    merged = {**process, **in_file, **set_here}
    given = {name: text for name, text in merged.items() if text}
    sources = {name: "environment" if name in set_here else f"file {file_name}" for name in given}
    problems += _misspelt(given, {*registry, *_file_names(registry)})
    unreadable = _read_secret_files(registry, given, sources, problems)
    texts = _with_defaults(registry, given, sources, unreadable)
    typed = _parse(registry, texts, given, problems)
    if typed.get("DJANGO_CONFIGURATION") == "Production":
        missing = [v for v in registry.values() if v.required and v.name not in {*texts, *unreadable}]
        problems += [f"{v.name}: is required in Production; accepted: {v.kind.accepted}" for v in missing]
    known = {name: value for name, value in typed.items() if name not in unreadable}
    problems += [f"{name}: {message}" for name, message in rules.problems(known)]
    warnings: tuple[str, ...] = ()
    if not problems:
        doubtful = _doubtful(in_file, {*registry, *_file_names(registry)})
        warnings = (*doubtful, *(f"{name}: {message}" for name, message in rules.warnings(known)))
    return Environment(known, texts, sources, tuple(problems), warnings, merged)


def _file_texts(name: str, problems: list[str]) -> dict[str, str]:
    try:
        texts, wrong = envfile.parse(envfile.read(name))
    except envfile.UnreadableFile as error:
        problems.append(f"DOORITO_ENV_FILE: the file {quoted(name)} cannot be read ({error})")
        return {}
    problems += [f"{on_one_line(name)}, line {line}: is not of the form NAME=value" for line in wrong]
    return texts


def _misspelt(given: Raw, known: set[str]) -> list[str]:
    """Names that are not ours but close to one of ours that is unset, and unknown DOORITO_ ones."""
    unset = known - {name.removesuffix("_FILE") + end for name in given for end in ("", "_FILE")}
    found = []
    for name in sorted(set(given) - known):
        close = difflib.get_close_matches(name.upper(), unset, n=1, cutoff=CLOSE)
        if close:
            found.append(f"{on_one_line(name)}: is no variable of Doorito; did you mean {close[0]}?")
        elif name.startswith("DOORITO_") and not _is_set_for_us(name, given):
            found.append(f"{on_one_line(name)}: is no variable of Doorito; `doorito env` lists them")
    return found


def _doubtful(in_file: Raw, known: set[str]) -> list[str]:
    """Names in the file that are close to one of ours; outside of it they may be anybody's."""
    pairs = ((name, difflib.get_close_matches(name.upper(), known, n=1, cutoff=CLOSE)) for name in in_file)
    return [
        f"{on_one_line(name)}: is no variable of Doorito; did you mean {close[0]}?"
        for name, close in sorted(pairs)
        if close and name not in known
    ]


def _is_set_for_us(name: str, given: Raw) -> bool:
    """Whether `doorito run` has set the name for its programs, or a container engine for a link."""
    return "DOORITO_PROGRAM_FILES" in given or bool(SERVICE_LINK.fullmatch(name.removeprefix("DOORITO")))


def _file_names(registry: Registry) -> dict[str, str]:
    """NAME_FILE to NAME, for every secret."""
    return {f"{variable.name}_FILE": variable.name for variable in registry.values() if variable.secret}


def _read_secret_files(
    registry: Registry, given: dict[str, str], sources: dict[str, str], problems: list[str]
) -> set[str]:
    """Put the content of each NAME_FILE in place of NAME; returns the names that stay unknown."""
    unreadable = set()
    file_names = _file_names(registry)
    for file_name in sorted(file_names.keys() & given.keys()):
        name, path = file_names[file_name], given[file_name]
        if name in given:
            places_set = f"is set ({sources[name]}), and so is {file_name} ({sources[file_name]})"
            problems.append(f"{name}: {places_set}; set one of them")
            continue
        try:
            given[name] = envfile.read_secret(path)
            sources[name] = f"{file_name} ({on_one_line(path)})"
        except envfile.UnreadableFile as error:
            problems.append(f"{file_name}: the file that it names cannot be read ({error})")
            unreadable.add(name)
    return unreadable


def _with_defaults(
    registry: Registry, given: Raw, sources: dict[str, str], unreadable: set[str]
) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, variable in registry.items():
        default = variable.default_for({**texts, **given})
        if name in given:
            texts[name] = given[name]
        elif default is not None and name not in unreadable:
            texts[name] = default
            sources[name] = "default"
    return texts


def _parse(registry: Registry, texts: Raw, given: Raw, problems: list[str]) -> dict[str, Any]:
    """The values of those texts that could be read, None for what is unset."""
    source = _Source(texts)
    for variable in registry.values():
        source.add_parser(f"parse_{variable.name}", variable.kind.parse)
    typed: dict[str, Any] = dict.fromkeys(registry)
    typed |= {name: getattr(source, f"parse_{name}")(name) for name in texts}
    wrong = _wrong(source)
    problems += [_problem(registry[name], texts[name], wrong[name][0]) for name in wrong if name in given]
    return {name: value for name, value in typed.items() if name not in wrong}


def _wrong(source: Env) -> Mapping[str, list[str]]:
    try:
        source.seal()
    except EnvValidationError as error:
        return cast("Mapping[str, list[str]]", error.error_messages)
    return {}


def _problem(variable: Variable, text: str, predicate: str) -> str:
    hidden = variable.secret or "@" in text  # somebody's password in a URL that is to hold none
    subject = "its value" if hidden else quoted(text)
    return f"{variable.name}: {subject} {predicate}; accepted: {variable.kind.accepted}"
