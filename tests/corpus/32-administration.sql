-- What administrators run besides: tablespaces, histograms, persisted settings, libraries, components, replication. Much of
-- it is refused for the lack of what it names.
CREATE DATABASE d_root;
USE d_root;
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1,1),(2,2),(3,3);
CREATE VIEW v AS SELECT id FROM t;
ALTER TABLE t IMPORT TABLESPACE;
ALTER TABLESPACE nosuch ADD DATAFILE 'nosuch.ibd' ENGINE=nosuch;
ALTER LOGFILE GROUP lg ADD UNDOFILE 'x' ENGINE=nosuch;
DROP LOGFILE GROUP lg ENGINE=nosuch;
-- only mysql
CREATE TABLESPACE d_ts ADD DATAFILE 'd_ts.ibd' ENGINE=InnoDB;
-- only mysql
ALTER TABLESPACE d_ts RENAME TO d_ts2;
-- only mysql
CREATE TABLE in_ts (a INT) TABLESPACE d_ts2;
-- only mysql
DROP TABLESPACE d_ts2;
-- only mysql
DROP TABLE in_ts;
-- only mysql
DROP TABLESPACE d_ts2;
-- only mysql
CREATE UNDO TABLESPACE d_undo ADD DATAFILE 'd_undo.no';
-- only mysql
ALTER UNDO TABLESPACE nosuch SET INACTIVE;
-- only mysql
DROP UNDO TABLESPACE nosuch;
-- only mysql
DROP SPATIAL REFERENCE SYSTEM 990001;
-- only mysql
DROP SPATIAL REFERENCE SYSTEM IF EXISTS 990001;
-- only mysql
SHOW WARNINGS;
-- only mysql
CREATE OR REPLACE SPATIAL REFERENCE SYSTEM 990001 NAME 'd_root' DEFINITION 'GEOGCS["d_root",DATUM["d_root",SPHEROID["d_root",6378137,298.257223563]],PRIMEM["Greenwich",0],UNIT["degree",0.017453292519943278],AXIS["Lat",NORTH],AXIS["Lon",EAST]]';
-- only mysql
SELECT ST_SRID(ST_GeomFromText('POINT(1 2)', 990001));
-- only mysql
DROP SPATIAL REFERENCE SYSTEM 990001;
-- only mysql
ANALYZE TABLE t UPDATE HISTOGRAM ON a WITH 4 BUCKETS;
-- only mysql
-- mask status
SELECT column_name FROM information_schema.column_statistics WHERE schema_name='d_root';
-- only mysql
ANALYZE TABLE t DROP HISTOGRAM ON a, nope;
-- only mariadb
ANALYZE TABLE t PERSISTENT FOR COLUMNS (a) INDEXES ();
-- only mariadb
ANALYZE TABLE t PERSISTENT FOR ALL;
CHECKSUM TABLE t EXTENDED;
CHECKSUM TABLE t QUICK;
CHECK TABLE v;
CHECK TABLE t FOR UPGRADE;
-- only mariadb
CHECK VIEW v;
-- only mariadb
REPAIR VIEW v, nope;
OPTIMIZE NO_WRITE_TO_BINLOG TABLE nope;
REPAIR NO_WRITE_TO_BINLOG TABLE nope;
RENAME TABLES t TO u, u TO t;
RENAME TABLES nope TO t;
LOAD INDEX INTO CACHE t IGNORE LEAVES;
CACHE INDEX t IN default;
-- MySQL 9.7 crashes when it executes these with a cursor.
-- cursors off
EXPLAIN t;
DESCRIBE t a;
EXPLAIN v 'i%';
-- only mysql
-- mask rows
EXPLAIN TABLE t;
-- only mysql
DESC VALUES ROW(1);
-- only mariadb
SHOW ANALYZE FOR 99999999;
-- only mysql
EXPLAIN INTO @plan FORMAT=JSON SELECT 1;
-- only mysql
SELECT @plan IS NOT NULL;
-- cursors on
SHOW FUNCTION CODE nosuch;
SHOW PROCEDURE CODE nosuch;
-- only mysql
SHOW PARSE_TREE SELECT 1;
-- only mysql
-- mask rows,count
SHOW REPLICAS;
-- only mariadb
-- mask rows,count
SHOW REPLICA HOSTS;
-- only mariadb
-- mask rows
SHOW BINLOG STATUS;
-- only mariadb
SHOW LOCALES;
-- only mariadb
SHOW QUERY_RESPONSE_TIME;
-- only mariadb
SHOW TABLE_STATISTICS;
-- only mariadb
SHOW INDEX_STATISTICS;
-- only mariadb
SHOW CREATE PACKAGE nosuch;
-- only mariadb
SHOW CREATE SERVER nosuch;
-- mask rows,count
SHOW OPEN TABLES FROM d_root;
HELP 'contents';
HELP 'SHOW';
HELP 'no such topic';
-- only mysql
RESET PERSIST nosuch;
-- only mysql
RESET PERSIST IF EXISTS nosuch;
-- only mysql
SHOW WARNINGS;
-- only mysql
SET PERSIST max_connect_errors = 100;
-- only mysql
RESET PERSIST max_connect_errors;
-- only mysql
SET PERSIST_ONLY innodb_log_write_ahead_size = 8192;
-- only mysql
RESET PERSIST innodb_log_write_ahead_size;
-- only mysql
ALTER INSTANCE ROTATE INNODB MASTER KEY;
-- only mysql
ALTER INSTANCE ROTATE BINLOG MASTER KEY;
-- only mysql
ALTER INSTANCE RELOAD KEYRING;
-- only mysql
ALTER INSTANCE RELOAD TLS FOR CHANNEL nosuch;
-- only mysql
ALTER RESOURCE GROUP nosuch DISABLE;
-- only mysql
INSTALL COMPONENT 'file://component_query_attributes';
-- only mysql
UNINSTALL COMPONENT 'file://component_query_attributes';
-- only mysql
-- mask message
CREATE LIBRARY l LANGUAGE JAVASCRIPT AS 'export function f() { return 1 }';
-- only mysql
SHOW CREATE LIBRARY nosuch;
-- only mysql
ALTER LIBRARY nosuch COMMENT 'x';
-- only mysql
DROP LIBRARY IF EXISTS l;
-- only mysql
CREATE OR REPLACE JSON RELATIONAL DUALITY VIEW dv AS SELECT JSON_DUALITY_OBJECT('_id': id, 'a': a) FROM t;
-- only mysql
SHOW CREATE VIEW dv;
-- only mysql
DROP VIEW IF EXISTS dv;
-- only mysql
CLONE INSTANCE FROM nobody@127.0.0.1:1 IDENTIFIED BY 'x';
-- only mariadb
CREATE OR REPLACE SERVER s2 FOREIGN DATA WRAPPER mysql OPTIONS (HOST '10.0.0.1', DATABASE 'x');
-- only mariadb
DROP SERVER s2;
-- only mariadb
FLUSH SSL;
-- only mariadb
FLUSH USER_STATISTICS;
-- only mysql
FLUSH OPTIMIZER_COSTS;
FLUSH ERROR LOGS;
FLUSH SLOW LOGS;
FLUSH RELAY LOGS;
FLUSH TABLES t WITH READ LOCK;
UPDATE t SET a = 9;
UNLOCK TABLES;
FLUSH TABLES nope FOR EXPORT;
PURGE BINARY LOGS BEFORE '2000-01-01 00:00:00';
PURGE BINARY LOGS BEFORE 'never';
-- only mariadb
PURGE MASTER LOGS TO 'nosuch.000001';
-- only mariadb
KILL USER nosuch;
-- only mariadb
START ALL SLAVES;
-- only mariadb
STOP ALL SLAVES;
-- only mariadb
RESET SLAVE 'nosuch' ALL;
-- only mariadb
CHANGE MASTER 'nosuch' TO MASTER_NOSUCH = 1;
-- only mariadb
RESET MASTER TO nowhere;
-- only mysql
RESET BINARY LOGS AND NOTHING;
-- only mysql
START REPLICA FOR CHANNEL 'nosuch';
-- only mysql
STOP REPLICA FOR CHANNEL 'nosuch';
-- only mysql
RESET REPLICA FOR CHANNEL 'nosuch';
-- only mysql
CHANGE REPLICATION FILTER REPLICATE_DO_DB = (d_root) FOR CHANNEL 'nosuch';
-- only mysql
CHANGE REPLICATION SOURCE TO SOURCE_NOSUCH = 1;
-- only mysql
-- mask message
START GROUP_REPLICATION;
-- only mysql
-- mask message
STOP GROUP_REPLICATION;
LOAD MASTER DATA FROM MASTER;
DROP DATABASE d_root;
