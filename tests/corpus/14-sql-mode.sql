-- sql_mode and what it changes: quoting, operators, strictness, zero dates, grouping.
CREATE DATABASE d_mode;
USE d_mode;
CREATE TABLE t (a INT, b VARCHAR(3), d DATE, u INT UNSIGNED);
INSERT INTO t VALUES (1,'x','2024-01-01',1);
SELECT @@sql_mode, @@global.sql_mode = @@session.sql_mode;
SET sql_mode = 'ANSI_QUOTES';
SELECT "a" FROM t;
SELECT 'lit', "b" AS "alias" FROM t;
CREATE TABLE "quoted" ("col" INT);
SHOW CREATE TABLE "quoted";
SELECT "no such column";
SET sql_mode = 'NO_BACKSLASH_ESCAPES';
SELECT 'a\', 'b\\c', LENGTH('\n');
SELECT 'x' LIKE '\x';
SET sql_mode = '';
SELECT 'a\'b', LENGTH('\n');
SET sql_mode = 'PIPES_AS_CONCAT';
SELECT 'a' || 'b' || 1;
SET sql_mode = '';
SELECT 'a' || 'b', 1 || 0;
SET sql_mode = 'IGNORE_SPACE';
SELECT COUNT (*) FROM t;
SELECT NOW () IS NULL;
SET sql_mode = '';
SELECT COUNT (*) FROM t;
CREATE TABLE count (i INT);
DROP TABLE count;
SET sql_mode = 'HIGH_NOT_PRECEDENCE';
SELECT NOT 1 BETWEEN -5 AND 5;
SET sql_mode = '';
SELECT NOT 1 BETWEEN -5 AND 5;
SET sql_mode = 'NO_UNSIGNED_SUBTRACTION';
SELECT CAST(0 AS UNSIGNED) - 1;
SET sql_mode = '';
SELECT CAST(0 AS UNSIGNED) - 1;
SET sql_mode = 'REAL_AS_FLOAT';
CREATE TABLE r (x REAL);
SHOW CREATE TABLE r;
SET sql_mode = 'ONLY_FULL_GROUP_BY';
SELECT a, b FROM t GROUP BY a;
SET sql_mode = '';
SELECT a, b FROM t GROUP BY a;
SET sql_mode = 'STRICT_ALL_TABLES';
INSERT INTO t (b) VALUES ('toolong');
INSERT INTO t (a) VALUES ('abc');
INSERT INTO t (u) VALUES (-1);
SET sql_mode = '';
INSERT INTO t (b) VALUES ('toolong');
SHOW WARNINGS;
INSERT INTO t (a,u) VALUES ('abc',-1);
SHOW WARNINGS;
INSERT INTO t (d) VALUES ('0000-00-00'),('2024-00-01'),('2024-02-31');
SHOW WARNINGS;
SELECT * FROM t ORDER BY d, a;
SET sql_mode = 'STRICT_TRANS_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE';
INSERT INTO t (d) VALUES ('0000-00-00');
INSERT INTO t (d) VALUES ('2024-00-01');
SET sql_mode = 'ALLOW_INVALID_DATES';
INSERT INTO t (d) VALUES ('2024-02-31');
SELECT COUNT(*) FROM t WHERE d = '2024-02-31';
SET sql_mode = 'ERROR_FOR_DIVISION_BY_ZERO,STRICT_ALL_TABLES';
INSERT INTO t (a) VALUES (1/0);
SELECT 1/0;
SHOW WARNINGS;
SET sql_mode = '';
INSERT INTO t (a) VALUES (1/0);
SHOW WARNINGS;
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO';
CREATE TABLE z (id INT AUTO_INCREMENT PRIMARY KEY);
INSERT INTO z VALUES (0);
SELECT * FROM z;
SET sql_mode = 'PAD_CHAR_TO_FULL_LENGTH';
CREATE TABLE p (c CHAR(5));
INSERT INTO p VALUES ('a');
SELECT c, LENGTH(c) FROM p;
SET sql_mode = 'NO_ENGINE_SUBSTITUTION';
CREATE TABLE e (i INT) ENGINE=nosuchengine;
SET sql_mode = '';
CREATE TABLE e (i INT) ENGINE=nosuchengine;
SHOW WARNINGS;
SET sql_mode = 'NO_DIR_IN_CREATE';
SELECT @@sql_mode;
SET sql_mode = 'ANSI';
SELECT @@sql_mode;
SELECT "a" || 'x' FROM t ORDER BY 1 LIMIT 1;
SET sql_mode = 'TRADITIONAL';
SELECT @@sql_mode;
INSERT INTO t (b) VALUES ('toolong');
-- only mariadb
SET sql_mode = 'ORACLE';
-- only mariadb
SELECT @@sql_mode;
-- only mariadb
SELECT 'a' || NULL || 'b';
-- only mariadb
BEGIN :x := 1; END;
-- only mariadb
SET sql_mode = 'MSSQL';
-- only mariadb
SELECT [a] FROM t LIMIT 1;
-- only mariadb
SET sql_mode = 'EMPTY_STRING_IS_NULL';
-- only mariadb
SELECT '' IS NULL;
-- only mariadb
SET sql_mode = 'SIMULTANEOUS_ASSIGNMENT';
-- only mariadb
UPDATE t SET a=u, u=a WHERE a=1 AND u=1;
-- only mysql
SET sql_mode = 'TIME_TRUNCATE_FRACTIONAL';
SET sql_mode = 'NOSUCHMODE';
SET sql_mode = 33;
SELECT @@sql_mode;
SET sql_mode = DEFAULT;
SET @old = @@sql_mode, sql_mode = 'ANSI_QUOTES';
SELECT "a" FROM t ORDER BY 1 LIMIT 1;
SET sql_mode = @old;
SELECT "a";
SET sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES');
SELECT "a" FROM t ORDER BY 1 LIMIT 1;
SET sql_mode = REPLACE(@@sql_mode, 'ANSI_QUOTES', '');
SELECT "a";
-- connection 2
SELECT "another session has its own";
-- connection 1
SET SESSION sql_mode = 'ANSI_QUOTES';
-- reset
SELECT "reset";
DROP DATABASE d_mode;
