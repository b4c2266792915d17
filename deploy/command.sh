#!/bin/sh
# `doorito` on this host: as the service's user, with the service's environment and none of the caller's.
# install.sh puts it into /usr/local/bin.
set -eu
cd /
set -- env -i PATH="$PATH" LANG=C.UTF-8 TERM="${TERM:-dumb}" DOORITO_ENV_FILE=/etc/doorito/environment \
  /opt/doorito/current/doorito "$@"
if [ "$(id -u)" = 0 ]; then
  exec runuser -u doorito -- "$@"
fi
exec "$@"
