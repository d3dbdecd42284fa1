<?php
// PDO_mysql with emulated and with native prepares.
require __DIR__ . '/report.php';

function pdo(array $options = []): PDO
{
    return login(null, $options);
}

function login(?string $other_password, array $options = []): PDO
{
    global $host, $port, $user, $password, $db, $ca;
    if ($ca) $options[PDO::MYSQL_ATTR_SSL_CA] = $ca;
    return new PDO("mysql:host=$host;port=$port;dbname=$db;charset=utf8mb4", $user, $other_password ?? $password, $options + [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
}

foreach ([1 => 'emulated', 0 => 'native'] as $emulate => $how) {
    $c = pdo([PDO::ATTR_EMULATE_PREPARES => (bool) $emulate]);
    $c->exec('DROP TABLE IF EXISTS drv_pdo');
    $c->exec('CREATE TABLE drv_pdo (id INT AUTO_INCREMENT PRIMARY KEY, a INT, s VARCHAR(50), b LONGBLOB) DEFAULT CHARSET utf8mb4');
    feature("$how: insert, lastInsertId, rowCount", function () use ($c) {
        $s = $c->prepare('INSERT INTO drv_pdo (a,s) VALUES (:a,:s)');
        foreach ([[1, 'one'], [2, 'zwei'], [3, 'drei ü😀']] as [$a, $t]) { $s->execute([':a' => $a, ':s' => $t]); same(1, $s->rowCount()); same((string) $a, $c->lastInsertId()); }
        same(0, $c->exec('UPDATE drv_pdo SET a=1 WHERE id=1'));
    });
    feature("$how: fetch modes", function () use ($c) {
        $s = $c->prepare('SELECT id, s FROM drv_pdo WHERE id >= ? ORDER BY id'); $s->execute([2]);
        same([2, 'zwei'], $s->fetch(PDO::FETCH_NUM)); same(['id' => 3, 's' => 'drei ü😀'], $s->fetch(PDO::FETCH_ASSOC)); same(false, $s->fetch());
        same([1 => 'one', 2 => 'zwei', 3 => 'drei ü😀'], $c->query('SELECT id, s FROM drv_pdo')->fetchAll(PDO::FETCH_KEY_PAIR));
        same(3, (int) $c->query('SELECT COUNT(*) FROM drv_pdo')->fetchColumn());
    });
    feature("$how: bound types, NULL, large object", function () use ($c) {
        $s = $c->prepare('INSERT INTO drv_pdo (a,s,b) VALUES (?,?,?)');
        $s->bindValue(1, null, PDO::PARAM_NULL); $s->bindValue(2, "quote ' and \\ back", PDO::PARAM_STR);
        $f = fopen('php://memory', 'w+'); fwrite($f, str_repeat("\0\x1a'\\", 20000)); rewind($f); $s->bindParam(3, $f, PDO::PARAM_LOB); $s->execute();
        $r = $c->query("SELECT a, s, LENGTH(b), SHA2(b, 256) FROM drv_pdo WHERE id=4")->fetch(PDO::FETCH_NUM);
        same([null, "quote ' and \\ back", 80000, hash('sha256', str_repeat("\0\x1a'\\", 20000))], [$r[0], $r[1], (int) $r[2], $r[3]]);
    });
    feature("$how: LIMIT with a parameter", function () use ($c) { $s = $c->prepare('SELECT id FROM drv_pdo ORDER BY id LIMIT ?'); $s->bindValue(1, 2, PDO::PARAM_INT); $s->execute(); same(2, count($s->fetchAll())); });
    feature("$how: transactions", function () use ($c) {
        $c->beginTransaction(); same(true, $c->inTransaction()); $c->exec("INSERT INTO drv_pdo (a) VALUES (9)"); $c->rollBack(); same(false, $c->inTransaction());
        same(4, (int) $c->query('SELECT COUNT(*) FROM drv_pdo')->fetchColumn());
        $c->beginTransaction(); $c->exec("INSERT INTO drv_pdo (a) VALUES (9)"); $c->commit(); same(5, (int) $c->query('SELECT COUNT(*) FROM drv_pdo')->fetchColumn());
    });
    feature("$how: errors", function () use ($c) {
        same(1062, code_of(fn () => $c->exec('INSERT INTO drv_pdo (id) VALUES (1)'))); same('23000', $c->errorCode());
        same(1146, code_of(function () use ($c) { $c->prepare('SELECT * FROM no_such')->execute(); }));
        same(1, (int) $c->query('SELECT 1')->fetchColumn());
    });
    feature("$how: procedure with several results", function () use ($c) {
        $c->exec('DROP PROCEDURE IF EXISTS drv_pp'); $c->exec('CREATE PROCEDURE drv_pp() BEGIN SELECT 1; SELECT 2; END');
        $s = $c->prepare('CALL drv_pp()'); $s->execute(); same(1, (int) $s->fetchColumn()); $s->nextRowset(); same(2, (int) $s->fetchColumn()); $s->closeCursor(); $c->exec('DROP PROCEDURE drv_pp');
    });
    feature("$how: unbuffered", function () use ($emulate) {
        $u = pdo([PDO::ATTR_EMULATE_PREPARES => (bool) $emulate, PDO::MYSQL_ATTR_USE_BUFFERED_QUERY => false]);
        $s = $u->prepare('WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i+1 FROM n WHERE i<500) SELECT i FROM n'); $s->execute(); $n = 0; while ($s->fetch()) $n++; same(500, $n);
    });
    feature("$how: a second query beside an unbuffered one", function () use ($emulate) {
        $u = pdo([PDO::ATTR_EMULATE_PREPARES => (bool) $emulate, PDO::MYSQL_ATTR_USE_BUFFERED_QUERY => false]); $s = $u->prepare('SELECT 1 UNION SELECT 2 UNION SELECT 3'); $s->execute(); same(1, (int) $s->fetchColumn());
        same(2014, code_of(fn () => $u->query('SELECT 4'))); $s->closeCursor(); same(4, (int) $u->query('SELECT 4')->fetchColumn());
    });
    feature("$how: savepoints and implicit commit", function () use ($c) {
        $c->beginTransaction(); $c->exec('SAVEPOINT x'); $c->exec('INSERT INTO drv_pdo (a) VALUES (88)'); $c->exec('ROLLBACK TO SAVEPOINT x'); $c->commit(); same(0, (int) $c->query('SELECT COUNT(*) FROM drv_pdo WHERE a=88')->fetchColumn());
        $c->beginTransaction(); $c->exec('CREATE TABLE IF NOT EXISTS drv_pdo2 (i INT)'); same(false, $c->inTransaction()); $c->exec('DROP TABLE drv_pdo2');
    });
    feature("$how: error modes", function () use ($emulate) {
        $q = pdo([PDO::ATTR_EMULATE_PREPARES => (bool) $emulate, PDO::ATTR_ERRMODE => PDO::ERRMODE_SILENT]); same(false, $q->query('SELECT * FROM no_such')); same('42S02', $q->errorCode()); same(1146, $q->errorInfo()[1]); same(1, (int) $q->query('SELECT 1')->fetchColumn());
    });
    feature("$how: warnings", function () use ($c, $emulate) { if (!$emulate) return; $c->query("SELECT CAST('x' AS SIGNED)")->fetchAll(); same(1292, (int) $c->query('SHOW WARNINGS')->fetch(PDO::FETCH_NUM)[1]); });
    feature("$how: statement used again and again", function () use ($c) { $s = $c->prepare('SELECT ? + 1'); for ($i = 0; $i < 30; $i++) { $s->execute([$i]); same($i + 1, (int) $s->fetchColumn()); $s->closeCursor(); } });
    feature("$how: types", function () use ($c, $emulate) { $r = $c->query('SELECT 1, 1.5, 1.5e0, NULL')->fetch(PDO::FETCH_NUM); same([1, '1.5', 1.5, null], $r); });
    feature("$how: columns' metadata", function () use ($c) { $s = $c->query('SELECT id, s FROM drv_pdo LIMIT 1'); same('drv_pdo', $s->getColumnMeta(0)['table']); same('VAR_STRING', $s->getColumnMeta(1)['native_type']); same(2, $s->columnCount()); });
}
feature('stacked statements', function () { $s = pdo([PDO::ATTR_EMULATE_PREPARES => true])->query('SELECT 1; SELECT 2'); same(1, (int) $s->fetchColumn()); $s->nextRowset(); same(2, (int) $s->fetchColumn()); });
feature('stacked statements forbidden', fn () => same(1064, code_of(fn () => pdo([PDO::MYSQL_ATTR_MULTI_STATEMENTS => false])->query('SELECT 1; SELECT 2'))));
feature('MYSQL_ATTR_FOUND_ROWS', fn () => same(1, pdo([PDO::MYSQL_ATTR_FOUND_ROWS => true])->exec('UPDATE drv_pdo SET a=1 WHERE id=1')));
feature('MYSQL_ATTR_INIT_COMMAND', fn () => same('init', pdo([PDO::MYSQL_ATTR_INIT_COMMAND => "SET @i='init'"])->query('SELECT @i')->fetchColumn()));
feature('persistent connections', function () {
    $options = [PDO::ATTR_PERSISTENT => true];
    $a = pdo($options); $a->exec('SET @p=1'); $a->beginTransaction(); $a->exec('DELETE FROM drv_pdo'); $a = null;
    $b = pdo($options); same(1, (int) $b->query('SELECT @p')->fetchColumn()); same(true, (int) $b->query(FRESH . 'SELECT COUNT(*) FROM drv_pdo')->fetchColumn() > 0);
});
feature('autocommit off', function () { $c = pdo([PDO::ATTR_AUTOCOMMIT => 0]); $c->exec("INSERT INTO drv_pdo (a) VALUES (77)"); $c = null; same(0, (int) pdo()->query(FRESH . 'SELECT COUNT(*) FROM drv_pdo WHERE a=77')->fetchColumn()); });
feature('LOAD DATA LOCAL', function () {
    $c = pdo([PDO::MYSQL_ATTR_LOCAL_INFILE => true]); $file = tempnam(sys_get_temp_dir(), 'drv'); file_put_contents($file, "200\tloaded\n");
    same(1, $c->exec("LOAD DATA LOCAL INFILE " . $c->quote($file) . " INTO TABLE drv_pdo (id, s)")); unlink($file);
});
feature('compression', fn () => same(str_repeat('x', 100000), pdo([PDO::MYSQL_ATTR_COMPRESS => true])->query("SELECT REPEAT('x', 100000)")->fetchColumn()));
feature('attributes', function () { $c = pdo(); same($c->query('SELECT VERSION()')->fetchColumn(), $c->getAttribute(PDO::ATTR_SERVER_VERSION)); same(true, str_contains($c->getAttribute(PDO::ATTR_SERVER_INFO), 'Uptime')); });
feature('wrong password', fn () => same(1045, code_of(fn () => login('wrong'))));
pdo()->exec('DROP TABLE drv_pdo');
