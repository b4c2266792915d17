#!/usr/bin/env bash
# Upgrades Doorito on this host to the checkout that this script is in, or to another:
# `sudo deploy/upgrade.sh [--wait SECONDS] [CHECKOUT]`. What runs is not touched until the new version is built,
# accepts the environment, and has applied its migrations. A version that is not ready in time (120 seconds) is
# taken back: the one before runs again, and the exit status is 70. README.md beside this file tells more.
set -euo pipefail
source "$(dirname "$(realpath "$0")")/host.sh"
ready_s=120

if [[ ${1:-} = --wait ]]; then
  ready_s=${2:-}
  [[ $ready_s =~ ^[1-9][0-9]{0,4}$ ]] || die 64 "--wait takes a whole number of seconds"
  shift 2
fi
[[ $# -le 1 && ${1:-} != -* ]] || die 64 "usage: deploy/upgrade.sh [--wait SECONDS] [CHECKOUT]"
checkout=$(realpath -e "${1:-$(dirname "$deploy")}") || die 64 "$1 is no folder"

# While the old version still serves: where that fails, nothing has changed for anybody. The old version works
# with the new tables for a moment here, and for good after a roll-back.
migrate() {
  local wanted settings
  wanted=$(value "$new" RUN_MIGRATIONS) || die 78 "the new version refuses the environment; nothing was changed"
  settings=$(value "$new" DJANGO_SETTINGS_MODULE)
  if [[ ${wanted,,} = @(false|0) ]]; then
    say "RUN_MIGRATIONS=false: migrations are another host's"
    return
  fi
  say "checking the new version, and applying its migrations"
  # The broker's first: they may be in a database of their own, and preparing asks for them.
  as_service "$new" env DJANGO_SETTINGS_MODULE="$settings" python -m boot.tables || refuse $?
  as_service "$new" env DJANGO_SETTINGS_MODULE="$settings" python -m boot.prepare --migrate || refuse $?
}

refuse() { # STATUS of boot.tables or boot.prepare; 1 is Python's own for an exception
  say "the new version cannot be prepared; the old one runs on. Migrations that are OK above stay applied"
  case $1 in 69 | 78) exit "$1" ;; *) exit 70 ;; esac
}

begin
need_installed
old=$(realpath "$current")
build "$checkout"
migrate
# From here on an interruption, or a closed connection, would leave the host between two versions.
trap '' HUP INT TERM
if activate "$new" "$ready_s"; then
  keep
  prune
  say "upgraded to $new"
  exit 0
fi
last_words
say "going back to $old; migrations that were applied stay applied"
switch "$old" # first of all: whatever fails from here on, this is what a next start finds
activate "$old" 120 || die 69 "the old version does not become ready either; see the journal"
die 70 "the upgrade was taken back: $old runs again"
