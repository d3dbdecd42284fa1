#!/bin/sh
# Lets the masters replicate from each other and the replicas from the first master, by GTID. A second run, after
# `docker compose up` of servers that exist already, changes nothing.
set -eu

ask() {
    mariadb -h "$1" -uroot -proot -N -e "$2"
}

follow() {
    ask "$1" "CHANGE MASTER TO MASTER_HOST='$2', MASTER_USER='replication', MASTER_PASSWORD='copies',
        MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1; START SLAVE"
}

if [ -n "$(ask replica-2 'SHOW SLAVE STATUS')" ]; then
    echo "replication is set up already"
    exit 0
fi
# Each server has the image's own first steps in its binary log; they must not be replayed at the others.
for server in master-1 master-2 replica-1 replica-2; do
    ask "$server" 'RESET MASTER'
done
follow master-2 master-1
follow master-1 master-2
follow replica-1 master-1
follow replica-2 master-1
