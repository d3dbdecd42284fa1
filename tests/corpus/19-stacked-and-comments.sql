-- Several statements in one packet, and comments of all kinds in all places.
CREATE DATABASE d_multi;
USE d_multi;
CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v INT);
SELECT 1; SELECT 2;
SELECT 1; SELECT 2; ;
SELECT 1;; SELECT 2;
;
;;
INSERT INTO t (v) VALUES (1); SELECT LAST_INSERT_ID(); SELECT COUNT(*) FROM t;
SELECT 1; SELEC 2; SELECT 3;
SELECT 1; SELECT * FROM nope; SELECT 3;
INSERT INTO t (v) VALUES (2); INSERT INTO t (id,v) VALUES (1,1); INSERT INTO t (v) VALUES (3);
SELECT COUNT(*) FROM t;
BEGIN; INSERT INTO t (v) VALUES (4); COMMIT;
BEGIN; INSERT INTO t (v) VALUES (5); ROLLBACK;
-- a transaction behind an error: how it stands is told by the next reply
BEGIN; SELEC 1;
-- ping
ROLLBACK;
BEGIN; INSERT INTO t (v) VALUES (7); SELECT * FROM nope; COMMIT;
SELECT ROW_COUNT();
-- ping
ROLLBACK;
BEGIN; DROP TABLE nope;
-- only mariadb
-- ping
-- only mysql
-- mask trackers,status
-- ping
SHOW WARNINGS;
SET autocommit = 0; SELECT * FROM nope;
-- ping
SELECT @@autocommit;
SET autocommit = 1;
BEGIN;
TRUNCATE TABLE nope;
-- only mariadb
-- ping
-- only mysql
-- mask trackers,status
-- ping
BEGIN;
SELEC 1;
-- ping
SHOW ERRORS;
ROLLBACK;
SET @a = 1; SELECT @a; SET @a = 2; SELECT @a;
SET NAMES utf8mb4; SET time_zone = '+00:00'; SELECT 1;
USE d_multi; SELECT DATABASE();
CREATE TEMPORARY TABLE tmp (i INT); INSERT INTO tmp VALUES (1),(2); SELECT * FROM tmp; DROP TABLE tmp;
SELECT SQL_CALC_FOUND_ROWS id FROM t LIMIT 1; SELECT FOUND_ROWS();
UPDATE t SET v = v + 1; SELECT ROW_COUNT();
SELECT 1/0; SHOW WARNINGS;
PREPARE s FROM 'SELECT 5'; EXECUTE s; DEALLOCATE PREPARE s;
LOCK TABLES t WRITE; INSERT INTO t (v) VALUES (6); UNLOCK TABLES;
SELECT ';', "a;b", `v` FROM t LIMIT 1; SELECT 'it''s; fine', 'back\'slash; fine';
SELECT 1; -- a comment at the end; with a semicolon
SELECT 1 /* ; */; SELECT 2 # ; rest
;
DO 1; DO 2; DO 3;
DELETE FROM t WHERE id=1; SELECT 1; DELETE FROM t WHERE id=2; SELECT 2;
-- multi_statements off
SELECT 1; SELECT 2;
SELECT 1;
SELECT 3;
-- multi_statements on
SELECT 1; SELECT 2;
/* leading */ SELECT 1;
# leading hash
SELECT 1;
SELECT /* inside */ 1;
SELECT 1 /* trailing */;
SELECT 1 -- trailing dash
;
SELECT 1 # trailing hash
;
SELECT 1--1;
SELECT 1 --1;
SELECT 1 -- 1
;
SELECT 5 /*! + 1 */;
SELECT 5 /*!40000 + 1 */;
SELECT 5 /*!99999 + 1 */;
SELECT 5 /*!80000 + 1 */;
SELECT 5 /*!50700 + 1 */;
SELECT 5 /*!100100 + 1 */;
SELECT 5 /*M! + 1 */;
SELECT 5 /*M!100000 + 1 */;
SELECT 5 /*M!999999 + 1 */;
SELECT 5 /*+ not a hint here */;
SELECT /*+ MAX_EXECUTION_TIME(1000) */ 1;
SELECT /*+ NO_INDEX_MERGE(t) */ COUNT(*) FROM t;
SELECT /*+ NOSUCH_HINT() */ 1;
SHOW WARNINGS;
SELECT /*+ SET_VAR(sort_buffer_size=262144) */ @@sort_buffer_size > 0;
/*!40101 SET @v = 1 */;
SELECT @v;
/*!40101 SELECT 1 */; SELECT 2;
/* unclosed;
/**/ SELECT 1;
/***/ SELECT 1;
/*! */ SELECT 1;
/*!*/;
SELECT /* nested /* comment */ 1;
SELECT /*! 1 /* inner */ + 1 */;
SELECT 'not /* a comment */', "nor -- this", `v` /* yes */ FROM t LIMIT 1;
SELECT 1 /* ä😀 */;
/* pointsman: nothing known */ SELECT 1;
/* INSERT */ SELECT 1;
/* SELECT */ INSERT INTO t (v) VALUES (9);
SELECT/**/1;
SELECT(1);
SELECT
1
+
2;
  	 SELECT 1;
sElEcT 1;
((SELECT 1));
(SELECT 1) UNION (SELECT 2) ORDER BY 1;
SELECT 1 AS c UNION ALL (SELECT 2);
DROP DATABASE d_multi;
