"""A host without containers: what deploy/README.md promises, tried with systemd as process 1."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.scenarios.host.machine import Machine, readme, variables
from tests.system.stack import wait_until

pytestmark = pytest.mark.scenario
PROBE = Path(__file__).with_name("probe.py")
RUNNING = {"web", "celery-worker", "celery-beat"}


def running(host: Machine) -> set[str]:
    """The programs that a bare supervisorctl calls RUNNING; its words where it shows none."""
    said = host.run("cd /; supervisorctl status", status=None)
    return {line.split()[0] for line in said.splitlines() if "RUNNING" in line} or {said}


def processes(host: Machine) -> set[str]:
    """The pids of the service's user."""
    return set(host.run("pgrep --uid doorito || true").split())


def found(host: Machine, patterns: str) -> list[str]:
    """Those files and folders that are there."""
    return host.run(f"ls -d {patterns} 2>/dev/null || true").split()


def test_a_new_user_follows_the_readme(installed: tuple[Machine, list[str]]) -> None:
    """The first step says what to fill in, the second starts everything."""
    host, (first, second) = installed
    assert "DATABASE_URL: is SQLite in Production" in first
    assert "1. fill in /etc/doorito/environment" in first
    assert "it runs: https://example.org" in second
    assert host.unit("ActiveState") == "active"
    assert running(host) == RUNNING
    assert "Log in" in host.page()
    for look in (readme("2. Look"), readme("6. Logs")):
        assert "ready: https://example.org" in host.run(look)
    assert host.run("doorito run id -un") == "doorito\n"


def test_the_configuration_is_for_the_service_alone_and_the_code_is_not_its_own(host: Machine) -> None:
    """The file is 0600; nothing of a release can be written by the service's user."""
    assert host.run("stat -c '%U %G %a' /etc/doorito/environment").split() == ["doorito", "doorito", "600"]
    assert host.run("find /opt/doorito ! -user root -o -perm /022 ! -type l") == ""
    host.run("cat /opt/doorito/current/staticfiles/staticfiles.json >/dev/null", user="doorito")


def test_a_second_install_changes_nothing(host: Machine) -> None:
    """Same files, same process, and it says so."""
    listing = (
        "find /etc/doorito /opt/doorito /etc/supervisord.conf /usr/local/bin -printf '%p %T@ %s %m %l\\n'"
    )
    look = (
        f"{listing} | grep -v '/usr/local/bin\\|supervisord.conf' | sort; systemctl show -p MainPID doorito"
    )
    before = host.run(look)
    assert "it runs already" in host.run("deploy/install.sh")
    assert host.run(look) == before


def test_one_of_install_upgrade_and_roll_back_runs_at_a_time(host: Machine) -> None:
    """The second is told so, with status 69."""
    assert "wait until it has ended" in host.run("flock /opt/doorito deploy/install.sh", status=69)


def test_the_configuration_of_another_supervisord_stays(host: Machine) -> None:
    """Its supervisorctl must not suddenly ask ours; how to ask ours is said."""
    host.run("echo '; of another' >/etc/supervisord.conf")
    assert "/opt/doorito/current/.venv/bin/supervisorctl status" in host.run("deploy/install.sh")
    assert host.run("cat /etc/supervisord.conf") == "; of another\n"
    host.run("rm /etc/supervisord.conf; deploy/install.sh")


def test_supervisorctl_works_bare_for_root_and_the_group_and_for_nobody_else(host: Machine) -> None:
    """From any folder, without an option."""
    host.run("id alice || useradd alice; id bob || useradd bob; usermod -aG doorito alice")
    assert running(host) == RUNNING
    by_alice = host.run("cd /; supervisorctl status", user="alice")
    assert by_alice.count("RUNNING") == len(RUNNING)
    by_bob = host.run("cd /; supervisorctl status", user="bob", status=None)
    assert "RUNNING" not in by_bob
    assert "ermission denied" in by_bob
    assert "ermission denied" in host.run("cat /etc/doorito/environment", user="alice", status=1)
    assert "ermission denied" in host.run("ls /var/lib/doorito", user="alice", status=2)


def test_a_killed_supervisord_takes_its_programs_along_and_comes_back(host: Machine) -> None:
    """No program of the life before is left beside those of the next."""
    before = processes(host)
    restarts = int(host.unit("NRestarts"))
    host.run("systemctl kill --signal=KILL --kill-who=main doorito")
    wait_until("the next life", lambda: int(host.unit("NRestarts")) > restarts and running(host) == RUNNING)
    assert not before & processes(host)


def test_a_stop_ends_every_program(host: Machine) -> None:
    """KillMode=mixed: supervisord alone is told, and ends with status 0; nothing had to be killed."""
    host.run("systemctl stop doorito")
    assert (host.unit("Result"), host.unit("ExecMainStatus")) == ("success", "0")
    assert processes(host) == set()
    log = host.run("journalctl --namespace=doorito --output=cat --no-pager --lines=100")
    since = log.rindex("received SIGTERM")
    assert all(f"stopped: {name}" in log[since:] for name in ("celery-beat", "celery-worker", "web"))


def test_a_wrong_configuration_is_said_and_not_repeated(host: Machine) -> None:
    """The unit is failed with status 78, and install.sh says what to mend."""
    with variables(host, WEB_PORT="http"):
        host.run("systemctl restart doorito")
        wait_until("the end", lambda: host.unit("ActiveState") == "failed")
        assert (host.unit("ExecMainStatus"), host.unit("NRestarts")) == ("78", "0")
        assert 'WEB_PORT: "http" is not a whole number' in host.run("deploy/install.sh", status=78)


def test_the_stop_budget_decides_how_long_systemd_waits(host: Machine) -> None:
    """One variable: TimeoutStopSec is STOP_BUDGET_S and ten seconds for supervisord itself."""
    assert host.unit("TimeoutStopUSec") == "2min 10s"
    with variables(
        host, STOP_BUDGET_S="240", CELERY_TASK_TIME_LIMIT_S="30", CELERY_TASK_SOFT_TIME_LIMIT_S="20"
    ):
        host.run(readme("5. Configure"))
        assert host.unit("TimeoutStopUSec") == "4min 10s"
    host.run("deploy/install.sh")
    assert host.unit("TimeoutStopUSec") == "2min 10s"


def test_a_configuration_that_others_can_read_is_refused(host: Machine) -> None:
    """With the command that mends it."""
    host.run("chmod 640 /etc/doorito/environment")
    assert "chmod 600 /etc/doorito/environment" in host.run("deploy/install.sh", status=78)
    host.run("chmod 600 /etc/doorito/environment")


def test_an_upgrade_shows_the_new_version_and_a_roll_back_the_old_one(host: Machine) -> None:
    """Built beside the old one, migrated, switched, ready; and back by one command."""
    new = host.copy_checkout("new")
    host.run(f"sed -i 's/<title>/<title>New /' {new}/templates/base.html")
    old = host.run("realpath /opt/doorito/current")
    host.run("mkdir -p /opt/doorito/releases/2000010{1,2,3}T000000Z-0")
    host.run(f"install -m 600 /dev/null {new}/secrets.sql; touch {new}/.env")
    host.run(f"cd {new}; {readme('4. Upgrade')}")
    assert "<title>New " in host.page()
    assert running(host) == RUNNING
    strays = host.run("ls /opt/doorito/current/secrets.sql /opt/doorito/current/.env", status=None)
    assert strays.count("No such file") == 2
    kept = host.run("ls -d /opt/doorito/releases/*").splitlines()
    assert len(kept) == 3
    assert {old.strip(), host.run("realpath /opt/doorito/current").strip()} < set(kept)
    host.run(readme("4. Upgrade", 1))
    assert "<title>New " not in host.page()
    assert host.run("rm -r /opt/doorito/releases/2000*; realpath /opt/doorito/current") == old


def test_a_version_that_cannot_start_is_refused_before_anything_is_touched(host: Machine) -> None:
    """A view that raises at import: the old version does not even restart."""
    broken = host.copy_checkout("broken-view")
    host.run(f"echo 'raise RuntimeError(\"a broken view\")' >>{broken}/apps/accounts/views.py")
    before = host.run(
        "realpath /opt/doorito/current; ls /opt/doorito/releases; systemctl show -p MainPID doorito"
    )
    said = host.run(f"deploy/upgrade.sh {broken}", status=70)
    assert "a broken view" in said
    assert "the old one runs on" in said
    after = host.run(
        "realpath /opt/doorito/current; ls /opt/doorito/releases; systemctl show -p MainPID doorito"
    )
    assert after == before


def test_a_version_that_does_not_become_ready_is_taken_back(host: Machine) -> None:
    """By itself, with status 70 and its last words; what its migrations did stays, and the old one serves."""
    broken = host.copy_checkout("broken-server")
    host.run(f"echo 'raise RuntimeError(\"a broken server\")' >>{broken}/boot/wsgi.py")
    migration = """
from django.db import migrations

class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]
    operations = [migrations.RunSQL("CREATE TABLE added ()")]
"""
    host.run(f"cat >{broken}/apps/accounts/migrations/9999_added.py <<'END'\n{migration}\nEND")
    before = host.run("realpath /opt/doorito/current; ls /opt/doorito/releases")
    said = host.run(f"deploy/upgrade.sh --wait 10 {broken}", status=70)
    assert "Applying accounts.9999_added... OK" in said
    assert "a broken server" in said
    assert "the upgrade was taken back" in said
    assert host.run("realpath /opt/doorito/current; ls /opt/doorito/releases") == before
    assert running(host) == RUNNING
    assert "Log in" in host.page()


def test_a_release_that_ends_by_itself_is_left_at_once(host: Machine) -> None:
    """Nobody waits until the time is up, be it an upgrade or a roll-back."""
    host.run("""
        cp -r "$(realpath /opt/doorito/current)" /opt/doorito/releases/broken
        sed -i 's/^chmod=.*/chmod=nonsense/' /opt/doorito/releases/broken/supervisor/supervisord.conf""")
    before = host.run("realpath /opt/doorito/current")
    said = host.run("deploy/rollback.sh broken", status=70)
    assert "it ended by itself" in said
    assert "the roll-back was taken back" in said
    assert host.run("realpath /opt/doorito/current") == before
    assert running(host) == RUNNING


def test_a_host_whose_version_keeps_failing_is_helped_by_a_roll_back(host: Machine) -> None:
    """Its restarts do not count for the version that takes its place."""
    good = host.run("basename $(realpath /opt/doorito/current)").strip()
    host.run("""
        cp -r "$(realpath /opt/doorito/current)" /opt/doorito/releases/failing
        sed -i 's/^chmod=.*/chmod=nonsense/' /opt/doorito/releases/failing/supervisor/supervisord.conf
        ln -sfn /opt/doorito/releases/failing /opt/doorito/current.new
        mv -T /opt/doorito/current.new /opt/doorito/current
        systemctl restart doorito""")
    wait_until("restarts", lambda: int(host.unit("NRestarts")) > 0)
    assert f"{good} runs" in host.run(f"deploy/rollback.sh {good}")
    assert running(host) == RUNNING
    host.run("rm -r /opt/doorito/releases/failing /opt/doorito/releases/broken")


def test_a_backup_goes_back_on_the_host(host: Machine) -> None:
    """README's own lines, as root, while the service runs; and restored while it does not."""
    host.run(readme("7. Back up"))
    assert host.run("stat -c '%U %a' /srv/backups/*.tar").split() == ["doorito", "600"]
    assert "a stack already runs here" in host.run(readme("7. Back up", 1).splitlines()[1], status=69)
    host.run(readme("7. Back up", 1))
    wait_until("the service", lambda: running(host) == RUNNING)


def test_the_unit_is_a_locked_box(host: Machine) -> None:
    """systemd's own figure, below 3 of 10; and no complaint about the file."""
    unit = "/usr/local/lib/systemd/system/doorito.service"
    assert "doorito.service:" not in host.run(f"systemd-analyze verify {unit}", status=None)
    said = host.run(f"systemd-analyze security --offline=true --no-pager {unit}")
    overall = re.search(r"Overall exposure level for doorito.service: ([0-9.]+)", said)
    assert overall
    assert float(overall[1]) < 3


def attempts(host: Machine, unit: str) -> list[str]:
    """What the probe said in a unit, a line each."""
    log = host.run(f"journalctl --unit={unit} --output=cat --no-pager")
    return re.findall(r"^\w+: (?:allowed|refused)$", log, re.MULTILINE)


def test_what_the_unit_forbids_is_refused_by_the_kernel(host: Machine) -> None:
    """Each attempt succeeds in a plain unit of the same user, and fails under the directives."""
    host.put(PROBE, "/srv/probe.py")
    host.run("touch /tmp/of-the-host")
    start = "ExecStart=/opt/doorito/current/.venv/bin/python /srv/probe.py"
    host.run(f"""
        cd /run/systemd/system
        sed -e 's|^ExecStart=.*|{start}|' -e 's/^Type=.*/Type=oneshot/' -e '/^Restart/d' \\
            -e 's/^RuntimeDirectory=.*/RuntimeDirectory=locked/' -e '/^LogNamespace/d' \\
            /usr/local/lib/systemd/system/doorito.service >locked.service
        printf '[Service]\\nType=oneshot\\nUser=doorito\\n{start}\\n' >plain.service
        systemctl daemon-reload
        systemctl start locked plain
        journalctl --sync""")
    tried = {unit: attempts(host, unit) for unit in ("plain", "locked")}
    assert [line for line in tried["plain"] if "refused" in line] == []
    assert [line for line in tried["locked"] if "allowed" in line] == []
    assert len(tried["locked"]) == len(tried["plain"]) > 10


@pytest.fixture
def certificate(host: Machine) -> None:
    """Where nginx.conf expects one for example.org."""
    host.run("""
        folder=/etc/letsencrypt/live/example.org
        mkdir -p $folder
        openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=example.org \\
            -keyout $folder/privkey.pem -out $folder/fullchain.pem""")


HTTPS = "curl -sS --insecure --resolve example.org:443:127.0.0.1 --resolve localhost:443:127.0.0.1"


def through(host: Machine, name: str) -> None:
    """What a proxy must do: pass pages on, and say that they were asked for by HTTPS."""
    wait_until("the proxy", lambda: host.holds(f"{HTTPS} --fail https://{name}/healthz"))
    page = host.run(f"{HTTPS} --include https://{name}/accounts/log-in/")
    assert "Log in" in page
    assert "strict-transport-security: max-age=3600" in page.lower()


@pytest.mark.usefixtures("certificate")
def test_nginx_accepts_its_example_and_serves_through_it(host: Machine) -> None:
    """`nginx -t`, then real requests over HTTPS."""
    host.run("cp deploy/nginx.conf /etc/nginx/sites-enabled/doorito; rm -f /etc/nginx/sites-enabled/default")
    host.run(readme("3. Put a proxy in front").splitlines()[1])
    host.run("systemctl start nginx")
    try:
        through(host, "example.org")
        upload = "head -c 28000000 /dev/zero | " + HTTPS + " --data-binary @- -o /dev/null -w '%{http_code}'"
        assert host.run(f"{upload} https://example.org/accounts/log-in/") == "413"
    finally:
        host.run("systemctl stop nginx")


def test_caddy_accepts_its_example_and_serves_through_it(host: Machine) -> None:
    """`caddy validate`, then real requests over HTTPS, for a name that needs no public certificate."""
    host.run(readme("3. Put a proxy in front").splitlines()[0])
    host.run("sed 's/^example.org/localhost/' deploy/Caddyfile >/etc/caddy/Caddyfile; systemctl start caddy")
    try:
        through(host, "localhost")
    finally:
        host.run("systemctl stop caddy")


def test_an_uninstall_keeps_data_and_configuration_and_a_purge_does_not(host: Machine) -> None:
    """Nothing of the code, the unit or the commands is left; the next install finds the rest again."""
    host.run(
        "install -o doorito /dev/null /var/lib/doorito/an-upload; cp -p /etc/doorito/environment /root/kept"
    )
    host.run(readme("8. Uninstall"))
    host.run("cmp /root/kept /etc/doorito/environment; ls /var/lib/doorito/an-upload; id doorito")
    code = "/opt/doorito /usr/local/bin/doorito /usr/local/bin/supervisorctl /etc/supervisord.conf"
    assert (
        found(host, f"{code} /usr/local/lib/systemd/*/doorito* /usr/local/lib/systemd/journald@doorito*")
        == []
    )
    assert host.unit("LoadState") == "not-found"
    assert processes(host) == set()
    host.run("deploy/uninstall.sh --purge")
    assert found(host, "/etc/doorito /var/lib/doorito /var/log/journal/*.doorito") == []
    assert not host.holds("id doorito")
