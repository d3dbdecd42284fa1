#!/bin/sh
# A command line client, the first argument, logs in and reads. A script of a person's: the names of tables and columns
# are asked first; mariadb also shows the status of the connection (mysql has no such command in a script).
set -eu
case $1 in
mariadb) client='mariadb' key='' more='\s' ;;
*) client="chroot $ROOT /usr/bin/mysql" key='--get-server-public-key' more='SELECT USER();' ;;
esac
# shellcheck disable=SC2086 # several options
said=$(printf 'SELECT b FROM t WHERE a = 1;\n%s\n' "$more" |
  $client --no-defaults -h"$HOST" -P"$PORT" -u"$USER" -p"$PASSWORD" --protocol=tcp $key --auto-rehash -BN "$DB")
echo "$said" | grep '^first'
