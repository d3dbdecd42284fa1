-- SHOW, EXPLAIN, table maintenance, information_schema, status, profiling, FLUSH, KILL, plugins, replication statements.
CREATE DATABASE d_adm;
USE d_adm;
CREATE TABLE t (id INT PRIMARY KEY, a INT, KEY ka (a));
INSERT INTO t VALUES (1,1),(2,2),(3,3),(4,4),(5,5),(6,6),(7,7),(8,8);
CREATE TABLE m (id INT PRIMARY KEY) ENGINE=MyISAM;
INSERT INTO m VALUES (1),(2);
ANALYZE TABLE t;
ANALYZE NO_WRITE_TO_BINLOG TABLE t, m;
ANALYZE TABLE nope;
CHECK TABLE t;
CHECK TABLE t, m QUICK;
CHECK TABLE m EXTENDED;
CHECK TABLE nope;
CHECKSUM TABLE m;
CHECKSUM TABLE t, nope;
OPTIMIZE TABLE t;
OPTIMIZE LOCAL TABLE m;
REPAIR TABLE m;
REPAIR TABLE t;
REPAIR TABLE m USE_FRM;
ANALYZE TABLE t;
CACHE INDEX m IN nosuchcache;
LOAD INDEX INTO CACHE m;
-- MySQL 9.7 crashes when it executes an EXPLAIN with a cursor.
-- cursors off
EXPLAIN SELECT 1;
EXPLAIN SELECT * FROM t WHERE id=1;
EXPLAIN SELECT * FROM t WHERE nope=1;
EXPLAIN EXTENDED SELECT * FROM t WHERE id=1;
SHOW WARNINGS;
EXPLAIN PARTITIONS SELECT * FROM t WHERE id=1;
EXPLAIN FORMAT=JSON SELECT id FROM t WHERE id=1;
EXPLAIN FORMAT=nosuch SELECT 1;
EXPLAIN UPDATE t SET a=1 WHERE id=1;
EXPLAIN DELETE FROM t WHERE id=1;
EXPLAIN INSERT INTO t VALUES (100,1);
EXPLAIN REPLACE INTO t VALUES (100,1);
DESCRIBE SELECT id FROM t WHERE id=2;
DESC FORMAT=JSON SELECT 1;
EXPLAIN FOR CONNECTION 99999999;
SHOW EXPLAIN FOR 99999999;
-- only mysql
-- mask rows,length
EXPLAIN ANALYZE SELECT id FROM t WHERE id=1;
-- only mysql
EXPLAIN FORMAT=TREE SELECT id FROM t WHERE id=1;
-- only mariadb
-- mask rows
ANALYZE FORMAT=JSON SELECT id FROM t WHERE id=1;
-- only mariadb
ANALYZE SELECT id FROM t WHERE id=1;
-- only mariadb
ANALYZE UPDATE t SET a=a WHERE id=1;
-- cursors on
SHOW ENGINES;
-- sorted
SHOW STORAGE ENGINES;
-- mask rows,count
SHOW PLUGINS;
-- mask rows
SHOW PRIVILEGES;
-- MySQL 9.7 crashes when it executes these with a cursor.
-- cursors off
-- mask rows,count
SHOW PROCESSLIST;
-- mask rows,count
SHOW FULL PROCESSLIST;
-- cursors on
SHOW CONTRIBUTORS;
SHOW AUTHORS;
-- mask rows
SHOW ENGINE INNODB STATUS;
-- mask rows,count
SHOW ENGINE INNODB MUTEX;
SHOW ENGINE nosuch STATUS;
-- mask rows
SHOW MASTER STATUS;
-- mask rows,count
SHOW BINARY LOGS;
-- mask rows,count
SHOW MASTER LOGS;
-- mask rows,count
SHOW SLAVE STATUS;
-- mask rows,count
SHOW SLAVE HOSTS;
-- only mysql
-- mask rows,count
SHOW REPLICA STATUS;
-- only mysql
-- mask rows,count
SHOW BINARY LOG STATUS;
-- only mariadb
-- mask rows,count
SHOW ALL SLAVES STATUS;
-- mask rows,count
SHOW BINLOG EVENTS LIMIT 1;
-- mask rows,count,message
SHOW RELAYLOG EVENTS;
SHOW GRANTS FOR nosuch;
-- mask rows,count
SHOW GRANTS;
SHOW CREATE USER nosuch;
SHOW NOSUCH;
-- mask status
SHOW COLLATION WHERE Charset='utf8mb4' AND Collation LIKE '%unicode_ci';
-- mask status
SHOW CHARSET LIKE 'utf8%';
-- mask status
SHOW PROCEDURE STATUS WHERE Db='d_adm';
-- mask status
SHOW EVENTS FROM d_adm;
-- mask status
SHOW TRIGGERS FROM d_adm;
-- mask status
SHOW KEYS FROM t;
-- mask status
SHOW INDEX FROM nope;
-- mask status
SHOW COLUMNS FROM nope;
-- mask status
SHOW FIELDS FROM t IN d_adm;
SHOW CREATE TABLE nope;
SHOW CREATE VIEW t;
-- mask status
SHOW TABLES FROM nosuchdb;
-- mask status
SHOW DATABASES LIKE 'd_ad%';
SHOW SESSION STATUS LIKE 'nosuch';
SHOW STATUS WHERE Variable_name = 'Ssl_cipher';
FLUSH STATUS;
SELECT a FROM t WHERE id BETWEEN 2 AND 4 ORDER BY id;
SHOW SESSION STATUS LIKE 'Handler_read_next';
SELECT * FROM t ORDER BY a DESC LIMIT 2;
SHOW STATUS LIKE 'Sort_rows';
INSERT INTO t VALUES (50,50);
SHOW SESSION STATUS LIKE 'Handler_write';
-- mask rows
SHOW GLOBAL STATUS LIKE 'Uptime';
-- mask rows,count
SHOW GLOBAL STATUS LIKE 'Threads%';
SHOW STATUS LIKE 'Last_query_cost_x';
-- mask rows,status
SELECT variable_value FROM information_schema.global_status WHERE variable_name='UPTIME';
SET profiling = 1;
SELECT 1 + 1;
SELECT COUNT(*) FROM t;
-- mask rows
SHOW PROFILES;
-- mask rows,count
SHOW PROFILE;
-- mask rows,count
SHOW PROFILE CPU, BLOCK IO FOR QUERY 1;
-- mask status
SELECT query_id FROM information_schema.profiling GROUP BY query_id ORDER BY 1;
SET profiling = 0;
FLUSH TABLES;
FLUSH TABLE t;
FLUSH LOCAL TABLES t, m;
FLUSH PRIVILEGES;
FLUSH LOGS;
FLUSH BINARY LOGS;
FLUSH ENGINE LOGS;
FLUSH USER_RESOURCES;
FLUSH HOSTS;
FLUSH QUERY CACHE;
FLUSH NOSUCH;
FLUSH TABLES WITH READ LOCK;
INSERT INTO t VALUES (60,60);
UNLOCK TABLES;
RESET QUERY CACHE;
-- mask message
KILL 99999999;
-- mask message
KILL QUERY 99999999;
KILL 'x';
-- mask status
SELECT table_name, engine, table_rows IS NOT NULL FROM information_schema.tables WHERE table_schema='d_adm' ORDER BY 1;
-- mask status
SELECT column_name, data_type, column_key FROM information_schema.columns WHERE table_schema='d_adm' ORDER BY table_name, ordinal_position;
-- mask status
SELECT index_name, column_name FROM information_schema.statistics WHERE table_schema='d_adm' ORDER BY 1, 2;
-- mask status
SELECT constraint_name, table_name FROM information_schema.table_constraints WHERE table_schema='d_adm' ORDER BY 2, 1;
-- mask status
SELECT * FROM information_schema.key_column_usage WHERE table_schema='d_adm' ORDER BY table_name;
-- mask status
SELECT COUNT(*) > 50 FROM information_schema.collations;
-- mask status
SELECT * FROM information_schema.schemata WHERE schema_name='d_adm';
-- mask status
SELECT * FROM information_schema.nosuch;
-- mask status
SELECT engine, support FROM information_schema.engines WHERE engine='InnoDB';
-- mask status
SELECT COUNT(*) FROM information_schema.events WHERE event_schema='d_adm';
-- mask status
SELECT COUNT(*) FROM information_schema.referential_constraints WHERE constraint_schema='d_adm';
-- mask status
SELECT USER = USER FROM information_schema.processlist WHERE id = CONNECTION_ID();
SELECT COUNT(*) >= 0 FROM performance_schema.threads;
SELECT user IS NOT NULL FROM mysql.user WHERE user='root' LIMIT 1;
-- mask message
INSTALL PLUGIN nosuch SONAME 'nosuch.so';
UNINSTALL PLUGIN nosuch;
-- mask message
INSTALL SONAME 'nosuch';
-- mask message
CREATE FUNCTION udf RETURNS STRING SONAME 'nosuch.so';
-- only mysql
-- mask message
INSTALL COMPONENT 'file://nosuch';
-- only mysql
-- mask message
UNINSTALL COMPONENT 'file://nosuch';
CREATE SERVER s1 FOREIGN DATA WRAPPER mysql OPTIONS (HOST '10.0.0.1', DATABASE 'x', USER 'u', PORT 3306);
ALTER SERVER s1 OPTIONS (USER 'v');
DROP SERVER s1;
DROP SERVER s1;
DROP SERVER IF EXISTS s1;
CREATE TABLESPACE ts ADD DATAFILE 'ts.ibd' ENGINE=nosuch;
DROP TABLESPACE nosuch;
CREATE LOGFILE GROUP lg ADD UNDOFILE 'x' ENGINE=nosuch;
PURGE BINARY LOGS TO 'nosuch.000001';
START SLAVE 'nosuch';
STOP SLAVE 'nosuch';
BINLOG 'not base64!';
CLONE LOCAL DATA DIRECTORY = '/nonexistent/x';
LOCK INSTANCE FOR BACKUP;
UNLOCK INSTANCE;
IMPORT TABLE FROM '/nonexistent.sdi';
-- only mariadb
BACKUP STAGE START;
-- only mariadb
BACKUP STAGE FLUSH;
-- only mariadb
BACKUP STAGE END;
-- only mariadb
BACKUP STAGE END;
-- only mariadb
BACKUP LOCK t;
-- only mariadb
BACKUP UNLOCK;
SHUTDOWN NOSUCH;
RESTART NOW;
DROP DATABASE d_adm;
