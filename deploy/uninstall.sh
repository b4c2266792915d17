#!/usr/bin/env bash
# Removes Doorito from this host: `sudo deploy/uninstall.sh`. Configuration, uploads, the log and the user stay,
# so that an install finds them again; `--purge` removes them as well. No database is ever touched.
set -euo pipefail
source "$(dirname "$(realpath "$0")")/host.sh"

[[ $# = 0 || $* = --purge ]] || die 64 "usage: deploy/uninstall.sh [--purge]"

remove_service() {
  systemctl -q disable --now doorito 2>/dev/null || true
  rm -rf "$unit" "$unit.d" "$(dirname "$journal")"
  systemctl daemon-reload
  systemctl reset-failed doorito 2>/dev/null || true
}

remove_commands() {
  ! is_ours || rm "$supervisorctl_conf"
  [[ $(readlink /usr/local/bin/supervisorctl) != "$current"/* ]] || rm /usr/local/bin/supervisorctl
  rm -f /usr/local/bin/doorito
}

purge() {
  systemctl stop systemd-journald@doorito.socket systemd-journald@doorito.service 2>/dev/null || true
  rm -rf "$(dirname "$environment")" "$state" /var/log/journal/*.doorito
  userdel "$user" 2>/dev/null || true
}

begin
say "stopping the service; it may take its whole stop budget"
remove_service
remove_commands
rm -rf "$home"
if [[ ${1:-} = --purge ]]; then
  purge
  say "removed, with its configuration, uploads, log and user; its database is still there"
else
  say "removed; $(dirname "$environment"), $state, the log and the user $user are kept (--purge removes them)"
fi
