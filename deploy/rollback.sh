#!/usr/bin/env bash
# Goes back to the release before the one that runs, or to another one that is kept:
# `sudo deploy/rollback.sh [NAME]`. Migrations are not undone; README.md beside this file tells more.
set -euo pipefail
source "$(dirname "$(realpath "$0")")/host.sh"
ready_s=120

[[ $# -le 1 && ${1:-} != -* ]] || die 64 "usage: deploy/rollback.sh [NAME]"

names() { find "$releases" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort; }

previous() { names | awk -v old="$(basename "$old")" '$0 < old { last = $0 } END { print last }'; }

begin
need_installed
old=$(realpath "$current")
name=${1:-$(previous)}
[[ $name ]] || die 64 "there is no release before $(basename "$old")"
[[ $name != */* && -d $releases/$name ]] || die 64 "$name is none of the releases: $(names | tr '\n' ' ')"
value "$releases/$name" STOP_BUDGET_S >/dev/null || die 78 "that version refuses the environment; nothing was changed"
trap '' HUP INT TERM
if activate "$releases/$name" $ready_s; then
  say "$name runs; migrations of newer versions stay applied"
  exit 0
fi
last_words
switch "$old" # first of all: whatever fails from here on, this is what a next start finds
activate "$old" $ready_s || die 69 "neither does $old become ready any more; see the journal"
die 70 "the roll-back was taken back: $old runs again"
