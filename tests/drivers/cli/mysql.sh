#!/bin/sh
# MySQL's own command line client, in the root directory $ROOT: batch, scripts, errors, LOAD DATA, compression, query attributes.
set -u
work=$(mktemp -d "$ROOT/tmp/cli.XXXXXX")
trap 'rm -rf "$work"' EXIT
# As the client sees it.
inside=${work#"$ROOT"}
if [ -n "${TLS_CA:-}" ]; then cp "$TLS_CA" "$work/ca.pem"; fi
tls=${TLS_CA:+--ssl-mode=VERIFY_CA --ssl-ca=$inside/ca.pem}
login="--no-defaults -h$HOST -P$PORT -u$USER --protocol=tcp --get-server-public-key $tls"
# shellcheck disable=SC2086 # several options
m() { chroot "$ROOT" /usr/bin/mysql $login -p"$PASSWORD" "$@" "$DB" 2>&1 | sed '/Using a password on the command line/d'; }
same() { if [ "$2" = "$3" ]; then echo "ok $1"; else printf 'FAIL %s wanted %s, got %s\n' "$1" "$2" "$(echo "$3" | tr '\n' ' ')"; fi; }
like() { case $3 in *"$2"*) echo "ok $1" ;; *) printf 'FAIL %s wanted %s, got %s\n' "$1" "$2" "$(echo "$3" | tr '\n' ' ')" ;; esac; }

m -e 'DROP TABLE IF EXISTS drv_mysql; CREATE TABLE drv_mysql (id INT PRIMARY KEY, s VARCHAR(20))'
same 'batch' '3' "$(m -BN -e 'SELECT 1+2')"
same 'several statements' '1 2' "$(m -BN -e 'SELECT 1; SELECT 2' | tr '\n' ' ' | sed 's/ $//')"
same 'script on stdin' '5' "$(printf 'SET @a=5;\nSELECT @a;\n' | m -BN)"
same 'delimiter and procedure' '7' "$(printf 'DROP PROCEDURE IF EXISTS drv_mysqlp;\nDELIMITER //\nCREATE PROCEDURE drv_mysqlp() BEGIN SELECT 7; END//\nDELIMITER ;\nCALL drv_mysqlp();\nDROP PROCEDURE drv_mysqlp;\n' | m -BN)"
like 'error' 'ERROR 1146 (42S02)' "$(m -e 'SELECT * FROM no_such')"
like 'going on after an error' '9' "$(printf 'SELECT * FROM no_such;\nSELECT 9;\n' | m -f -BN)"
like 'vertical output' '1. row' "$(m --commands -e 'SELECT 1 AS a\G')"
like 'warnings' 'Division by 0' "$(m --show-warnings -e 'SELECT 1/0')"
printf '1\tone\n2\ttwo\n' >"$work/rows"
same 'LOAD DATA LOCAL' '2' "$(m --local-infile=1 -BN -e "LOAD DATA LOCAL INFILE '$inside/rows' INTO TABLE drv_mysql; SELECT COUNT(*) FROM drv_mysql")"
like 'status' 'Protocol version' "$(m --commands -e 'status')"
same 'quick (unbuffered)' '2' "$(m --quick -BN -e '/* pointsman: role=writer */ SELECT id FROM drv_mysql ORDER BY id' | wc -l | tr -d ' ')"
for algorithm in zlib zstd; do same "compression by $algorithm" '100000' "$(m --compression-algorithms=$algorithm -BN -e "SELECT LENGTH(REPEAT('x',100000))")"; done
same 'query attributes' '6' "$(printf 'query_attributes a 1\nSELECT 6;\n' | m --commands -BN)"
same 'character set' 'C3A4' "$(m --default-character-set=utf8mb4 -BN -e "SELECT HEX('ä')")"
same 'init-command' '4' "$(m --init-command='SET @i=4' -BN -e 'SELECT @i')"
# shellcheck disable=SC2086
like 'wrong password' 'ERROR 1045' "$(chroot "$ROOT" /usr/bin/mysql $login -pwrong -e 'SELECT 1' 2>&1)"
# shellcheck disable=SC2086
like 'mysqladmin ping' 'alive' "$(chroot "$ROOT" /usr/bin/mysqladmin $login -p"$PASSWORD" ping 2>&1)"
m -e 'DROP TABLE drv_mysql'
