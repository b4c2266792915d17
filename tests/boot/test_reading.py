"""Which source a variable's value comes from, and which names are slips."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from boot import roles
from boot.env import REGISTRY, VARIABLES, Environment, Variable, examine, load
from boot.places import BASE_DIR

KEY = "kX0-random-enough-and-longer-than-fifty-characters-3Fq9"
PRODUCTION = {
    "DJANGO_CONFIGURATION": "Production",
    "DJANGO_SECRET_KEY": KEY,
    "DJANGO_ALLOWED_HOSTS": "example.org",
    "PUBLIC_URL": "https://example.org",
    "DATABASE_URL": "postgresql://doorito:hunter2@db/doorito",
}


def problems(environ: dict[str, str]) -> list[str]:
    return list(examine(environ).problems)


def from_file(tmp_path: Path, content: str, **process: str) -> Environment:
    path = tmp_path / "file.env"
    path.write_bytes(content.encode())
    return examine({"DOORITO_ENV_FILE": str(path), **process})


def test_an_empty_value_counts_as_unset(tmp_path: Path) -> None:
    """In the process environment, where it hides nothing of the file, and in the file."""
    assert load(dict.fromkeys(VARIABLES, "")).typed == load({}).typed
    found = from_file(tmp_path, "WEB_PORT=9000\nWEB_WORKERS=\n", WEB_PORT="")
    assert (found["WEB_PORT"], found["WEB_WORKERS"]) == (9000, 4)
    assert found.merged["WEB_PORT"] == "9000"
    assert found.sources["WEB_PORT"].startswith("file ")


def test_the_process_environment_wins_over_the_file(tmp_path: Path) -> None:
    """And programs are given the same: the process environment over the file."""
    found = from_file(tmp_path, "WEB_PORT=9000\nWEB_WORKERS=2\nOTHER=x\n", WEB_PORT="9001", HOME="/home/me")
    assert (found["WEB_PORT"], found["WEB_WORKERS"]) == (9001, 2)
    assert found.sources["WEB_PORT"] == "environment"
    assert found.sources["WEB_WORKERS"] == f"file {tmp_path}/file.env"
    assert found.sources["WEB_THREADS"] == "default"
    assert {
        "WEB_PORT": "9001",
        "WEB_WORKERS": "2",
        "OTHER": "x",
        "HOME": "/home/me",
    }.items() <= found.merged.items()


def test_the_given_environment_alone_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """`load` of a mapping does not look at os.environ; without one it does, and changes nothing there."""
    monkeypatch.setenv("WEB_PORT", "9002")
    before = dict(os.environ)
    assert load({})["WEB_PORT"] == 8000
    assert load()["WEB_PORT"] == 9002
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (f"{KEY}\n", KEY),
        (f"{KEY}\r\n", KEY),
        (KEY, KEY),
        (f"{KEY}\n\n", f"{KEY}\n"),
        (f"{KEY}\r", f"{KEY}\r"),
        (f" {KEY} \n", f" {KEY} "),
        (f"${{HOME}}%(x)s#'\"\\{KEY}é\n", f"${{HOME}}%(x)s#'\"\\{KEY}é"),
    ],
)
def test_a_secret_file_is_taken_whole_less_one_final_newline(
    content: str, secret: str, tmp_path: Path
) -> None:
    """\\n or \\r\\n is what editors and `echo` add; all the rest is the secret."""
    (tmp_path / "key").write_bytes(content.encode())
    environ = {**PRODUCTION, "DJANGO_SECRET_KEY": "", "DJANGO_SECRET_KEY_FILE": f"{tmp_path}/key"}
    found = load(environ)
    assert found["DJANGO_SECRET_KEY"] == secret
    assert found.sources["DJANGO_SECRET_KEY"] == f"DJANGO_SECRET_KEY_FILE ({tmp_path}/key)"
    assert secret not in str(dict(found.merged))  # programs read the file themselves


@pytest.mark.parametrize("variable", [v for v in REGISTRY if v.secret], ids=lambda v: v.name)
def test_every_secret_can_be_a_file(variable: Variable, tmp_path: Path) -> None:
    """Also from a file of variables, whose relative paths are below the project's root."""
    texts = {
        "DATABASE_URL": "postgresql://u:p@h/d", "CELERY_BROKER_URL": "amqp://u:p@h//", "EMAIL_URL": "smtp://u:p@h",
    }  # fmt: skip
    text = texts.get(variable.name, KEY)
    (tmp_path / "secret").write_text(text + "\n")
    content = f"{variable.name}_FILE={os.path.relpath(tmp_path / 'secret', BASE_DIR)}\n"
    found = from_file(tmp_path, content, DJANGO_SUPERUSER_EMAIL="a@example.org", DJANGO_SUPERUSER_PASSWORD="")
    wanted = "DJANGO_SUPERUSER_PASSWORD"
    assert [problem.split(":")[0] for problem in found.problems] == (
        [] if variable.name == wanted else [wanted]
    )
    assert found[variable.name] == text


def test_a_name_and_its_file_together_are_a_problem(tmp_path: Path) -> None:
    """Wherever either is set: nobody has to guess which one holds."""
    (tmp_path / "key").write_text(KEY)
    process = {"DJANGO_SECRET_KEY_FILE": f"{tmp_path}/key"}
    (problem,) = problems({**process, "DJANGO_SECRET_KEY": KEY})
    assert problem.startswith("DJANGO_SECRET_KEY: is set (environment), and so is DJANGO_SECRET_KEY_FILE")
    (problem,) = from_file(tmp_path, f"DJANGO_SECRET_KEY={KEY}\n", **process).problems
    assert f"is set (file {tmp_path}/file.env)" in problem
    assert KEY not in problem


def test_a_secret_file_that_cannot_be_used_is_one_problem(tmp_path: Path) -> None:
    """Missing, a folder, empty, or not UTF-8; no default steps in and no other problem follows."""
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "latin1").write_bytes(b"\xe9")
    for variable in (variable for variable in REGISTRY if variable.secret):
        for name, reason in (
            ("none", "No such file or directory"),
            ("", "Is a directory"),
            ("empty", "it is empty"),
            ("latin1", "it is not UTF-8 text"),
        ):
            environ = {
                **PRODUCTION,
                "DJANGO_SUPERUSER_EMAIL": "a@b",
                "DJANGO_SUPERUSER_PASSWORD": "x",
                variable.name: "",
            }
            found = examine({**environ, f"{variable.name}_FILE": f"{tmp_path}/{name}"})
            expected = f"{variable.name}_FILE: the file that it names cannot be read ({reason})"
            assert found.problems == (expected,)
            assert variable.name not in found.typed


@pytest.mark.skipif(os.getuid() == 0, reason="root reads every file")
def test_a_secret_file_without_permission_is_a_problem(tmp_path: Path) -> None:
    """As a container's user meets it when the secret belongs to root."""
    (tmp_path / "key").touch(mode=0)
    (problem,) = problems({"DJANGO_SECRET_KEY_FILE": f"{tmp_path}/key"})
    assert "Permission denied" in problem


def test_a_file_for_what_is_no_secret_is_not_read(tmp_path: Path) -> None:
    """NAME_FILE is for secrets; DOORITO_ENV_FILE is a variable of its own."""
    (tmp_path / "port").write_text("9000")
    assert load({"WEB_PORT_FILE": f"{tmp_path}/port"})["WEB_PORT"] == 8000


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("WEB_PROT", "WEB_PORT"),
        ("WEBPORT", "WEB_PORT"),
        ("web_port", "WEB_PORT"),
        ("DATABASE_URI", "DATABASE_URL"),
        ("DJANGO_ALOWED_HOSTS", "DJANGO_ALLOWED_HOSTS"),
        ("DJANGO_SECRETKEY", "DJANGO_SECRET_KEY"),
        ("DJANGO_SECRET_KEY_FIEL", "DJANGO_SECRET_KEY_FILE"),
        ("CELERY_QUEUE", "CELERY_QUEUES"),
        ("CELERYD_CONCURRENCY", "CELERY_CONCURRENCY"),
        ("DOORITO_STATEDIR", "DOORITO_STATE_DIR"),
        ("LOGLEVEL", "LOG_LEVEL"),
    ],
)
def test_a_misspelt_name_is_a_problem_that_says_which_was_meant(
    wrong: str, meant: str, tmp_path: Path
) -> None:
    """From the process and from the file, and not by its value."""
    expected = f"{wrong}: is no variable of Doorito; did you mean {meant}?"
    assert problems({wrong: "hunter2"}) == [expected]
    assert list(from_file(tmp_path, f"{wrong}=hunter2\n").problems) == [expected]
    assert problems({wrong: ""}) == []


def test_an_unknown_name_with_our_prefix_is_a_problem() -> None:
    """DOORITO_ is ours alone; a name with a line end in it stays on one line."""
    assert problems({"DOORITO_NONSENSE": "1"}) == [
        "DOORITO_NONSENSE: is no variable of Doorito; `doorito env` lists them"
    ]
    (problem,) = problems({"DOORITO_\nNONSENSE": "1"})
    assert problem.startswith(r'"DOORITO_\nNONSENSE": ')


def test_what_the_launcher_sets_for_its_programs_is_no_problem() -> None:
    """They inherit what supervisord's configuration interpolates, and load the registry again."""
    typed = load({}).typed
    for role in roles.SUPERVISED:
        added = roles.supervisor_environment(role, roles.programs(role, True, typed), False, typed, "/run")
        assert problems(added) == []


def test_ordinary_environments_cause_no_false_alarm() -> None:
    """Shells, systemd, Docker, Kubernetes, CI and Python set many names, and none of them is a slip."""
    names = (BASE_DIR / "tests/boot/ordinary_names.txt").read_text().split()
    assert len(names) > 150
    for environ in ({}, PRODUCTION):
        assert problems({**environ, **dict.fromkeys(names, "x")}) == []


def test_a_misspelt_name_in_the_file_is_mentioned_beside_the_right_one(tmp_path: Path) -> None:
    """The file is Doorito's own; what is set elsewhere may be anybody's."""
    found = from_file(tmp_path, "WEB_WORKERS=2\nWEB_WORKRES=3\n", WEB_WORKRS="4")
    assert found.warnings[0] == "WEB_WORKRES: is no variable of Doorito; did you mean WEB_WORKERS?"
    assert found.problems == ()
    assert found["WEB_WORKERS"] == 2


@pytest.mark.parametrize(
    ("name", "beside"),
    [
        ("WEB_PORT", "WEB_PORTS"),
        ("DATABASE_URL", "DATABASE_URL_RO"),
        ("DATABASE_URL", "DATABASE_URL_LIVE"),
        ("DATABASE_URL_FILE", "DATABASE_URLS"),
    ],
)
def test_a_name_beside_the_one_it_resembles_is_somebody_elses(name: str, beside: str, tmp_path: Path) -> None:
    """Where NAME or NAME_FILE is set, nobody can have meant either of them by something else."""
    (tmp_path / "url").write_text("postgresql://u@h/d")
    text = {"WEB_PORT": "9000", "DATABASE_URL": "postgresql://u@h/d"}.get(name, f"{tmp_path}/url")
    assert problems({name: text, beside: "x"}) == []
