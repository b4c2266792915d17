#!/bin/sh
# Makes .venv from uv.lock: `boot/bootstrap.sh run` with what `make run` takes, `all` with what tests and
# checks take as well, `production` with what a host takes (pg_dump included). Needs a Python with venv, and a
# package index. Installs uv where there is none.
set -eu
cd "$(dirname "$0")/.."

uv_version=0.13.9 # installed where there is none
uv_oldest=0.8     # older ones cannot read uv.lock

say() { printf 'doorito: %s\n' "$*" >&2; }

# The first that runs and is new enough: a name on the PATH may be a shim that does not run.
find_python() {
  found=
  for name in ${PYTHON:+"$PYTHON"} python3 python3.12 python3.13 python3.14 python3.15 python; do
    version=$("$name" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || continue
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then
      python=$("$name" -c 'import sys; print(sys.executable)')
      return 0
    fi
    found="$found $name is $version;"
  done
  say "Python 3.12 or newer is needed;${found:- none was found;} install it:"
  say "  apt install python3.12 python3.12-venv    (Debian, Ubuntu)"
  say "  dnf install python3.12                    (Fedora, RHEL)"
  say "or name one that is there: make run PYTHON=/path/to/python3.12"
  exit 78
}

need_venv() {
  "$python" -c 'import ensurepip, venv' 2>/dev/null && return 0
  say "Python $version ($python) lacks venv; install it:"
  say "  apt install python${version%.*}-venv    (Debian, Ubuntu)"
  exit 78
}

find_uv() {
  for uv in uv .tools/bin/uv; do
    "$uv" --version 2>/dev/null | "$python" -c '
import re, sys
number = re.match(r"uv (\d+)\.(\d+)", sys.stdin.read())
sys.exit(not number or (int(number[1]), int(number[2])) < tuple(map(int, sys.argv[1].split("."))))
' "$uv_oldest" && return 0
  done
  say "installing uv $uv_version into .tools"
  "$python" -m venv --clear .tools
  .tools/bin/python -m pip install $quiet --disable-pip-version-check "uv==$uv_version"
  uv=.tools/bin/uv
}

# In a terminal both installers show their progress; into a file it would be hundreds of lines.
quiet=--quiet
[ -t 2 ] && quiet=

case ${1:-} in
run) groups="--group dev" ;;
all) groups="--all-groups" ;;
production) groups="--no-default-groups --group postgres" ;;
*)
  say "usage: boot/bootstrap.sh run|all|production"
  exit 64
  ;;
esac

if [ "$(uname -s)" != Linux ]; then
  say "Doorito runs on Linux; elsewhere use a container or a virtual machine"
  exit 78
fi
find_python
need_venv
find_uv
say "installing the packages of uv.lock into .venv, for Python $version"
# Inexact: `make run` after `make test` removes nothing. Compiled: a first start would do it, slower.
UV_PYTHON_DOWNLOADS=never "$uv" sync --frozen --inexact --compile-bytecode $quiet --python "$python" $groups
touch ".venv/.$1"
