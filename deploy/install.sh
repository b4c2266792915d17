#!/usr/bin/env bash
# Installs Doorito on a host with systemd: `sudo deploy/install.sh`, from a checkout. Changes nothing that is
# there already, so run it again after the environment file, or its STOP_BUDGET_S, was edited: it says what is
# wrong, or starts the service. README.md beside this file tells more.
set -euo pipefail
source "$(dirname "$(realpath "$0")")/host.sh"
ready_s=300 # seconds; the first start applies all migrations

[[ $# = 0 ]] || die 64 "usage: deploy/install.sh"

make_user() {
  id "$user" >/dev/null 2>&1 && return
  say "making the system user and group $user"
  useradd --system --user-group --home-dir "$state" --no-create-home --shell /usr/sbin/nologin "$user"
}

make_folders() {
  install -d -m 700 -o "$user" -g "$user" "$state"
  # root's, so that the service cannot put another file in the place of its configuration
  install -d -m 750 -o root -g "$user" "$(dirname "$environment")"
}

# The service reads it itself, so it belongs to the service's user; to the running service, /etc is read-only.
make_environment() {
  [[ ! -e $environment ]] || return 0
  say "writing $environment with a random key"
  (
    umask 077
    # printf is the shell's own: the key is on no command line
    { cat "$current/deploy/environment" && printf 'DJANGO_SECRET_KEY=%s\n' "$("$current/doorito" secret)"; } \
      >"$environment.new"
  )
  chown "$user:$user" "$environment.new"
  mv "$environment.new" "$environment"
  fresh=yes
}

check_mode() {
  local found
  found=$(stat -c '%U %a' "$environment")
  [[ $found = "$user 600" ]] && return
  say "$environment is \"$found\"; it holds secrets, mend it:"
  die 78 "  chown $user:$user $environment; chmod 600 $environment"
}

check_environment() {
  value "$current" STOP_BUDGET_S >/dev/null && return
  say "the environment is not complete. Next:"
  say "  1. fill in $environment"
  say "  2. run $current/deploy/install.sh"
  [[ $fresh ]] && exit 0
  exit 78
}

start() {
  systemctl -q enable doorito
  if systemctl -q is-active doorito; then
    say "it runs already; after a change of $environment: systemctl restart doorito"
    return
  fi
  say "starting"
  systemctl reset-failed doorito 2>/dev/null || true
  if ! { systemctl start doorito && wait_ready $ready_s; }; then
    last_words
    die 70 "it does not become ready; see above, mend it, and run this again"
  fi
  say "it runs: $(value "$current" PUBLIC_URL). Next: supervisorctl status; doorito run manage createsuperuser"
}

fresh=
begin
make_user
make_folders
if [[ ! -e $current ]]; then
  build "$(dirname "$deploy")"
  switch "$new"
  keep
fi
make_environment
settle "$(realpath "$current")"
check_mode
check_environment
start
