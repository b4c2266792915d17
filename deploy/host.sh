# Sourced by install.sh, upgrade.sh, rollback.sh and uninstall.sh: where things are, and the steps they share.
# Exit statuses are those of `doorito`: 0, 64 usage, 69 a service stays away, 70 a program failed, 78 configuration.

user=doorito
home=/opt/doorito
releases=$home/releases # one folder a version, its name begins with the time
current=$home/current   # a link to the one that runs
kept=3                  # releases
tools=$home/tools       # uv
environment=/etc/doorito/environment
state=/var/lib/doorito
systemd=/usr/local/lib/systemd # ours; /etc/systemd is the administrator's
unit=$systemd/system/doorito.service
journal=$systemd/journald@doorito.conf.d/doorito.conf
supervisorctl_conf=/etc/supervisord.conf
stop_margin_s=10 # seconds that supervisord has beyond its programs' STOP_BUDGET_S
deploy=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
new= # a release that is being built

say() { printf 'doorito: %s\n' "$*" >&2; }

die() { # STATUS MESSAGE
  say "$2"
  exit "$1"
}

begin() {
  [[ $EUID = 0 ]] || die 64 "this changes the host; run it as root (sudo $0)"
  [[ -d /run/systemd/system ]] || die 78 "this host does not run systemd; in a container use the image instead"
  umask 022
  mkdir -p "$releases"
  # one at a time, and nobody else holds this folder open
  exec 9<"$home"
  flock -n 9 || die 69 "another install, upgrade or roll-back runs; wait until it has ended"
}

need_installed() {
  [[ -e $current && -e $environment ]] || die 78 "Doorito is not installed here; run deploy/install.sh first"
}

# As the unit runs it: its user, its environment, nothing of root's.
as_service() { # RELEASE COMMAND...
  runuser -u "$user" -- env -i -C "$1" PATH="$1/.venv/bin:/usr/local/bin:/usr/bin:/bin" LANG=C.UTF-8 \
    DOORITO_ENV_FILE="$environment" "${@:2}"
}

value() { # RELEASE NAME: the variable's value; status 78, with every problem on standard error
  as_service "$1" ./doorito env --json | as_service "$1" python -c '
import json, sys
print(next(v["value"] for v in json.load(sys.stdin) if v["name"] == sys.argv[1]))' "$2"
}

# Builds $new from a checkout, beside what runs. All or nothing: an exit before `keep` removes it.
build() { # CHECKOUT
  local version
  [[ -f $1/boot/bootstrap.sh && -f $1/uv.lock && -f $1/.dockerignore ]] || die 64 "$1 is no checkout of Doorito"
  version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$1/pyproject.toml")
  new=$releases/$(date -u +%Y%m%dT%H%M%SZ)-$version
  say "building $new"
  trap discard EXIT
  mkdir "$new"
  copy "$1"
  PATH=$tools:$PATH "$new/boot/bootstrap.sh" production
  keep_uv
  "$new/.venv/bin/python" -m compileall -q "$new/boot" "$new/apps"
  install -D -m 644 "$new/deploy/supervisord.conf" "$new/.venv/etc/supervisord.conf"
  env -i PATH="$PATH" DJANGO_DEBUG=false "$new/doorito" run manage collectstatic --noinput --verbosity 0
  chmod -R u=rwX,go=rX "$new" # a checkout may be private; what Django collects is
  check_python
}

# What the bootstrap has installed where the host has none, for the next time.
keep_uv() {
  [[ -d $new/.tools ]] || return 0
  install -D "$new/.tools/bin/uv" "$tools/uv"
  rm -rf "$new/.tools"
}

# What the image gets too, and this folder: no backup or key that somebody left in the checkout.
copy() { # CHECKOUT
  local wanted
  mapfile -t wanted < <(sed -n 's/^!//p' "$1/.dockerignore")
  tar -C "$1" --exclude=__pycache__ -cf - .dockerignore deploy "${wanted[@]}" | tar -C "$new" --no-same-owner -xf -
}

check_python() {
  local python
  python=$(realpath "$new/.venv/bin/python")
  case $python in
  /home/* | /root/* | /run/* | /tmp/*) ;;
  *) runuser -u "$user" -- "$new/.venv/bin/python" -c '' && return ;;
  esac
  say "the service cannot run $python, where the unit hides it or its user may not enter"
  die 78 "install Python 3.12 or newer for the whole system, or name one: PYTHON=/usr/bin/python3.12 $0"
}

keep() { trap - EXIT; }

# Whatever went wrong: never the release that the link leads to.
discard() { [[ $(realpath "$current" 2>/dev/null) = "$new" ]] || rm -rf "$new"; }

# Writes what lies outside of the release, all of it ours: units, the journal's limits, commands.
settle() { # RELEASE
  local budget
  budget=$(value "$1" STOP_BUDGET_S 2>/dev/null) || budget=120 # its default, until the environment is right
  install -D -m 644 "$1/deploy/doorito.service" "$unit" &&
    install -D -m 644 "$1/deploy/journald.conf" "$journal" &&
    install -d "$unit.d" &&
    printf '# STOP_BUDGET_S and %s\n[Service]\nTimeoutStopSec=%s\n' \
      $stop_margin_s $((budget + stop_margin_s)) >"$unit.d/stop-budget.conf" &&
    install -m 755 "$1/deploy/command.sh" /usr/local/bin/doorito &&
    settle_supervisorctl "$1" &&
    systemctl daemon-reload
}

# Another supervisord's configuration and command are left alone.
settle_supervisorctl() { # RELEASE
  local command=/usr/local/bin/supervisorctl
  if [[ ! -e $supervisorctl_conf ]] || is_ours; then
    install -m 644 "$1/deploy/supervisord.conf" "$supervisorctl_conf"
  else
    say "$supervisorctl_conf belongs to another supervisord and stays; ask ours with:"
    say "  $current/.venv/bin/supervisorctl status"
  fi
  [[ -e $command && ! -L $command ]] || ln -sfn "$current/.venv/bin/supervisorctl" "$command"
}

is_ours() { grep -qs "Written by Doorito's" "$supervisorctl_conf"; }

switch() { # RELEASE: at once, there is no moment without a version
  ln -sfn "$1" "$current.new" && mv -T "$current.new" "$current"
}

# Makes a release the one that runs. Status 1 where it does not become ready in time.
activate() { # RELEASE SECONDS
  say "switching to $1; the stop of what runs may take its whole stop budget"
  settle "$1" && switch "$1" && restart && wait_ready "$2"
}

# Stopped in between, so that the restarts of a version that kept failing do not count for this one.
restart() {
  systemctl stop doorito && systemctl reset-failed doorito && systemctl start doorito
}

wait_ready() { # SECONDS
  local end=$((SECONDS + $1))
  say "waiting until it is ready, $1 s at most"
  until is_ready; do
    if has_ended; then
      say "it ended by itself"
      return 1
    fi
    if ((SECONDS >= end)); then
      say "it is not ready after $1 s"
      return 1
    fi
    sleep 1
  done
}

# A first end is one too many, although systemd starts it again.
has_ended() {
  case $(systemctl show --property=NRestarts,SubState doorito | sort | tr '\n' ' ') in
  "NRestarts=0 SubState=running " | "NRestarts=0 SubState=start ") return 1 ;;
  esac
}

# Every program runs, and does its work. To supervisorctl's own exit status STARTING is as good as RUNNING.
is_ready() {
  local status
  status=$("$current/.venv/bin/supervisorctl" status 2>/dev/null) && ! grep -qv ' RUNNING ' <<<"$status" &&
    as_service "$current" ./doorito health >/dev/null
}

last_words() {
  say "its last words (journalctl --namespace=doorito -u doorito):"
  journalctl --namespace=doorito --unit=doorito --output=cat --lines=20 --no-pager >&2 || true
}

prune() {
  local release
  while read -r release; do
    [[ $(realpath "$current") = "$release" ]] || rm -rf "$release"
  done < <(find "$releases" -mindepth 1 -maxdepth 1 -type d | sort -r | tail -n +$((kept + 1)))
}
