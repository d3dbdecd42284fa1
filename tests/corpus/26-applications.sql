-- What well-known applications and libraries say: at login, while installing, and all day.
CREATE DATABASE d_app CHARACTER SET utf8mb4;
-- PDO, mysqli, Laravel, Doctrine
SET NAMES 'utf8mb4' COLLATE 'utf8mb4_unicode_ci';
SET SESSION sql_mode='ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION';
USE `d_app`;
SELECT VERSION() LIKE '%.%';
SELECT @@sql_mode;
SET SESSION transaction_isolation = 'READ-COMMITTED';
SET time_zone = '+00:00';
CREATE TABLE `users` (`id` bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, `name` varchar(255) NOT NULL, `email` varchar(255) NOT NULL, `created_at` timestamp NULL, `updated_at` timestamp NULL) DEFAULT CHARACTER SET utf8mb4 COLLATE 'utf8mb4_unicode_ci';
ALTER TABLE `users` ADD UNIQUE `users_email_unique`(`email`);
-- params 'Ann', 'ann@example.org', '2024-01-01 00:00:00'
INSERT INTO `users` (`name`, `email`, `created_at`) VALUES (?, ?, ?);
-- params 'ann@example.org'
SELECT * FROM `users` WHERE `email` = ? LIMIT 1;
-- params 1
SELECT EXISTS(SELECT * FROM `users` WHERE `id` = ?) AS `exists`;
SELECT COUNT(*) AS aggregate FROM `users`;
-- params 'Anna', 1
UPDATE `users` SET `name` = ? WHERE `id` = ?;
-- mask status
SELECT * FROM information_schema.tables WHERE table_schema = 'd_app' AND table_name = 'migrations' AND table_type = 'BASE TABLE';
-- mask status
SELECT column_name AS `column_name` FROM information_schema.columns WHERE table_schema = 'd_app' AND table_name = 'users' ORDER BY ordinal_position;
-- WordPress
SET SESSION sql_mode='NO_ENGINE_SUBSTITUTION';
SELECT @@SESSION.sql_mode;
CREATE TABLE wp_options (option_id bigint(20) unsigned NOT NULL auto_increment, option_name varchar(191) NOT NULL default '', option_value longtext NOT NULL, autoload varchar(20) NOT NULL default 'yes', PRIMARY KEY (option_id), UNIQUE KEY option_name (option_name), KEY autoload (autoload)) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci;
INSERT INTO `wp_options` (`option_name`, `option_value`, `autoload`) VALUES ('siteurl', 'http://example.org', 'yes') ON DUPLICATE KEY UPDATE `option_name` = VALUES(`option_name`), `option_value` = VALUES(`option_value`), `autoload` = VALUES(`autoload`);
INSERT INTO `wp_options` (`option_name`, `option_value`, `autoload`) VALUES ('siteurl', 'http://example.com', 'yes') ON DUPLICATE KEY UPDATE `option_name` = VALUES(`option_name`), `option_value` = VALUES(`option_value`), `autoload` = VALUES(`autoload`);
SELECT option_name, option_value FROM wp_options WHERE autoload = 'yes';
SELECT option_value FROM wp_options WHERE option_name = 'siteurl' LIMIT 1;
DESCRIBE wp_options;
-- mask status
SHOW FULL COLUMNS FROM `wp_options`;
-- mask status
SHOW TABLES LIKE 'wp\_options';
SELECT SQL_CALC_FOUND_ROWS option_id FROM wp_options ORDER BY option_name DESC LIMIT 0, 10;
SELECT FOUND_ROWS();
DELETE a, b FROM wp_options a, wp_options b WHERE a.option_name LIKE '\_transient\_%' AND b.option_name = CONCAT('x', a.option_name);
SHOW VARIABLES LIKE 'character_set_database';
SELECT @@max_allowed_packet > 1;
-- Drupal
SET sql_mode = 'ANSI,TRADITIONAL';
CREATE TABLE "semaphore" ("name" VARCHAR(191) NOT NULL, "value" VARCHAR(191) NOT NULL, "expire" DOUBLE NOT NULL, PRIMARY KEY ("name"));
INSERT INTO "semaphore" ("name", "value", "expire") VALUES ('cron', 'v', 1.5);
SELECT "semaphore"."value" FROM "semaphore" WHERE "name" = 'cron';
SAVEPOINT savepoint_1;
SET sql_mode = DEFAULT;
-- Magento, Joomla and others that lock by name
SELECT GET_LOCK('app.lock', 0);
SELECT RELEASE_LOCK('app.lock');
-- Rails
SET @@SESSION.sql_mode = CONCAT(CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'), ',NO_AUTO_VALUE_ON_ZERO'), @@SESSION.sql_auto_is_null = 0, @@SESSION.wait_timeout = 2147483;
SHOW VARIABLES WHERE Variable_name = 'wait_timeout';
SELECT @@sql_mode LIKE '%STRICT_ALL_TABLES%', @@wait_timeout;
-- mask status
SHOW KEYS FROM `users`;
BEGIN;
SAVEPOINT active_record_1;
INSERT INTO `users` (`name`,`email`) VALUES ('Bob','bob@example.org');
RELEASE SAVEPOINT active_record_1;
COMMIT;
-- Django
SET SQL_AUTO_IS_NULL = 0;
SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;
SELECT VERSION() IS NOT NULL, @@sql_mode IS NOT NULL, @@default_storage_engine, @@sql_auto_is_null, @@lower_case_table_names, CONVERT_TZ('2001-01-01 01:00:00', 'UTC', 'UTC') IS NOT NULL;
SET autocommit = 0;
UPDATE users SET name = 'Bobby' WHERE email = 'bob@example.org';
COMMIT;
SET autocommit = 1;
-- Connector/J
SELECT @@session.auto_increment_increment AS auto_increment_increment, @@character_set_client AS character_set_client, @@character_set_connection AS character_set_connection, @@character_set_results AS character_set_results, @@interactive_timeout AS interactive_timeout, @@lower_case_table_names AS lower_case_table_names, @@max_allowed_packet AS max_allowed_packet, @@net_write_timeout AS net_write_timeout, @@time_zone AS time_zone, @@wait_timeout AS wait_timeout;
SET character_set_results = NULL;
SELECT name FROM users ORDER BY id;
SET autocommit=1, sql_mode=CONCAT(@@sql_mode,',STRICT_TRANS_TABLES'), session_track_schema=1;
select @@session.tx_read_only;
-- sqlalchemy, go
SELECT DATABASE();
SELECT @@transaction_ISOLATION;
SHOW CREATE TABLE users;
SELECT CAST('test plain returns' AS CHAR(60)) AS anon_1;
SELECT 'x' AS some_label;
ROLLBACK;
-- queue workers
BEGIN;
SELECT * FROM users WHERE name='Bobby' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED;
DELETE FROM users WHERE id = 2;
COMMIT;
-- counters and sessions
INSERT INTO users (id, name, email) VALUES (1,'Ann','a') ON DUPLICATE KEY UPDATE name = CONCAT(name, '+');
REPLACE INTO users (id, name, email) VALUES (9,'sess','data');
SELECT name FROM users WHERE id = 9 FOR UPDATE;
SELECT LAST_INSERT_ID();
DROP DATABASE d_app;
