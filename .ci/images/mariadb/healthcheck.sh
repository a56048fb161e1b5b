#!/bin/sh
# Whether the server takes connections over the network; being refused for want of a password is an answer too.
mariadb-admin --host=127.0.0.1 --user=nobody ping 2>&1 | grep -q -e alive -e denied
