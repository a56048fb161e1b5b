#!/bin/bash
# What the official image does with its environment, as far as the tests need it: a database, a user, a replication user, a replica.
set -eu
if [ "${1#-}" != "$1" ]; then set -- mariadbd "$@"; fi
[ "$1" = mariadbd ] || exec "$@"
mkdir -p /run/mysqld
chown mysql:mysql /run/mysqld /var/lib/mysql
text() { printf "'%s'" "$(printf %s "$1" | sed "s/\\\\/\\\\\\\\/g; s/'/''/g")"; }
if [ ! -e /var/lib/mysql/.initialised ]; then
    [ -n "${MARIADB_ROOT_PASSWORD:-}" ] || { echo >&2 "error: database is uninitialized and MARIADB_ROOT_PASSWORD is not set"; exit 1; }
    rm -rf /var/lib/mysql/*
    mariadb-install-db --user=mysql --skip-test-db --auth-root-authentication-method=normal >/dev/null
    # Without a log: what is set up here is not for replicas.
    mariadbd --user=mysql --skip-networking --skip-log-bin --socket=/run/mysqld/init.sock &
    until mariadb-admin --socket=/run/mysqld/init.sock ping >/dev/null 2>&1; do sleep 0.2; done
    {
        if [ -n "${MARIADB_MASTER_HOST:-}" ]; then
            echo "CHANGE MASTER TO MASTER_HOST=$(text "$MARIADB_MASTER_HOST"), MASTER_USER=$(text "$MARIADB_REPLICATION_USER"), MASTER_PASSWORD=$(text "$MARIADB_REPLICATION_PASSWORD"), MASTER_CONNECT_RETRY=2;"
        fi
        for at in localhost %; do echo "CREATE OR REPLACE USER root@'$at' IDENTIFIED BY $(text "$MARIADB_ROOT_PASSWORD"); GRANT ALL ON *.* TO root@'$at' WITH GRANT OPTION;"; done
    } | mariadb --socket=/run/mysqld/init.sock -u root
    export MYSQL_PWD=$MARIADB_ROOT_PASSWORD
    mariadb-admin --socket=/run/mysqld/init.sock -u root shutdown
    wait
    if [ -z "${MARIADB_MASTER_HOST:-}" ]; then
        # With the server's own arguments, so that database and users reach the replicas through the log.
        "$@" --user=mysql --skip-networking --socket=/run/mysqld/init.sock &
        until mariadb-admin --socket=/run/mysqld/init.sock -u root ping >/dev/null 2>&1; do sleep 0.2; done
        {
            if [ -n "${MARIADB_DATABASE:-}" ]; then echo "CREATE DATABASE \`$MARIADB_DATABASE\`;"; fi
            if [ -n "${MARIADB_USER:-}" ]; then
                echo "CREATE USER $(text "$MARIADB_USER")@'%' IDENTIFIED BY $(text "$MARIADB_PASSWORD"); GRANT ALL ON \`${MARIADB_DATABASE:-%}\`.* TO $(text "$MARIADB_USER")@'%';"
            fi
            if [ -n "${MARIADB_REPLICATION_USER:-}" ]; then
                echo "CREATE USER $(text "$MARIADB_REPLICATION_USER")@'%' IDENTIFIED BY $(text "$MARIADB_REPLICATION_PASSWORD"); GRANT REPLICATION SLAVE ON *.* TO $(text "$MARIADB_REPLICATION_USER")@'%';"
            fi
        } | mariadb --socket=/run/mysqld/init.sock -u root
        mariadb-admin --socket=/run/mysqld/init.sock -u root shutdown
        wait
    fi
    unset MYSQL_PWD
    touch /var/lib/mysql/.initialised
fi
exec "$@" --user=mysql
