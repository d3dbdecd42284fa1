<?php
// mysqli on mysqlnd: what PHP applications use of it.
require __DIR__ . '/report.php';
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);

function connect(int $flags = 0, array $options = []): mysqli
{
    return login('', null, null, $flags, $options);
}

/** $prefix 'p:' asks for a persistent connection. */
function login(string $prefix, ?string $other_password = null, ?string $other_db = null, int $flags = 0, array $options = []): mysqli
{
    global $host, $port, $user, $password, $db, $ca;
    $c = mysqli_init();
    foreach ($options as $option => $value) $c->options($option, $value);
    if ($ca) {
        $c->ssl_set(null, null, $ca, null, null);
        $flags |= MYSQLI_CLIENT_SSL;
    }
    $c->real_connect($prefix . $host, $user, $other_password ?? $password, $other_db ?? $db, $port, null, $flags);
    return $c;
}

/** The first cell of a query's result. */
function cell(mysqli $c, string $sql): ?string
{
    return $c->query($sql)->fetch_row()[0];
}

$c = connect();
$c->query('DROP TABLE IF EXISTS drv_mysqli');
$c->query('CREATE TABLE drv_mysqli (id INT AUTO_INCREMENT PRIMARY KEY, a INT, s VARCHAR(50), d DOUBLE, b LONGBLOB) DEFAULT CHARSET utf8mb4');

feature('connect and server facts', function () use ($c) {
    same(true, $c->server_version >= 50500);
    same($c->query('SELECT VERSION()')->fetch_row()[0], $c->server_info);
    same((int) $c->query('SELECT CONNECTION_ID()')->fetch_row()[0], $c->thread_id);
});
feature('insert_id and affected_rows', function () use ($c) {
    $c->query("INSERT INTO drv_mysqli (a,s) VALUES (1,'one'),(2,'two')");
    same(1, $c->insert_id); same(2, $c->affected_rows);
    same('Records: 2  Duplicates: 0  Warnings: 0', $c->info);
    $c->query('UPDATE drv_mysqli SET a=1 WHERE id=1');
    same(0, $c->affected_rows);
    same('1', $c->query('SELECT LAST_INSERT_ID()')->fetch_row()[0]);
});
feature('CLIENT_FOUND_ROWS counts matched rows', function () {
    $f = connect(MYSQLI_CLIENT_FOUND_ROWS);
    $f->query('UPDATE drv_mysqli SET a=1 WHERE id=1');
    same(1, $f->affected_rows);
});
feature('fetch in all shapes', function () use ($c) {
    $r = $c->query('SELECT id, s FROM drv_mysqli ORDER BY id');
    same(2, $r->num_rows); same(['1', 'one'], $r->fetch_row()); same(['id' => '2', 's' => 'two'], $r->fetch_assoc()); same(null, $r->fetch_assoc());
    $r->data_seek(0); same('one', $r->fetch_object()->s);
    same('s', $r->fetch_fields()[1]->name); same('drv_mysqli', $r->fetch_field_direct(0)->orgtable);
    same([['2']], $c->query('SELECT COUNT(*) FROM drv_mysqli')->fetch_all());
});
feature('native types', function () {
    $n = connect(0, [MYSQLI_OPT_INT_AND_FLOAT_NATIVE => 1]);
    same([1, 1.5, null], $n->query('SELECT 1, 1.5e0, NULL')->fetch_row());
});
feature('unbuffered query', function () use ($c) {
    $r = $c->query('SELECT id FROM drv_mysqli ORDER BY id', MYSQLI_USE_RESULT);
    same('1', $r->fetch_row()[0]);
    same(2014, code_of(fn () => $c->query('SELECT 1')));
    $r->free();
    same('1', $c->query('SELECT 1')->fetch_row()[0]);
});
feature('unbuffered query of many rows', function () use ($c) {
    $r = $c->query('WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i+1 FROM n WHERE i<900) SELECT i, REPEAT("x",1000) FROM n', MYSQLI_USE_RESULT);
    $n = 0; while ($r->fetch_row()) $n++;
    same(900, $n);
});
feature('multi_query', function () use ($c) {
    $c->multi_query('SELECT 1; SELECT 2; DO 0; SELECT 3');
    $got = [];
    do { if ($r = $c->store_result()) $got[] = $r->fetch_row()[0]; } while ($c->more_results() && $c->next_result());
    same(['1', '2', '3'], $got);
});
feature('multi_query that fails in the middle', function () use ($c) {
    same(1146, code_of(function () use ($c) {
        $c->multi_query('SELECT 1; SELECT * FROM no_such; SELECT 3');
        do { $c->store_result()?->free(); } while ($c->more_results() && $c->next_result());
    }));
    same('1', $c->query('SELECT 1')->fetch_row()[0]);
});
feature('stacked statements are refused outside of multi_query', fn () => same(1064, code_of(fn () => $c->query('SELECT 1; SELECT 2'))));
feature('prepare, bind of all types, get_result', function () use ($c) {
    $s = $c->prepare('INSERT INTO drv_mysqli (a,s,d,b) VALUES (?,?,?,?)');
    $i = 42; $t = 'ünïcödé'; $d = 1.25; $b = null;
    $s->bind_param('isdb', $i, $t, $d, $b);
    $s->send_long_data(3, str_repeat("\0\xff", 50000));
    $s->execute(); same(1, $s->affected_rows); same(3, $s->insert_id);
    $s->close();
    $s = $c->prepare('SELECT a, s, d, LENGTH(b), NULL FROM drv_mysqli WHERE id=?');
    $id = 3; $s->bind_param('i', $id); $s->execute();
    same([42, 'ünïcödé', 1.25, 100000, null], $s->get_result()->fetch_row());
});
feature('execute with an array', fn () => same([3, 'x'], (function () use ($c) { $s = $c->prepare('SELECT 1+?, ?'); $s->execute([2, 'x']); $r = $s->get_result()->fetch_row(); return [(int) $r[0], $r[1]]; })()));
feature('bind_result and store_result', function () use ($c) {
    $s = $c->prepare('SELECT id, s FROM drv_mysqli WHERE id<? ORDER BY id'); $max = 3; $s->bind_param('i', $max);
    foreach ([1, 2] as $_) {
        $s->execute(); $s->store_result(); same(2, $s->num_rows); $s->bind_result($id, $t);
        $got = []; while ($s->fetch()) $got[] = [$id, $t];
        same([[1, 'one'], [2, 'two']], $got); $s->free_result();
    }
    same(2, $s->field_count); same(1, $s->param_count);
});
feature('cursor', function () use ($c) {
    $s = $c->prepare('SELECT id FROM drv_mysqli ORDER BY id');
    $s->attr_set(MYSQLI_STMT_ATTR_CURSOR_TYPE, MYSQLI_CURSOR_TYPE_READ_ONLY);
    $s->execute(); $s->bind_result($id);
    $got = [];
    while ($s->fetch()) { $got[] = $id; same('7', $c->query('SELECT 7')->fetch_row()[0]); }
    same([1, 2, 3], $got); $s->close();
});
feature('cursor beside writes, transactions and other statements', function () use ($c) {
    $s = $c->prepare('SELECT id FROM drv_mysqli ORDER BY id'); $s->attr_set(MYSQLI_STMT_ATTR_CURSOR_TYPE, MYSQLI_CURSOR_TYPE_READ_ONLY); $s->attr_set(MYSQLI_STMT_ATTR_PREFETCH_ROWS, 1);
    same(MYSQLI_CURSOR_TYPE_READ_ONLY, $s->attr_get(MYSQLI_STMT_ATTR_CURSOR_TYPE));
    $s->execute(); $s->bind_result($id); $u = $c->prepare('UPDATE drv_mysqli SET a = a + 1 WHERE id = ?'); $got = [];
    while ($s->fetch()) { $c->begin_transaction(); $u->execute([$id]); same(1, $u->affected_rows); $c->rollback(); $got[] = $id; }
    same([1, 2, 3], $got);
});
feature('two cursors of one text, one closed early', function () use ($c) {
    $open = function () use ($c) { $s = $c->prepare('SELECT id FROM drv_mysqli ORDER BY id'); $s->attr_set(MYSQLI_STMT_ATTR_CURSOR_TYPE, MYSQLI_CURSOR_TYPE_READ_ONLY); $s->execute(); return $s; };
    $a = $open(); $b = $open(); $a->bind_result($x); $b->bind_result($y);
    $a->fetch(); same(1, $x); $b->fetch(); same(1, $y); $b->fetch(); same(2, $y); $b->close();
    $a->fetch(); same(2, $x); same('1', cell($c, 'SELECT 1')); $a->fetch(); same(3, $x); same(null, $a->fetch());
    $a->execute(); $a->fetch(); same(1, $x); $a->free_result(); $a->execute(); $a->fetch(); same(1, $x); $a->reset(); same('2', cell($c, 'SELECT 2'));
});
feature('cursor and get_result', function () use ($c) {
    $s = $c->prepare('SELECT id, s FROM drv_mysqli WHERE id < ? ORDER BY id'); $s->attr_set(MYSQLI_STMT_ATTR_CURSOR_TYPE, MYSQLI_CURSOR_TYPE_READ_ONLY);
    foreach ([3, 2, 1] as $max) { $s->execute([$max]); $n = 0; $r = $s->get_result(); while ($r && $r->fetch_row()) $n++; same($max - 1, $n); }
});
feature('unbuffered prepared statement and a second query', function () use ($c) {
    $s = $c->prepare('SELECT id FROM drv_mysqli ORDER BY id'); $s->execute(); $s->bind_result($id); $s->fetch(); same(1, $id);
    same(2014, code_of(fn () => $c->query('SELECT 1'))); $s->free_result(); same('1', cell($c, 'SELECT 1'));
});
feature('bound types at their limits', function () use ($c) {
    $s = $c->prepare('SELECT ?, ?, ?, ?, ?'); $max = PHP_INT_MAX; $min = PHP_INT_MIN; $d = -1.5e300; $t = str_repeat("\0'\\\n", 20000); $n = null;
    $s->bind_param('iidss', $max, $min, $d, $t, $n); $s->execute(); same([$max, $min, $d, $t, null], $s->get_result()->fetch_row());
});
feature('columns of all types, text and binary', function () use ($c) {
    $all = "SELECT CAST(1 AS UNSIGNED), CAST(-1 AS SIGNED), 1.50, 1.5e0, DATE '2024-02-29', TIME '-10:11:12.000001', TIMESTAMP '2024-02-29 10:11:12.123456', x'00ff', 'ü', NULL, TRUE";
    $text = $c->query($all)->fetch_row(); $s = $c->prepare($all); $s->execute(); $binary = $s->get_result()->fetch_row();
    same(array_map('strval', $text), array_map('strval', $binary));
});
feature('statement reset', function () use ($c) { $s = $c->prepare('SELECT ?'); $s->execute(['a']); same(true, $s->reset()); $s->execute(['b']); same('b', $s->get_result()->fetch_row()[0]); });
feature('two statements interleaved', function () use ($c) {
    $a = $c->prepare('SELECT ? + 1'); $b = $c->prepare('SELECT ? * 2');
    for ($i = 1; $i < 20; $i++) { $a->execute([$i]); same($i + 1, (int) $a->get_result()->fetch_row()[0]); $b->execute([$i]); same($i * 2, (int) $b->get_result()->fetch_row()[0]); }
});
feature('transactions', function () use ($c) {
    $c->begin_transaction(); $c->query("INSERT INTO drv_mysqli (a) VALUES (9)"); $c->rollback();
    same('3', $c->query('SELECT COUNT(*) FROM drv_mysqli')->fetch_row()[0]);
    $c->begin_transaction(MYSQLI_TRANS_START_READ_ONLY, 'name'); same(1792, code_of(fn () => $c->query('DELETE FROM drv_mysqli'))); $c->commit();
    $c->autocommit(false); $c->query("INSERT INTO drv_mysqli (a) VALUES (9)"); $c->savepoint('sp'); $c->query('DELETE FROM drv_mysqli'); $c->query('ROLLBACK TO sp'); $c->commit(); $c->autocommit(true);
    same('4', $c->query('SELECT COUNT(*) FROM drv_mysqli')->fetch_row()[0]);
});
feature('savepoints', function () use ($c) {
    $c->begin_transaction(); $c->savepoint('a'); $c->query('INSERT INTO drv_mysqli (a) VALUES (50)'); $c->savepoint('b'); $c->query('INSERT INTO drv_mysqli (a) VALUES (51)');
    $c->query('ROLLBACK TO b'); same('1', cell($c, 'SELECT COUNT(*) FROM drv_mysqli WHERE a >= 50')); same(true, $c->release_savepoint('a')); same(1305, code_of(fn () => $c->query('ROLLBACK TO b'))); $c->rollback();
    same('0', cell($c, 'SELECT COUNT(*) FROM drv_mysqli WHERE a >= 50'));
});
feature('commit and roll back with flags', function () use ($c) {
    $c->begin_transaction(); $c->commit(MYSQLI_TRANS_COR_AND_CHAIN); $c->query('INSERT INTO drv_mysqli (a) VALUES (60)'); $c->rollback(MYSQLI_TRANS_COR_NO_RELEASE); same('0', cell($c, 'SELECT COUNT(*) FROM drv_mysqli WHERE a = 60'));
});
feature('error modes', function () use ($c) {
    mysqli_report(MYSQLI_REPORT_OFF);
    try { same(false, $c->query('SELECT * FROM no_such')); same(1146, $c->errno); same('42S02', $c->sqlstate); same(1146, $c->error_list[0]['errno']); same(false, $c->prepare('SELEC')); same(1064, $c->errno); }
    finally { mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT); }
    same('1', cell($c, 'SELECT 1')); same(0, $c->errno);
});
feature('info strings', function () use ($c) {
    $c->query('UPDATE drv_mysqli SET a = a + 0'); same('Rows matched: 4  Changed: 0  Warnings: 0', $c->info);
    $c->query('INSERT INTO drv_mysqli (a) SELECT 70 FROM drv_mysqli'); same('Records: 4  Duplicates: 0  Warnings: 0', $c->info); same(4, $c->affected_rows); $c->query('DELETE FROM drv_mysqli WHERE a = 70'); same(4, $c->affected_rows);
});
feature('compression', function () { $z = connect(MYSQLI_CLIENT_COMPRESS); same(str_repeat('x', 100000), cell($z, "SELECT REPEAT('x', 100000)")); $t = random_bytes(50000); $s = $z->prepare('SELECT ?'); $s->execute([$t]); same($t, $s->get_result()->fetch_row()[0]); });
feature('errors', function () use ($c) {
    same(1062, code_of(fn () => $c->query('INSERT INTO drv_mysqli (id) VALUES (1)'))); same('23000', $c->sqlstate); same(1062, $c->errno);
    same(1064, code_of(fn () => $c->query('SELEC'))); same(1054, code_of(fn () => $c->prepare('SELECT nope FROM drv_mysqli')));
});
feature('warnings', function () use ($c) {
    $c->query("SELECT 1/0, CAST('x' AS SIGNED)"); same(true, $c->warning_count >= 1);
    $n = $c->warning_count; same($n, $c->query('SHOW WARNINGS')->num_rows);
    $c->query("SELECT CAST('x' AS SIGNED)"); same(1292, $c->get_warnings()->errno);
});
feature('charset', function () use ($c) {
    $c->set_charset('latin1'); same('latin1', $c->character_set_name()); same("\xe4", $c->query("SELECT '\xe4'")->fetch_row()[0]);
    same('E4', $c->query("SELECT HEX('\xe4')")->fetch_row()[0]);
    same(['latin1'], $c->query('SELECT @@character_set_client')->fetch_row()); $c->query("SET NAMES gbk"); same("\xbf\x5c", cell($c, "SELECT '\xbf\x5c'"));
    $c->set_charset('utf8mb4'); same('😀', $c->query("SELECT '😀'")->fetch_row()[0]); same("O\\'x", $c->real_escape_string("O'x"));
});
feature('LOAD DATA LOCAL', function () {
    $l = connect(0, [MYSQLI_OPT_LOCAL_INFILE => 1]);
    $file = tempnam(sys_get_temp_dir(), 'drv'); file_put_contents($file, "100\tloaded\n101\tloaded\n");
    $l->query("LOAD DATA LOCAL INFILE '$file' INTO TABLE drv_mysqli (id, s)"); unlink($file);
    same(2, $l->affected_rows); same('2', $l->query("SELECT COUNT(*) FROM drv_mysqli WHERE s='loaded'")->fetch_row()[0]);
});
feature('LOAD DATA LOCAL of no file', function () {
    $l = connect(0, [MYSQLI_OPT_LOCAL_INFILE => 1]);
    code_of(fn () => @$l->query("LOAD DATA LOCAL INFILE '/no/such/file' INTO TABLE drv_mysqli (id, s)")); same('1', cell($l, 'SELECT 1')); same('2', cell($l, FRESH . "SELECT COUNT(*) FROM drv_mysqli WHERE s='loaded'"));
});
feature('stored procedure with several results', function () use ($c) {
    $c->query('DROP PROCEDURE IF EXISTS drv_p'); $c->query('CREATE PROCEDURE drv_p(IN n INT, OUT o INT) BEGIN SELECT n; SELECT n+1; SET o=n*2; END');
    $c->multi_query('CALL drv_p(4, @o)'); $got = [];
    do { if ($r = $c->store_result()) $got[] = $r->fetch_row()[0]; } while ($c->more_results() && $c->next_result());
    same(['4', '5'], $got); same('8', $c->query('SELECT @o')->fetch_row()[0]);
    $s = $c->prepare('CALL drv_p(?, @o)'); $s->execute([5]); $got = [];
    do { if ($r = $s->get_result()) $got[] = $r->fetch_row()[0]; } while ($s->more_results() && $s->next_result());
    same([5, 6], $got); $s->close(); $c->query('DROP PROCEDURE drv_p');
});
feature('user variables, temporary tables, locks', function () use ($c) {
    $c->query('SET @v := 5'); $c->query('CREATE TEMPORARY TABLE drv_t (i INT)'); $c->query('INSERT INTO drv_t VALUES (@v)');
    same('5', $c->query('SELECT i FROM drv_t')->fetch_row()[0]); same('1', $c->query("SELECT GET_LOCK('drv',1)")->fetch_row()[0]);
    same('1', $c->query("SELECT RELEASE_LOCK('drv')")->fetch_row()[0]); $c->query('DROP TEMPORARY TABLE drv_t');
});
feature('FOUND_ROWS', function () use ($c) { $c->query(FRESH . 'SELECT SQL_CALC_FOUND_ROWS id FROM drv_mysqli LIMIT 1'); same('6', $c->query('SELECT FOUND_ROWS()')->fetch_row()[0]); $c->query('SELECT 1 LIMIT 1'); same('1', cell($c, 'SELECT FOUND_ROWS()')); });
feature('select_db, change_user', function () use ($c, $user, $password, $db) {
    $c->query('SET @x = 1'); $c->select_db($db); same($db, $c->query('SELECT DATABASE()')->fetch_row()[0]);
    same(1049, code_of(fn () => $c->select_db('no_such_schema')) ?: $c->errno);
    $s = $c->prepare('SELECT 1'); $c->change_user($user, $password, $db); same(true, in_array(code_of(fn () => $s->execute()), [1243, 2006, 2014, 2030])); same(null, $c->query('SELECT @x')->fetch_row()[0]);
});
feature('ping and stat', function () use ($c) { same('1', $c->query('SELECT 1')->fetch_row()[0]); same(true, str_contains($c->stat(), 'Uptime')); same(true, @$c->ping()); same(10, $c->protocol_version); });
feature('kill of a query', function () {
    $a = connect(); $b = connect(); $a->query('SELECT SLEEP(10) FROM DUAL WHERE SLEEP(10) = 0 OR 1', MYSQLI_ASYNC); usleep(300000); $start = microtime(true); $b->query("KILL QUERY {$a->thread_id}");
    try { $a->reap_async_query(); } catch (mysqli_sql_exception $e) { same(1317, $e->getCode()); }
    same(true, microtime(true) - $start < 8); same('1', cell($a, 'SELECT 1'));
});
feature('kill of a connection of one\'s own', function () use ($c) {
    $k = connect(); $c->query('KILL ' . $k->thread_id);
    usleep(200000); same(true, in_array(code_of(fn () => $k->query('SELECT 1')), [2006, 2013, 1927, 4031, 1053]));
});
feature('asynchronous query', function () { $a = connect(); $a->query('SELECT SLEEP(0.05), 3', MYSQLI_ASYNC); $r = $e = $x = [$a]; mysqli_poll($r, $e, $x, 5); same('3', $a->reap_async_query()->fetch_row()[1]); });
feature('persistent connection', function () {
    $p = login('p:'); $id = $p->thread_id; $p->query('SET @left = 1'); $p->query('CREATE TEMPORARY TABLE left_over (i INT)'); $p->begin_transaction(); $p->query('DELETE FROM drv_mysqli'); $p->close();
    $p = login('p:'); same($id, $p->thread_id); same(null, cell($p, 'SELECT @left')); same('1', cell($p, FRESH . 'SELECT COUNT(*) > 0 FROM drv_mysqli')); same(1146, code_of(fn () => $p->query('SELECT * FROM left_over')));
});
feature('wrong password', fn () => same(1045, code_of(fn () => login('', 'wrong'))));
feature('unknown schema', fn () => same(true, in_array(code_of(fn () => login('', null, 'no_such_schema')), [1044, 1049])));
feature('large statement and row', function () use ($c) { $big = str_repeat('x', 3 << 20); same($big, $c->query("SELECT '$big'")->fetch_row()[0]); });
$c->query('DROP TABLE drv_mysqli');
