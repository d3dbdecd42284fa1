<?php
// Odd but legal uses of PDO_mysql, with emulated and with native prepares.
require __DIR__ . '/transcript.php';

function login(array $options = []): PDO
{
    global $host, $port, $user, $password, $db, $ca;
    if ($ca) $options[PDO::MYSQL_ATTR_SSL_CA] = $ca;
    return new PDO("mysql:host=$host;port=$port;dbname=$db;charset=utf8mb4", $user, $password, $options + [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
}

/** All rows of a query. */
function rows(PDO $c, string $sql): array
{
    return $c->query($sql)->fetchAll(PDO::FETCH_NUM);
}

function run(PDO $c, string $sql, array $values): PDOStatement
{
    $s = $c->prepare($sql);
    $s->execute($values);
    return $s;
}

const MANY = FRESH . 'SELECT a.n * 10 + b.n AS n, REPEAT("x", 1000) FROM oddp_digit a, oddp_digit b ORDER BY 1';

$c = login();
$c->exec('DROP TABLE IF EXISTS oddp, oddp_digit');
$c->exec('CREATE TABLE oddp (id INT AUTO_INCREMENT PRIMARY KEY, a INT UNIQUE, s VARCHAR(50), d DECIMAL(10,3), f DOUBLE, t DATETIME(3), b LONGBLOB, j BIT(9)) DEFAULT CHARSET utf8mb4');
$c->exec('CREATE TABLE oddp_digit (n INT PRIMARY KEY)');
$c->exec('INSERT INTO oddp_digit VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)');
foreach ([true, false] as $emulate) {
    $how = $emulate ? 'emulated' : 'native';
    $options = [PDO::ATTR_EMULATE_PREPARES => $emulate];
    $c = login($options);
    $c->exec('DELETE FROM oddp'); $c->exec('ALTER TABLE oddp AUTO_INCREMENT = 1');
    scene("$how: values of all types", function () use ($c) {
        $s = $c->prepare('INSERT INTO oddp (a, s, d, f, t, b, j) VALUES (?, ?, ?, ?, ?, ?, ?)');
        show($s->execute([1, "ü'\\\0", '1.5', 2.25, '2024-02-29 12:13:14.567', random_bytes(0), 5]), $s->rowCount());
        $s->bindValue(1, true, PDO::PARAM_BOOL); $s->bindValue(2, null, PDO::PARAM_NULL); $s->bindValue(3, 7, PDO::PARAM_INT); $s->bindValue(4, '1e3'); $s->bindValue(5, null); $s->bindValue(6, str_repeat("\xff\0", 70000), PDO::PARAM_LOB); $s->bindValue(7, 0, PDO::PARAM_INT);
        attempt(fn () => $s->execute()); $s->bindValue(1, 2, PDO::PARAM_INT); attempt(fn () => $s->execute());
        show(rows($c, 'SELECT * FROM oddp ORDER BY id'), $c->lastInsertId());
        foreach ($c->query('SELECT id, a, s, d, f, t, b, j FROM oddp')->fetchAll(PDO::FETCH_ASSOC) as $row) show(array_map('gettype', $row));
        $s = $c->query('SELECT id, s, d, j FROM oddp LIMIT 1'); for ($i = 0; $i < 4; $i++) show($s->getColumnMeta($i));
    });
    scene("$how: named and repeated parameters", function () use ($c) {
        show(run($c, 'SELECT :a, :b, "?:x", 1 /* ? :no */', [':a' => 1, ':b' => 'x'])->fetch(PDO::FETCH_NUM));
        attempt(fn () => run($c, 'SELECT :a, :a', [':a' => 1])->fetch(PDO::FETCH_NUM)); attempt(fn () => run($c, 'SELECT ?, ?', [1])->fetch(PDO::FETCH_NUM)); attempt(fn () => run($c, 'SELECT 1', [1])->fetch(PDO::FETCH_NUM));
        attempt(fn () => run($c, 'SELECT n FROM oddp_digit WHERE n IN (?, ?, ?) ORDER BY n LIMIT 2', [1, '2', 3])->fetchAll(PDO::FETCH_COLUMN));
        attempt(fn () => run($c, 'SELECT n FROM oddp_digit ORDER BY n LIMIT ?', ['3'])->fetchAll(PDO::FETCH_COLUMN));
    });
    scene("$how: unbuffered and abandoned", function () use ($options) {
        $u = login($options + [PDO::MYSQL_ATTR_USE_BUFFERED_QUERY => false]);
        $s = $u->query(MANY); show($s->fetch()[0]); attempt(fn () => $u->exec('DELETE FROM oddp WHERE a = 99')); attempt(fn () => $u->beginTransaction()); $s->closeCursor(); show(rows($u, 'SELECT 1'));
        $s = run($u, MANY, []); $s->fetch(); $s = null; attempt(fn () => rows($u, 'SELECT 2'));
        foreach ($u->query(FRESH . 'SELECT n FROM oddp_digit ORDER BY n') as $row) { if ($row[0] == 3) break; } unset($row); attempt(fn () => rows($u, 'SELECT 3'));
    });
    scene("$how: several results", function () use ($c, $emulate) {
        $c->exec('DROP PROCEDURE IF EXISTS oddp_p'); $c->exec('CREATE PROCEDURE oddp_p(IN i INT) BEGIN SELECT i; UPDATE oddp SET s = s WHERE id < 0; SELECT n FROM oddp_digit WHERE n < i ORDER BY n; IF i > 2 THEN SELECT * FROM no_such; END IF; END');
        foreach ([2, 3] as $i) attempt(function () use ($c, $i) { $s = run($c, 'CALL oddp_p(?)', [$i]); do { show($s->fetchAll(PDO::FETCH_NUM), $s->rowCount(), $s->columnCount()); } while ($s->nextRowset()); });
        attempt(fn () => rows($c, 'SELECT 1')); $s = run($c, 'CALL oddp_p(?)', [1]); $s->fetch(); $s->closeCursor(); attempt(fn () => rows($c, 'SELECT 2'));
        $s = run($c, 'CALL oddp_p(?)', [1]); $s = null; attempt(fn () => rows($c, 'SELECT 3')); $c->exec('DROP PROCEDURE oddp_p');
        if (!$emulate) return;
        $s = $c->query('INSERT INTO oddp (a) VALUES (50); SELECT LAST_INSERT_ID() > 0, ROW_COUNT(); UPDATE oddp SET s = "m" WHERE a = 50; SELECT ROW_COUNT(), FOUND_ROWS(); SELECT SQL_CALC_FOUND_ROWS n FROM oddp_digit LIMIT 1; SELECT FOUND_ROWS(); DELETE FROM oddp WHERE a = 50');
        do { show($s->columnCount() ? $s->fetchAll(PDO::FETCH_NUM) : $s->rowCount()); } while ($s->nextRowset());
        attempt(function () use ($c) { $s = $c->query('SELECT 1; SELECT * FROM no_such'); $s->fetchAll(); $s->nextRowset(); }); attempt(fn () => $c->exec('SET @a = 1; SET @b = 2')); attempt(fn () => rows($c, 'SELECT @a, @b')); $s = $c->query('SELECT 1; SELECT 2'); attempt(fn () => rows($c, 'SELECT 5')); $s->closeCursor(); attempt(fn () => rows($c, 'SELECT 6'));
    });
    scene("$how: transactions", function () use ($c, $options) {
        $c->beginTransaction(); attempt(fn () => $c->beginTransaction()); $c->exec('INSERT INTO oddp (a) VALUES (60)'); $c->exec('SET autocommit = 0'); $c->rollBack(); show($c->inTransaction(), rows($c, 'SELECT COUNT(*), @@autocommit FROM oddp WHERE a = 60')); attempt(fn () => $c->commit()); $c->exec('SET autocommit = 1'); attempt(fn () => $c->rollBack());
        $c->exec('START TRANSACTION'); show($c->inTransaction()); $c->exec('INSERT INTO oddp (a) VALUES (61)'); $c->exec('COMMIT'); show($c->inTransaction()); $c->beginTransaction(); attempt(fn () => $c->exec('INSERT INTO oddp (a) VALUES (61)')); show($c->inTransaction()); $c->commit();
        $c->setAttribute(PDO::ATTR_AUTOCOMMIT, 0); $c->exec('INSERT INTO oddp (a) VALUES (62)'); attempt(fn () => $c->setAttribute(PDO::ATTR_AUTOCOMMIT, 1)); show(rows($c, 'SELECT COUNT(*) FROM oddp WHERE a = 62'));
        $d = login($options); $d->beginTransaction(); $d->exec('INSERT INTO oddp (a) VALUES (63)'); $d = null; $s = $c->prepare(FRESH . 'SELECT COUNT(*) FROM oddp WHERE a = ?'); $s->execute([63]); show($s->fetchColumn());
    });
    scene("$how: a read-only transaction and what ends it", function () use ($c) {
        foreach (['CREATE TABLE oddp_ro (i INT)', 'DROP TABLE oddp_ro', 'BEGIN', 'START TRANSACTION READ WRITE', 'START TRANSACTION READ ONLY', 'LOCK TABLES oddp WRITE', 'UNLOCK TABLES', 'SET autocommit = 1', 'SET autocommit = 0', 'ANALYZE TABLE oddp_digit', 'ALTER TABLE oddp COMMENT "x"', 'TRUNCATE TABLE oddp', 'CREATE TEMPORARY TABLE oddp_t (i INT)', 'DROP TEMPORARY TABLE IF EXISTS oddp_t', 'CREATE VIEW oddp_v AS SELECT 1', 'DROP VIEW oddp_v', 'SAVEPOINT a', 'SELECT n FROM oddp_digit WHERE n = 1 INTO @n', 'SET @m = (SELECT MAX(n) FROM oddp_digit)', 'INSERT INTO oddp (a) VALUES (70)', 'USE mysql_no_such', 'SHOW TABLES LIKE "oddp_d%"', 'CREATE TABLE oddp (i INT)', 'COMMIT AND CHAIN', 'ROLLBACK'] as $sql) {
            $c->exec('START TRANSACTION READ ONLY'); $before = rows($c, 'SELECT COUNT(*) FROM oddp_digit');
            show($sql); attempt(fn () => $c->query($sql)->fetchAll()); show($before, $c->inTransaction()); attempt(fn () => $c->exec('INSERT INTO oddp (a) VALUES (71)')); $c->exec('ROLLBACK'); $c->exec('UNLOCK TABLES'); $c->exec('SET autocommit = 1'); attempt(fn () => $c->exec('DELETE FROM oddp WHERE a IN (70, 71)'));
        }
        $c->exec('DROP TEMPORARY TABLE IF EXISTS oddp_t');
    });
    scene("$how: read-only for the session", function () use ($options) {
        $d = login($options); $d->exec('SET SESSION TRANSACTION READ ONLY'); attempt(fn () => $d->exec('INSERT INTO oddp (a) VALUES (80)')); attempt(fn () => $d->exec('CREATE TABLE oddp_ro (i INT)')); $d->beginTransaction(); attempt(fn () => rows($d, 'SELECT COUNT(*) FROM oddp_digit')); attempt(fn () => $d->exec('CREATE TABLE oddp_ro (i INT)')); attempt(fn () => $d->exec('START TRANSACTION READ WRITE')); attempt(fn () => $d->exec('INSERT INTO oddp (a) VALUES (81)')); attempt(fn () => $d->exec('ROLLBACK')); $d->exec('SET SESSION TRANSACTION READ WRITE'); attempt(fn () => $d->exec('DELETE FROM oddp WHERE a >= 80'));
    });
    scene("$how: errors and modes", function () use ($c, $options) {
        foreach (['SELECT * FROM no_such', 'SELEC', 'INSERT INTO oddp (a) VALUES (61)', 'INSERT INTO oddp (a) VALUES ("x")', 'SELECT ? FROM', 'DROP TABLE no_such', ''] as $sql) { attempt(fn () => $c->exec($sql)); attempt(fn () => $c->query($sql)); attempt(fn () => $c->prepare($sql)->execute([1])); show($c->errorCode()); }
        $q = login([PDO::ATTR_ERRMODE => PDO::ERRMODE_SILENT] + $options); show($q->exec('SELECT * FROM no_such'), $q->errorInfo(), $q->query('SELECT 1')->fetchColumn()); $w = login([PDO::ATTR_ERRMODE => PDO::ERRMODE_WARNING] + $options); $w->exec('SELECT * FROM no_such');
    });
    scene("$how: persistent", function () use ($options) {
        $options[PDO::ATTR_PERSISTENT] = 'odd'; $p = login($options); $p->exec('SET @v = 1, time_zone = "+02:00"'); $p->exec('CREATE TEMPORARY TABLE oddp_t (i INT)'); $p->query('SELECT GET_LOCK("oddp", 1)')->fetchAll(); $s = $p->prepare('SELECT 1'); $p = $s = null;
        // PDO resets nothing: what was left is found again.
        $p = login($options); show(rows($p, 'SELECT @v, @@time_zone, IS_FREE_LOCK("oddp")')); attempt(fn () => rows($p, 'SELECT COUNT(*) FROM oddp_t')); $p->exec('DROP TEMPORARY TABLE oddp_t'); $p->query('DO RELEASE_ALL_LOCKS()'); $p->exec('SET time_zone = DEFAULT');
        $q = login($options); $p->beginTransaction(); attempt(fn () => $q->exec('INSERT INTO oddp (a) VALUES (90)')); $p = $q = null; $p = login($options); show($p->inTransaction()); attempt(fn () => rows($p, FRESH . 'SELECT COUNT(*) FROM oddp WHERE a = 90'));
    });
    scene("$how: variables and functions of the session", function () use ($c) {
        run($c, 'SET @a = ?, @b = ?', [5, 'x']); show(run($c, 'SELECT @a + ?, @b', [1])->fetch(PDO::FETCH_NUM)); show(run($c, 'SELECT @r := ? + n FROM oddp_digit ORDER BY n LIMIT 2', [10])->fetchAll(PDO::FETCH_COLUMN)); show(rows($c, 'SELECT @r'));
        run($c, 'INSERT INTO oddp (a) VALUES (?), (?)', [100, 101]); show(rows($c, 'SELECT LAST_INSERT_ID() = ' . $c->lastInsertId() . ', ROW_COUNT()')); run($c, 'UPDATE oddp SET s = ? WHERE a >= ?', ['u', 100]); show(rows($c, 'SELECT ROW_COUNT()')); run($c, 'SELECT SQL_CALC_FOUND_ROWS n FROM oddp_digit WHERE n > ? LIMIT 1', [2])->fetchAll(); show(run($c, 'SELECT FOUND_ROWS(), ?', [1])->fetch(PDO::FETCH_NUM));
        run($c, 'DELETE FROM oddp WHERE a >= ?', [100]); $s = $c->prepare('SELECT ROW_COUNT()'); $s->execute(); show($s->fetchAll(PDO::FETCH_COLUMN)); $s->execute(); show($s->fetchAll(PDO::FETCH_COLUMN)); show(run($c, 'SELECT CAST(? AS SIGNED)', ['12x'])->fetchColumn(), rows($c, 'SHOW WARNINGS'));
    });
}
login()->exec('DROP TABLE oddp, oddp_digit');
