#!/bin/sh
# The mariadb command line client: batch, scripts with delimiters, errors, LOAD DATA, dump's options of its own.
set -u
# Each call is a connection of its own, which reads its writes only: reads of earlier ones' carry the hint.
login="--no-defaults -h$HOST -P$PORT -u$USER --protocol=tcp --comments ${TLS_CA:+--ssl-ca=$TLS_CA --ssl-verify-server-cert}"
fresh='/* pointsman: role=writer */'
# shellcheck disable=SC2086 # several options
m() { mariadb $login -p"$PASSWORD" "$@" "$DB" 2>&1; }
same() { if [ "$2" = "$3" ]; then echo "ok $1"; else printf 'FAIL %s wanted %s, got %s\n' "$1" "$2" "$(echo "$3" | tr '\n' ' ')"; fi; }
like() { case $3 in *"$2"*) echo "ok $1" ;; *) printf 'FAIL %s wanted %s, got %s\n' "$1" "$2" "$(echo "$3" | tr '\n' ' ')" ;; esac; }

m -e 'DROP TABLE IF EXISTS drv_cli; CREATE TABLE drv_cli (id INT PRIMARY KEY, s VARCHAR(20))'
same 'batch' '3' "$(m -BN -e 'SELECT 1+2')"
same 'several statements' '1 2' "$(m -BN -e 'SELECT 1; SELECT 2' | tr '\n' ' ' | sed 's/ $//')"
same 'script on stdin' '5' "$(printf 'SET @a=5;\nSELECT @a;\n' | m -BN)"
same 'delimiter and procedure' '7' "$(printf 'DROP PROCEDURE IF EXISTS drv_clip;\nDELIMITER //\nCREATE PROCEDURE drv_clip() BEGIN SELECT 7; END//\nDELIMITER ;\nCALL drv_clip();\nDROP PROCEDURE drv_clip;\n' | m -BN)"
like 'error' 'ERROR 1146 (42S02)' "$(m -e 'SELECT * FROM no_such')"
like 'going on after an error' '9' "$(printf 'SELECT * FROM no_such;\nSELECT 9;\n' | m -f -BN)"
like 'vertical and table output' '1. row' "$(m -e 'SELECT 1 AS a\G')"
like 'warnings' 'Division by 0' "$(m --show-warnings -e 'SELECT 1/0')"
file=$(mktemp)
printf '1\tone\n2\ttwo\n' >"$file"
same 'LOAD DATA LOCAL' '2' "$(m --local-infile=1 -BN -e "LOAD DATA LOCAL INFILE '$file' INTO TABLE drv_cli; SELECT COUNT(*) FROM drv_cli")"
rm -f "$file"
like 'status' 'Protocol version' "$(m -e 'status')"
same 'quick (unbuffered)' '2' "$(m --quick -BN -e "$fresh SELECT id FROM drv_cli ORDER BY id" | wc -l | tr -d ' ')"
same 'compression' '100000' "$(m --compress -BN -e "SELECT LENGTH(REPEAT('x',100000))")"
same 'character set' 'C3A4' "$(m --default-character-set=utf8mb4 -BN -e "SELECT HEX('ä')")"
same 'init-command' '4' "$(m --init-command='SET @i=4' -BN -e 'SELECT @i')"
like 'wrong password' 'ERROR 1045' "$(mariadb $login -pwrong -e 'SELECT 1' 2>&1)"
like 'mariadb-admin ping' 'alive' "$(mariadb-admin ${login%%--comments*} ${TLS_CA:+--ssl-ca=$TLS_CA} -p"$PASSWORD" ping 2>&1)"
like 'mariadb-show' 'drv_cli' "$(mariadb-show ${login%%--comments*} ${TLS_CA:+--ssl-ca=$TLS_CA} -p"$PASSWORD" "$DB" 2>&1)"
m -e 'DROP TABLE drv_cli'
