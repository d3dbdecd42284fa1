-- The accounts of the compose file, on every server by itself: the image runs this with a temporary server, and what is
-- written then must not be replicated.
SET SESSION sql_log_bin = 0;
CREATE USER app@'%' IDENTIFIED BY 'app';
GRANT ALL ON shop.* TO app@'%';
CREATE USER pointsman@'%' IDENTIFIED BY 'secret';
GRANT REPLICA MONITOR ON *.* TO pointsman@'%';
GRANT SELECT, INSERT, UPDATE, CREATE ON pointsman.* TO pointsman@'%';
CREATE USER replication@'%' IDENTIFIED BY 'copies';
GRANT REPLICATION SLAVE ON *.* TO replication@'%';
