#!/bin/bash
set -eu
export HOSTNAME
if [ "$1" = apache2-foreground ]; then
    set +u
    . /etc/apache2/envvars
    mkdir -p /run/apache2 /run/lock
    rm -f /run/apache2/apache2.pid
    set -- apache2 -DFOREGROUND # apache itself as the first process: it ends when it is asked to
fi
exec "$@"
