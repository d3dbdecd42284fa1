-- Commands besides queries, and the session's end.
CREATE DATABASE d_cmd;
USE d_cmd;
CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(20) DEFAULT 'x', ts DATETIME NULL, e ENUM('a','b') DEFAULT 'b');
INSERT INTO t (name) VALUES ('one'),('two');
-- ping
-- statistics
-- init_db d_cmd
-- init_db nosuch
-- init_db d_cmd
-- field_list t
-- field_list nosuch
-- multi_statements off
-- multi_statements on
-- reset
SELECT DATABASE();
USE d_cmd;
SET @a = 5;
-- ping
SELECT @a;
-- change_user d_cmd
SELECT @a, DATABASE();
SELECT COUNT(*) FROM t;
-- an unknown command is an error, and the session lives
-- command 7f
SELECT 1;
-- command 05
-- command 0b
-- command 13
SELECT 1;
-- execute, fetch and reset of a statement that does not exist
-- command 17 ff ff 00 00 00 01 00 00 00
-- command 1c ff ff 00 00 01 00 00 00
-- command 1a ff ff 00 00
SELECT 1;
-- command 0e
-- command 03
SELECT 1;
-- params 1
SELECT id, name FROM t WHERE id = ?;
-- params 1, 2
SELECT id, name FROM t WHERE id IN (?, ?) ORDER BY id;
-- params 'three', NULL
INSERT INTO t (name, ts) VALUES (?, ?);
SELECT LAST_INSERT_ID();
-- params 'long data', long 'for the second'
SELECT ?, CONCAT(?, '!');
SELECT * FROM t ORDER BY id;
-- connection 2
-- init_db d_cmd
SELECT COUNT(*) FROM t;
BEGIN;
DELETE FROM t;
-- disconnect 2
-- connection 1
SELECT COUNT(*) FROM t;
DROP DATABASE d_cmd;
