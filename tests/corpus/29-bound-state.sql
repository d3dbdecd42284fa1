-- What only one connection knows: bound while it lasts, and free again, also in the middle of other work.
CREATE DATABASE d_bound;
USE d_bound;
CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v INT);
INSERT INTO t (v) VALUES (1),(2),(3),(4);
-- variables that are to be assigned and are not
SELECT id INTO @b FROM t WHERE id < 0;
SELECT @b;
SELECT id, @s := id FROM t WHERE id < 0;
SELECT @s;
SELECT id INTO @y FROM nosuch;
SELECT @y;
SET @b = 1, @s = 1, @y = 1;
-- SQL_CALC_FOUND_ROWS over other statements
SELECT SQL_CALC_FOUND_ROWS v FROM t ORDER BY v LIMIT 1;
SET @a = 1;
SELECT FOUND_ROWS();
SELECT SQL_CALC_FOUND_ROWS v FROM t ORDER BY v LIMIT 2;
INSERT INTO t (v) VALUES (5);
-- only mariadb
SELECT FOUND_ROWS(), ROW_COUNT();
SELECT v FROM t WHERE v > 2;
-- only mariadb
SELECT FOUND_ROWS() > 2, ROW_COUNT() AS rc;
SELECT v FROM t LIMIT 2;
SELECT FOUND_ROWS();
UPDATE t SET v = v + 10 WHERE id < 3;
SELECT ROW_COUNT();
SELECT ROW_COUNT();
DELETE FROM t WHERE id = 5;
-- only mariadb
SELECT FOUND_ROWS(), ROW_COUNT(), LAST_INSERT_ID();
CREATE TABLE u AS SELECT * FROM t;
SELECT ROW_COUNT();
SELECT * FROM u WHERE ROW_COUNT() > 100;
-- locks, taken and given back
SELECT GET_LOCK('d_bound_1', 0), GET_LOCK('d_bound_2', 0);
SELECT IS_FREE_LOCK('d_bound_1'), IS_FREE_LOCK('d_bound_3');
SELECT RELEASE_LOCK('d_bound_1');
SELECT IS_FREE_LOCK('d_bound_1'), IS_FREE_LOCK('d_bound_2');
-- connection other
SELECT GET_LOCK('d_bound_2', 0), GET_LOCK('d_bound_1', 0);
-- connection 1
DO RELEASE_ALL_LOCKS();
-- connection other
SELECT GET_LOCK('d_bound_2', 0);
DO RELEASE_ALL_LOCKS();
-- disconnect other
-- connection 1
-- temporary tables in front of others
CREATE TEMPORARY TABLE t (x INT);
SELECT * FROM t;
INSERT INTO t VALUES (7);
SELECT * FROM t;
DROP TEMPORARY TABLE t;
SELECT COUNT(*) FROM t;
CREATE TEMPORARY TABLE tmp SELECT id FROM t;
SELECT COUNT(*) FROM tmp;
ALTER TABLE tmp ADD COLUMN y INT DEFAULT 3;
SELECT SUM(y) FROM tmp;
TRUNCATE tmp;
SELECT COUNT(*) FROM tmp;
DROP TABLE tmp;
SELECT * FROM tmp;
-- user variables: literals, computed, in several ways
SET @x = 5, @y = 'five', @z = NULL;
SELECT @x, @y, @z, @never;
SET @x = @x + 1;
SELECT @x;
SET @x = 7;
SELECT @x + @x;
SELECT @i := 0;
SELECT @i := @i + v FROM t ORDER BY id;
SELECT @i;
SELECT COUNT(*), MAX(v) INTO @c, @m FROM t;
SELECT @c, @m;
SELECT @c := COUNT(*), (SELECT 1 UNION SELECT 2) FROM t;
SELECT @c;
SET @c = 1, @m = 1, @i = 1;
SELECT v INTO @x FROM t WHERE id = 1000;
SELECT @x;
SELECT v INTO @x FROM t;
SELECT @x;
SET @x = 1;
-- text statements
PREPARE s FROM 'SELECT v FROM t WHERE id = ?';
SET @id = 1;
EXECUTE s USING @id;
PREPARE s2 FROM 'INSERT INTO t (v) VALUES (?)';
EXECUTE s2 USING @id;
SELECT LAST_INSERT_ID(), ROW_COUNT();
PREPARE s FROM 'SELEKT';
EXECUTE s USING @id;
DEALLOCATE PREPARE s2;
EXECUTE s2 USING @id;
DROP PREPARE s2;
-- settings that dumps put back
SET @OLD_SQL_MODE = @@SQL_MODE, SQL_MODE = 'ANSI_QUOTES';
SELECT "v" FROM t WHERE id = 1;
SET @OLD_TIME_ZONE = @@TIME_ZONE;
SET TIME_ZONE = '+05:00';
SELECT @@TIME_ZONE;
SET TIME_ZONE = @OLD_TIME_ZONE;
SET SQL_MODE = @OLD_SQL_MODE;
SELECT @@TIME_ZONE = @OLD_TIME_ZONE, @@SQL_MODE = @OLD_SQL_MODE;
-- HANDLER beside other statements
HANDLER t OPEN AS h;
HANDLER h READ FIRST;
UPDATE t SET v = 99 WHERE id = 1;
HANDLER h READ FIRST;
HANDLER h READ NEXT LIMIT 2;
HANDLER h CLOSE;
HANDLER h READ FIRST;
-- LOCK TABLES
LOCK TABLES t READ;
SELECT COUNT(*) FROM t;
INSERT INTO t (v) VALUES (1);
SELECT COUNT(*) FROM u;
UNLOCK TABLES;
SELECT COUNT(*) FROM u;
LOCK TABLES t WRITE, u READ;
INSERT INTO t (v) SELECT 8 FROM u LIMIT 1;
BEGIN;
SELECT COUNT(*) FROM u;
COMMIT;
-- a sequence
-- only mariadb
CREATE SEQUENCE seq;
-- only mariadb
SELECT NEXTVAL(seq), LASTVAL(seq);
-- only mariadb
SELECT LASTVAL(seq), PREVIOUS VALUE FOR seq;
-- only mariadb
SELECT SETVAL(seq, 50), LASTVAL(seq), NEXT VALUE FOR seq;
-- only mariadb
SELECT LASTVAL(seq);
-- an open transaction over an error, and its savepoints
BEGIN;
INSERT INTO t (v) VALUES (100);
SAVEPOINT one;
INSERT INTO nope VALUES (1);
INSERT INTO t (v) VALUES (101);
ROLLBACK TO one;
RELEASE SAVEPOINT one;
RELEASE SAVEPOINT one;
COMMIT;
SELECT COUNT(*) FROM t WHERE v >= 100;
XA START 'bound';
INSERT INTO t (v) VALUES (200);
XA END 'bound';
XA PREPARE 'bound';
XA ROLLBACK 'bound';
SELECT COUNT(*) FROM t WHERE v = 200;
-- settings for the next transaction only
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;
SELECT @@autocommit;
BEGIN;
SELECT COUNT(*) FROM u;
COMMIT;
SET TRANSACTION READ ONLY;
INSERT INTO t (v) VALUES (1);
BEGIN;
INSERT INTO t (v) VALUES (1);
ROLLBACK;
BEGIN;
INSERT INTO t (v) VALUES (1);
ROLLBACK;
DROP DATABASE d_bound;
