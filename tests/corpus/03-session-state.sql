-- What a session remembers: user variables, insert ids, found rows, row counts, warnings, diagnostics.
CREATE DATABASE d_state;
USE d_state;
CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a INT, s VARCHAR(5));
INSERT INTO t (a,s) VALUES (1,'a'),(2,'b'),(3,'c'),(4,'d'),(5,'e');
SET @a = 1, @b = 'text', @c = 1.5, @d = 2e0, @e = NULL, @f = x'4142';
SELECT @a, @b, @c, @d, @e, @f, @never;
SET @a := @a + 1;
SELECT @a;
SELECT @a := 10;
SELECT @a, @a := @a + 1, @a;
SELECT @n := @n + 1 FROM (SELECT @n := 0) i, t;
SELECT @n;
SELECT MAX(a) INTO @m FROM t;
SELECT @m, @M, @`m`, @'m';
SET @`odd name` = 3, @'other.name' = 4, @$x = 5, @a.b = 6;
SELECT @`odd name`, @'other.name', @$x, @a.b;
SET @s = 'ä' COLLATE utf8mb4_unicode_ci;
SELECT @s, CHARSET(@s), COLLATION(@s), COERCIBILITY(@s);
SET @list = (SELECT GROUP_CONCAT(a) FROM t);
SELECT @list;
UPDATE t SET a = (@x := a + 1) WHERE id = 1;
SELECT @x;
SET @i = 5;
-- params 3
SELECT @i + ?;
INSERT INTO t (a) VALUES (@i);
SELECT LAST_INSERT_ID(), @@last_insert_id, @@identity;
SELECT LAST_INSERT_ID(77);
SELECT LAST_INSERT_ID();
SELECT LAST_INSERT_ID() + 1, IF(LAST_INSERT_ID() > 5, 'big', 'small');
SELECT id FROM t WHERE id = LAST_INSERT_ID() - 71;
UPDATE t SET a = LAST_INSERT_ID(a + 100) WHERE id = 2;
SELECT LAST_INSERT_ID();
SET last_insert_id = 33;
SELECT LAST_INSERT_ID(), @@insert_id;
SET insert_id = 500;
INSERT INTO t (a) VALUES (9);
SELECT LAST_INSERT_ID();
SELECT id FROM t WHERE id IS NULL;
SET sql_auto_is_null = 1;
INSERT INTO t (a) VALUES (10);
SELECT id, a FROM t WHERE id IS NULL;
SELECT id, a FROM t WHERE id IS NULL;
SET sql_auto_is_null = 0;
SELECT SQL_CALC_FOUND_ROWS id FROM t ORDER BY id LIMIT 2;
SELECT FOUND_ROWS();
SELECT FOUND_ROWS();
SELECT id FROM t ORDER BY id LIMIT 3;
SELECT FOUND_ROWS();
SELECT SQL_CALC_FOUND_ROWS a FROM t WHERE a > 100 LIMIT 1;
SELECT FOUND_ROWS(), 1+FOUND_ROWS();
SELECT SQL_CALC_FOUND_ROWS * FROM t UNION ALL SELECT * FROM t LIMIT 1;
SELECT FOUND_ROWS();
UPDATE t SET s='z' WHERE id < 4;
SELECT ROW_COUNT();
SELECT ROW_COUNT();
SELECT 1;
SELECT ROW_COUNT();
DO 1;
SELECT ROW_COUNT();
INSERT INTO t (a) SELECT a FROM t LIMIT 3;
SELECT ROW_COUNT(), LAST_INSERT_ID();
DELETE FROM t WHERE id > 500;
SELECT ROW_COUNT();
CREATE TABLE x (i INT);
SELECT ROW_COUNT();
DROP TABLE x;
SET @z = 1;
SELECT ROW_COUNT();
INSERT INTO nope VALUES (1);
SELECT ROW_COUNT();
SELECT 1/0, CAST('abc' AS SIGNED), 'x' + 1;
SHOW WARNINGS;
SHOW COUNT(*) WARNINGS;
SHOW WARNINGS LIMIT 1;
SHOW WARNINGS LIMIT 1, 1;
SELECT @@warning_count, @@error_count;
SELECT 1/0;
SELECT @@warning_count;
SELECT CAST('1x' AS DECIMAL), CAST('' AS DATE);
SHOW WARNINGS;
SHOW ERRORS;
SHOW COUNT(*) ERRORS;
SELECT nope;
SHOW ERRORS;
SHOW WARNINGS;
SHOW COUNT(*) ERRORS;
SELECT @@error_count;
SELECT 1;
SHOW WARNINGS;
DROP TABLE IF EXISTS not_there, nor_this;
SHOW WARNINGS;
SET sql_notes = 0;
DROP TABLE IF EXISTS not_there;
SHOW WARNINGS;
SET sql_notes = 1;
SET max_error_count = 1;
SELECT 1/0, CAST('q' AS SIGNED);
SHOW WARNINGS;
SET max_error_count = DEFAULT;
SET sql_mode = '';
INSERT INTO t (a,s) VALUES ('12abc','toolongvalue');
SHOW WARNINGS;
GET DIAGNOSTICS @num = NUMBER, @rows = ROW_COUNT;
SELECT @num, @rows;
INSERT INTO t (a,s) VALUES ('12abc','toolongvalue');
GET DIAGNOSTICS CONDITION 1 @st = RETURNED_SQLSTATE, @no = MYSQL_ERRNO, @msg = MESSAGE_TEXT;
SELECT @st, @no, @msg;
GET DIAGNOSTICS CONDITION 2 @msg = MESSAGE_TEXT, @tab = TABLE_NAME, @col = COLUMN_NAME;
SELECT @msg, @tab, @col;
SET sql_mode = DEFAULT;
SELECT * FROM nope;
GET DIAGNOSTICS CONDITION 1 @st = RETURNED_SQLSTATE, @no = MYSQL_ERRNO, @msg = MESSAGE_TEXT;
SELECT @st, @no, @msg;
GET DIAGNOSTICS CONDITION 9 @msg = MESSAGE_TEXT;
SHOW WARNINGS;
SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'mine', MYSQL_ERRNO = 5001;
SHOW WARNINGS;
SIGNAL SQLSTATE '01000' SET MESSAGE_TEXT = 'a warning';
SHOW WARNINGS;
RESIGNAL;
GET CURRENT DIAGNOSTICS @n = NUMBER;
SELECT @n;
SELECT BENCHMARK(10, 1+1);
SELECT USER() IS NOT NULL, CURRENT_USER() = CURRENT_USER, DATABASE(), SCHEMA(), CHARSET(USER());
-- mask rows
SELECT CONNECTION_ID();
SELECT CONNECTION_ID() = CONNECTION_ID(), CONNECTION_ID() = @@pseudo_thread_id;
-- mask status
SELECT CONNECTION_ID() IN (SELECT id FROM information_schema.processlist);
SET @big = REPEAT('x', 100000);
SELECT LENGTH(@big), MD5(@big);
SET timestamp = 1700000000;
SELECT NOW(), CURRENT_TIMESTAMP, UNIX_TIMESTAMP(), CURDATE(), CURTIME(), LOCALTIME, UTC_TIMESTAMP();
SET timestamp = 1700000000.123456;
SELECT NOW(6), SYSDATE() > NOW();
SET timestamp = DEFAULT;
SET rand_seed1 = 10, rand_seed2 = 20;
SELECT RAND(), RAND();
SELECT RAND(5), RAND(5);
-- connection 2
SELECT @a, @b, LAST_INSERT_ID(), ROW_COUNT(), DATABASE();
SET @a = 'second';
USE d_state;
INSERT INTO t (a) VALUES (1000);
-- connection 1
SELECT @a, DATABASE();
-- connection 2
SELECT @a;
-- reset
SELECT @a, DATABASE(), LAST_INSERT_ID();
-- connection 1
-- reset
SELECT @a, @b, @s, DATABASE(), LAST_INSERT_ID(), @@sql_mode = @@global.sql_mode;
-- init_db d_state
SELECT DATABASE();
-- init_db not_there
SELECT DATABASE();
USE not_there;
-- change_user d_state
SELECT @a, DATABASE();
SET @a = 9, autocommit = 0;
-- change_user d_state
SELECT @a, @@autocommit;
-- ping
-- statistics
DROP DATABASE d_state;
SELECT DATABASE();
