-- GET DIAGNOSTICS of what the last statement raised, of warnings and errors, of servers and of SIGNAL. It is sent as
-- text because MySQL can't prepare it.
CREATE DATABASE d_diag;
USE d_diag;
CREATE TABLE t (id INT PRIMARY KEY, v TINYINT);
-- an error, as the session's first
INSERT INTO t VALUES (1, 1), (2, 2), (1, 3);
-- text
GET DIAGNOSTICS @n = NUMBER, @r = ROW_COUNT;
-- text
GET DIAGNOSTICS CONDITION 1 @e = MYSQL_ERRNO, @s = RETURNED_SQLSTATE, @m = MESSAGE_TEXT;
SELECT @n, @r, @e, @s, @m;
SELECT COLLATION(@s), COLLATION(@m), COERCIBILITY(@m), COLLATION(@n), @m = UPPER(@m), @e + 1, CONCAT(@e, @s);
CREATE TABLE types AS SELECT @n AS n, @r AS r, @e AS e, @s AS s, @m AS m;
SHOW CREATE TABLE types;
-- a replica of MySQL makes the table from its definition, without the widths of the SELECT
-- mask length
SELECT * FROM types;
DROP TABLE types;
-- it leaves the list as it is, and sets ROW_COUNT()
INSERT INTO t VALUES (5, 1), (5, 3);
-- text
GET DIAGNOSTICS CONDITION 1 @e = MYSQL_ERRNO;
-- text
GET DIAGNOSTICS CONDITION 1 @e = MYSQL_ERRNO, @s = RETURNED_SQLSTATE;
-- ping
SHOW WARNINGS;
-- text
GET DIAGNOSTICS @n = NUMBER;
SELECT ROW_COUNT();
SELECT @e, @s, @n;
-- every item
SELECT * FROM nosuch;
-- text
GET DIAGNOSTICS CONDITION 1 @a1 = CLASS_ORIGIN, @a2 = SUBCLASS_ORIGIN, @a3 = CONSTRAINT_CATALOG, @a4 = CONSTRAINT_SCHEMA, @a5 = CONSTRAINT_NAME, @a6 = CATALOG_NAME, @a7 = SCHEMA_NAME, @a8 = TABLE_NAME, @a9 = COLUMN_NAME, @b1 = CURSOR_NAME, @b2 = MESSAGE_TEXT, @b3 = RETURNED_SQLSTATE, @b4 = MYSQL_ERRNO;
SELECT @a1, @a2, @a3, @a4, @a5, @a6, @a7, @a8, @a9, @b1, @b2, @b3, @b4;
INSERT INTO t VALUES (7, 1), (8, 8), (7, 3);
-- only mariadb
-- text
GET DIAGNOSTICS CONDITION 1 @row = ROW_NUMBER;
-- only mysql
-- text
GET DIAGNOSTICS CONDITION 1 @row = ROW_NUMBER;
SELECT @row;
-- warnings
SELECT 1/0, CAST('x' AS SIGNED), CAST('y' AS SIGNED);
-- text
GET DIAGNOSTICS @n = NUMBER, @r = ROW_COUNT;
-- text
GET DIAGNOSTICS CONDITION @n @m = MESSAGE_TEXT, @e = MYSQL_ERRNO, @s = RETURNED_SQLSTATE;
-- text
GET CURRENT DIAGNOSTICS CONDITION 1 @m1 = MESSAGE_TEXT, @e1 = MYSQL_ERRNO, @s1 = RETURNED_SQLSTATE;
SELECT @n, @r, @e, @s, @m, @e1, @s1, @m1;
DROP TABLE IF EXISTS nosuch, nosuch2;
-- text
GET DIAGNOSTICS CONDITION 2 @m = MESSAGE_TEXT, @e = MYSQL_ERRNO, @s = RETURNED_SQLSTATE;
SELECT @e, @s, @m;
-- nothing raised
UPDATE t SET v = 7 WHERE id < 100;
-- text
GET DIAGNOSTICS @n = NUMBER, @r = ROW_COUNT;
SELECT @n, @r;
SELECT 1;
-- text
GET DIAGNOSTICS @n = NUMBER, @r = ROW_COUNT;
SELECT @n, @r;
DELETE FROM t;
-- text
GET DIAGNOSTICS @n = NUMBER, @r = ROW_COUNT;
SELECT @n, @r;
-- what can't be had
SELECT * FROM nosuch;
-- text
GET DIAGNOSTICS CONDITION 2 @m = MESSAGE_TEXT;
SHOW WARNINGS;
-- text
GET DIAGNOSTICS @n = NUMBER;
-- text
GET DIAGNOSTICS CONDITION 2 @m = MESSAGE_TEXT, @e = MYSQL_ERRNO;
SELECT @n, @m, @e;
SELECT 1/0;
-- text
GET DIAGNOSTICS CONDITION 0 @m = MESSAGE_TEXT;
SHOW WARNINGS;
SELECT 1/0;
-- text
GET STACKED DIAGNOSTICS @n = NUMBER;
SHOW WARNINGS;
SHOW COUNT(*) WARNINGS;
UPDATE t SET v = 8 WHERE id < 100;
-- text
GET DIAGNOSTICS CONDITION 1 @m = MESSAGE_TEXT;
SHOW WARNINGS;
SELECT 1/0;
-- text
GET DIAGNOSTICS CONDITION 1 @m = NUMBER;
SHOW WARNINGS;
SELECT 1/0;
-- text
GET DIAGNOSTICS x = NUMBER;
SHOW WARNINGS;
-- of SIGNAL, with all that it may say
SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'größe €', MYSQL_ERRNO = 3333, CLASS_ORIGIN = 'mine', SUBCLASS_ORIGIN = 'sub', TABLE_NAME = 'a`b', CURSOR_NAME = 'it''s', SCHEMA_NAME = '\\';
-- text
GET DIAGNOSTICS CONDITION 1 @m = MESSAGE_TEXT, @e = MYSQL_ERRNO, @s = RETURNED_SQLSTATE, @c = CLASS_ORIGIN, @d = SUBCLASS_ORIGIN, @t = TABLE_NAME, @u = CURSOR_NAME, @v = SCHEMA_NAME;
SELECT @m, @e, @s, @c, @d, @t, @u, @v, LENGTH(@m), CHAR_LENGTH(@m);
SIGNAL SQLSTATE '01234' SET MESSAGE_TEXT = 'only a warning';
-- text
GET DIAGNOSTICS CONDITION 1 @m = MESSAGE_TEXT, @e = MYSQL_ERRNO, @s = RETURNED_SQLSTATE;
SELECT @m, @e, @s;
SET NAMES latin1;
SIGNAL SQLSTATE '45001' SET MESSAGE_TEXT = 'gr\xf6\xdfe';
-- text
GET DIAGNOSTICS CONDITION 1 @m = MESSAGE_TEXT;
SELECT @m, HEX(@m);
SET NAMES utf8mb4;
-- of a routine
-- delimiter //
CREATE PROCEDURE p() BEGIN SELECT 1/0; INSERT INTO t VALUES (1, 500); SIGNAL SQLSTATE '02000' SET MESSAGE_TEXT = 'none'; END//
-- delimiter ;
CALL p();
-- text
GET DIAGNOSTICS @n = NUMBER;
-- text
GET DIAGNOSTICS CONDITION 1 @m = MESSAGE_TEXT, @e = MYSQL_ERRNO, @s = RETURNED_SQLSTATE;
SELECT @n, @e, @s, @m;
-- more conditions than most
SELECT CAST('a' AS SIGNED), CAST('b' AS SIGNED), CAST('c' AS SIGNED), CAST('d' AS SIGNED), CAST('e' AS SIGNED), CAST('f' AS SIGNED), CAST('g' AS SIGNED), CAST('h' AS SIGNED), CAST('i' AS SIGNED);
-- text
GET DIAGNOSTICS @n = NUMBER;
-- text
GET DIAGNOSTICS CONDITION 9 @m = MESSAGE_TEXT;
SELECT @n, @m;
-- the variables are the session's own, in a transaction and in what reads them later
SET @n = 'mine';
BEGIN;
SELECT * FROM nosuch;
-- text
GET DIAGNOSTICS @n = NUMBER;
INSERT INTO t VALUES (100, @n);
COMMIT;
SELECT v FROM t WHERE id = 100;
SELECT * FROM t WHERE v = @n;
SET @n = NULL;
SELECT @n;
-- in a statement of its own, where it can be prepared
SELECT * FROM nosuch;
-- only mariadb
GET DIAGNOSTICS @n = NUMBER;
-- only mariadb
SELECT * FROM nosuch;
-- only mariadb
GET DIAGNOSTICS CONDITION 1 @e = MYSQL_ERRNO;
-- only mariadb
GET DIAGNOSTICS CONDITION 5 @e = MYSQL_ERRNO;
-- only mariadb
SELECT @n, @e;
DROP DATABASE d_diag;
