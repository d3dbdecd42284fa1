-- Prepared statements in SQL text: PREPARE, EXECUTE, DEALLOCATE; EXECUTE IMMEDIATE on MariaDB.
CREATE DATABASE d_prepare;
USE d_prepare;
CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a INT, b VARCHAR(20));
PREPARE p FROM 'SELECT 1';
EXECUTE p;
EXECUTE p;
DEALLOCATE PREPARE p;
EXECUTE p;
DEALLOCATE PREPARE p;
DROP PREPARE p;
PREPARE ins FROM 'INSERT INTO t (a,b) VALUES (?,?)';
SET @a=1, @b='one';
EXECUTE ins USING @a, @b;
SELECT LAST_INSERT_ID(), ROW_COUNT();
SET @a=2, @b=NULL;
EXECUTE ins USING @a, @b;
EXECUTE ins USING @a;
EXECUTE ins;
PREPARE sel FROM 'SELECT id, a, b FROM t WHERE a >= ? ORDER BY id LIMIT ?';
SET @min=0, @lim=1;
EXECUTE sel USING @min, @lim;
SET @lim=10;
EXECUTE sel USING @min, @lim;
SET @q = 'SELECT COUNT(*) FROM t';
PREPARE dyn FROM @q;
EXECUTE dyn;
PREPARE dyn FROM @never_set;
PREPARE bad FROM 'SELEC 1';
PREPARE bad FROM 'SELECT * FROM nope';
PREPARE bad FROM 'SELECT 1; SELECT 2';
PREPARE bad FROM 'PREPARE x FROM "SELECT 1"';
PREPARE `odd name` FROM 'SELECT ? + ?';
EXECUTE `odd name` USING @a, @a;
PREPARE upd FROM 'UPDATE t SET b = ? WHERE id = ?';
SET @i = 1, @v = 'changed';
EXECUTE upd USING @v, @i;
EXECUTE upd USING @v, @i;
EXECUTE sel USING @min, @lim;
PREPARE ddl FROM 'CREATE TABLE made (i INT)';
EXECUTE ddl;
EXECUTE ddl;
PREPARE show1 FROM 'SHOW TABLES';
EXECUTE show1;
PREPARE set1 FROM 'SET @w = ?';
EXECUTE set1 USING @a;
SELECT @w;
PREPARE call1 FROM 'DO 1';
EXECUTE call1;
ALTER TABLE t ADD COLUMN c INT DEFAULT 7;
EXECUTE sel USING @min, @lim;
PREPARE star FROM 'SELECT * FROM t ORDER BY id';
EXECUTE star;
ALTER TABLE t DROP COLUMN c;
EXECUTE star;
DROP TABLE made;
PREPARE m FROM 'SELECT * FROM made';
CREATE TABLE made (x VARCHAR(3));
PREPARE m FROM 'SELECT * FROM made';
EXECUTE m;
DROP TABLE made;
EXECUTE m;
PREPARE multi FROM 'SELECT ?, ?, ?';
SET @x=1.5, @y='s', @z=NULL;
EXECUTE multi USING @x, @y, @z;
-- only mariadb
EXECUTE IMMEDIATE 'SELECT 1+1';
-- only mariadb
EXECUTE IMMEDIATE 'SELECT ?+?' USING 1, 2;
-- only mariadb
EXECUTE multi USING 1, 'two', 3.5;
-- only mariadb
PREPARE conc FROM CONCAT('SELECT ', '42');
-- only mariadb
EXECUTE conc;
-- connection 2
EXECUTE sel USING @min, @lim;
PREPARE sel FROM 'SELECT "other session"';
EXECUTE sel;
-- connection 1
EXECUTE sel USING @min, @lim;
SET max_prepared_stmt_count = 1;
SELECT @@max_prepared_stmt_count > 0;
-- reset
EXECUTE sel USING @min, @lim;
USE d_prepare;
PREPARE again FROM 'SELECT 2';
EXECUTE again;
DROP DATABASE d_prepare;
EXECUTE again;
