-- Accounts, rights and roles. None of these accounts logs in, so no proxy needs to know them.
CREATE USER u1@localhost IDENTIFIED BY 'secret1';
CREATE USER u1@localhost IDENTIFIED BY 'secret1';
CREATE USER IF NOT EXISTS u1@localhost;
SHOW WARNINGS;
CREATE USER u2, u3@'10.%' IDENTIFIED BY 'x' PASSWORD EXPIRE;
ALTER USER u1@localhost IDENTIFIED BY 'other';
ALTER USER nosuch IDENTIFIED BY 'other';
ALTER USER IF EXISTS nosuch ACCOUNT LOCK;
ALTER USER u2 ACCOUNT LOCK;
ALTER USER u2 ACCOUNT UNLOCK;
ALTER USER u2 WITH MAX_QUERIES_PER_HOUR 100;
ALTER USER u2 REQUIRE SSL;
RENAME USER u2 TO u4;
RENAME USER nosuch TO u5;
SET PASSWORD FOR u4 = 'abc';
CREATE DATABASE d_acl;
USE d_acl;
CREATE TABLE t (a INT, b INT);
GRANT SELECT ON d_acl.* TO u1@localhost;
GRANT INSERT (a), UPDATE (b) ON d_acl.t TO u1@localhost;
GRANT ALL ON d_acl.* TO u4 WITH GRANT OPTION;
GRANT USAGE ON *.* TO u4;
GRANT SELECT ON nosuch.t TO u4;
GRANT SELECT ON d_acl.t TO nosuchuser@localhost;
GRANT NOSUCH ON *.* TO u4;
GRANT EXECUTE ON PROCEDURE d_acl.nosuch TO u4;
-- mask rows
SHOW GRANTS FOR u1@localhost;
-- mask rows
SHOW CREATE USER u4;
REVOKE INSERT (a) ON d_acl.t FROM u1@localhost;
REVOKE INSERT ON d_acl.t FROM u1@localhost;
REVOKE ALL PRIVILEGES, GRANT OPTION FROM u4;
REVOKE SELECT ON nosuch.* FROM u1@localhost;
-- mask rows
SHOW GRANTS FOR u4;
CREATE ROLE r1;
CREATE ROLE r1;
CREATE ROLE IF NOT EXISTS r1, r2;
SHOW WARNINGS;
GRANT SELECT ON d_acl.* TO r1;
GRANT r1 TO u1@localhost;
-- MariaDB 10.11 writes CURRENT_USER to its binary log as it is, and replicas stop at it.
-- only mariadb
SET sql_log_bin=0;
GRANT r1 TO CURRENT_USER;
-- only mariadb
SET sql_log_bin=1;
GRANT nosuchrole TO u1@localhost;
SET ROLE r1;
SELECT CURRENT_ROLE() LIKE '%r1%';
SET ROLE NONE;
SELECT CURRENT_ROLE();
SET ROLE nosuchrole;
SET DEFAULT ROLE NONE;
-- mask rows,count
SHOW GRANTS FOR r1;
REVOKE r1 FROM u1@localhost;
-- only mariadb
SET sql_log_bin=0;
REVOKE r1 FROM CURRENT_USER;
-- only mariadb
SET sql_log_bin=1;
REVOKE r1 FROM u1@localhost;
DROP ROLE r1;
DROP ROLE r1;
DROP ROLE IF EXISTS r1, r2;
SHOW WARNINGS;
DROP USER u1@localhost, u3@'10.%';
DROP USER u1@localhost;
DROP USER IF EXISTS u1@localhost, u4;
SHOW WARNINGS;
SELECT CURRENT_USER() LIKE '%@%', USER() LIKE '%@%';
FLUSH PRIVILEGES;
DROP DATABASE d_acl;
