<?php
// Odd but legal uses of mysqli: results abandoned, state left behind, errors in the middle.
require __DIR__ . '/transcript.php';
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);

function login(string $prefix = '', int $flags = 0, array $options = []): mysqli
{
    global $host, $port, $user, $password, $db, $ca;
    $c = mysqli_init();
    foreach ($options as $option => $value) $c->options($option, $value);
    if ($ca) {
        $c->ssl_set(null, null, $ca, null, null);
        $flags |= MYSQLI_CLIENT_SSL;
    }
    $c->real_connect($prefix . $host, $user, $password, $db, $port, null, $flags);
    return $c;
}

/** All rows of a query; true for one without rows. */
function rows(mysqli $c, string $sql): mixed
{
    $r = $c->query($sql);
    return $r === true ? true : $r->fetch_all();
}

/** What a connection says of its last statement. */
function state(mysqli $c): void
{
    show('state', $c->affected_rows, $c->insert_id, $c->info, $c->warning_count, $c->errno, $c->sqlstate, $c->field_count);
}

/** All results of a multi_query that is under way. */
function drain(mysqli $c): void
{
    do {
        $r = $c->store_result();
        show('result', $r ? $r->fetch_all() : null);
        state($c);
    } while ($c->more_results() && $c->next_result());
}

const MANY = FRESH . 'SELECT a.n * 100 + b.n * 10 + c.n AS n, REPEAT("x", 100) FROM odd_digit a, odd_digit b, odd_digit c ORDER BY 1';

$c = login();
$c->query('DROP TABLE IF EXISTS odd, odd_digit, odd_blob, odd_no');
$c->query('CREATE TABLE odd (id INT AUTO_INCREMENT PRIMARY KEY, a INT, s VARCHAR(50), UNIQUE (a)) DEFAULT CHARSET utf8mb4');
$c->query('CREATE TABLE odd_blob (id INT PRIMARY KEY, b LONGBLOB)');
$c->query('CREATE TABLE odd_digit (n INT PRIMARY KEY)');
$c->query('INSERT INTO odd_digit VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)');

scene('an unbuffered result is freed half read', function () use ($c) {
    $r = $c->query(MANY, MYSQLI_USE_RESULT);
    show($r->fetch_row()[0], $r->fetch_row()[0]);
    $r->free();
    show(rows($c, 'SELECT 1'));
    state($c);
});
scene('a statement beside an unbuffered result', function () use ($c) {
    $r = $c->query(MANY, MYSQLI_USE_RESULT);
    $r->fetch_row();
    attempt(fn () => $c->query('INSERT INTO odd (a) VALUES (1)'));
    attempt(fn () => $c->prepare('SELECT 1'));
    attempt(fn () => $c->select_db('shop'));
    attempt(fn () => $c->ping());
    attempt(fn () => $c->commit());
    $r->free();
    show(rows($c, 'SELECT COUNT(*) FROM odd'));
});
scene('the connection is closed on an unbuffered result', function () {
    $d = login();
    $r = $d->query(MANY, MYSQLI_USE_RESULT);
    $r->fetch_row();
    $d->close();
    attempt(fn () => $r->fetch_row());
});
scene('multi_query half read, then closed', function () {
    $d = login();
    // What follows may run after the next scene has begun, so it writes nothing.
    $d->multi_query('INSERT INTO odd (a) VALUES (2); SELECT 1; SELECT 2');
    $d->close();
    $d = login();
    // The first has surely run; the proxy and the server both go on with the rest or stop at the closed socket.
    show(rows($d, FRESH . 'SELECT COUNT(*) FROM odd WHERE a = 2'));
});
scene('a query in the middle of multi_query', function () use ($c) {
    $c->query('DELETE FROM odd');
    $c->query('ALTER TABLE odd AUTO_INCREMENT = 1');
    $c->multi_query('SELECT 1; SELECT 2; SELECT 3');
    attempt(fn () => $c->query('SELECT 9'));
    drain($c);
    show(rows($c, 'SELECT 9'));
});
scene('multi_query of all kinds', function () use ($c) {
    $c->multi_query("INSERT INTO odd (a, s) VALUES (10, 'x'), (11, 'y'); SELECT LAST_INSERT_ID(); UPDATE odd SET s = 'z'; SELECT ROW_COUNT(); SET @m = 5; SELECT @m; DO 1; SELECT 1/0; SHOW WARNINGS; DELETE FROM odd WHERE a = 10");
    drain($c);
});
scene('multi_query with an error in the middle', function () use ($c) {
    $c->multi_query("BEGIN; INSERT INTO odd (a) VALUES (12); INSERT INTO odd (a) VALUES (12); INSERT INTO odd (a) VALUES (13); COMMIT");
    attempt(fn () => drain($c));
    show(rows($c, 'SELECT COUNT(*) FROM odd WHERE a >= 12'));
    $c->rollback();
    show(rows($c, 'SELECT COUNT(*) FROM odd WHERE a >= 12'));
});
scene('multi_query: transaction, temporary table, variable', function () use ($c) {
    $c->multi_query('CREATE TEMPORARY TABLE odd_t (i INT); INSERT INTO odd_t VALUES (1), (2); SET @n = (SELECT COUNT(*) FROM odd_t); START TRANSACTION; INSERT INTO odd (a) VALUES (@n)');
    drain($c);
    show(rows($c, 'SELECT a, @n FROM odd WHERE a = 2'));
    $c->rollback();
    show(rows($c, 'SELECT COUNT(*), @n FROM odd WHERE a = 2'), rows($c, 'SELECT * FROM odd_t'));
    $c->query('DROP TEMPORARY TABLE odd_t');
});
scene('empty statements', function () use ($c) {
    attempt(fn () => $c->query(''));
    attempt(fn () => $c->query(';'));
    attempt(fn () => $c->query(' -- nothing'));
    attempt(fn () => $c->multi_query('SELECT 1;; SELECT 2'));
    attempt(fn () => drain($c));
    attempt(fn () => $c->query('SELECT 5;'));
    attempt(fn () => $c->query("SELECT 5; -- end"));
});
scene('long data in pieces, reset and again', function () use ($c) {
    $s = $c->prepare('INSERT INTO odd_blob VALUES (?, ?)');
    $id = 1; $b = null;
    $s->bind_param('ib', $id, $b);
    foreach (['abc', '', str_repeat("\0\xff'", 30000), 'end'] as $piece) show($s->send_long_data(1, $piece));
    show($s->execute(), $s->affected_rows);
    $id = 2;
    show($s->execute(), $s->affected_rows);
    $id = 3;
    $s->send_long_data(1, 'forgotten'); $s->reset();
    show($s->execute());
    $id = 3;
    $s->send_long_data(1, 'duplicate');
    attempt(fn () => $s->execute());
    $id = 4;
    attempt(fn () => $s->send_long_data(7, 'x'));
    attempt(fn () => $s->execute());
    show(rows($c, 'SELECT id, LENGTH(b), MD5(b) FROM odd_blob ORDER BY id'));
});
scene('a statement survives a failed execution', function () use ($c) {
    $s = $c->prepare('INSERT INTO odd (a, s) VALUES (?, ?)');
    show($s->execute([20, 'a']), $s->insert_id, $s->affected_rows);
    attempt(fn () => $s->execute([20, 'b']));
    show($s->errno, $s->sqlstate, $s->error);
    show($s->execute([21, 'c']), $s->affected_rows);
    attempt(fn () => $s->execute([22, str_repeat('x', 100)]));
    show(rows($c, 'SELECT a, s FROM odd WHERE a >= 20 ORDER BY a'));
});
scene('a statement survives DDL', function () use ($c) {
    $s = $c->prepare('SELECT * FROM odd_digit WHERE n = ?');
    $s->execute([3]); show($s->get_result()->fetch_row());
    $c->query('ALTER TABLE odd_digit ADD COLUMN extra INT DEFAULT 7');
    $s->execute([4]); show($s->get_result()->fetch_assoc());
    $c->query('ALTER TABLE odd_digit DROP COLUMN extra');
    $s->execute([5]); show($s->get_result()->fetch_assoc());
});
scene('a statement of a temporary table', function () use ($c) {
    $c->query('CREATE TEMPORARY TABLE odd_t (i INT)');
    $s = $c->prepare('INSERT INTO odd_t VALUES (?)');
    foreach ([1, 2, 3] as $i) $s->execute([$i]);
    $r = $c->prepare('SELECT SUM(i) FROM odd_t'); $r->execute(); show($r->get_result()->fetch_row());
    $c->query('DROP TEMPORARY TABLE odd_t');
    attempt(fn () => $s->execute([4]));
    $c->query('CREATE TEMPORARY TABLE odd_t (i INT)');
    attempt(fn () => $s->execute([5])); show(rows($c, 'SELECT * FROM odd_t'));
    $c->query('DROP TEMPORARY TABLE odd_t');
});
scene('a hundred statements open at once', function () use ($c) {
    $all = [];
    for ($i = 0; $i < 100; $i++) { $all[$i] = $c->prepare("SELECT ? + $i"); }
    $sum = 0;
    foreach (array_reverse($all, true) as $i => $s) { $s->execute([1]); $sum += $s->get_result()->fetch_row()[0]; if ($i % 2) $s->close(); }
    show($sum);
    $all[50]->execute([2]); show($all[50]->get_result()->fetch_row()[0] == 52);
});
scene('a cursor is abandoned', function () use ($c) {
    $s = $c->prepare('SELECT n FROM odd_digit ORDER BY n');
    $s->attr_set(MYSQLI_STMT_ATTR_CURSOR_TYPE, MYSQLI_CURSOR_TYPE_READ_ONLY);
    $s->attr_set(MYSQLI_STMT_ATTR_PREFETCH_ROWS, 3);
    $s->execute(); $s->bind_result($n); $s->fetch(); show($n);
    show(rows($c, 'SELECT 7'));
    $s = null;
    show(rows($c, 'SELECT 8'));
});
scene('a cursor through COMMIT, ROLLBACK and DDL', function () use ($c) {
    $s = $c->prepare('SELECT n FROM odd_digit ORDER BY n');
    $s->attr_set(MYSQLI_STMT_ATTR_CURSOR_TYPE, MYSQLI_CURSOR_TYPE_READ_ONLY);
    $c->begin_transaction();
    $s->execute(); $s->bind_result($n); $s->fetch(); show($n);
    $c->query('INSERT INTO odd (a) VALUES (30)');
    $s->fetch(); show($n);
    $c->commit();
    $s->fetch(); show($n);
    $c->begin_transaction(); $c->rollback();
    $s->fetch(); show($n);
    $c->query('CREATE TABLE odd_ddl (i INT)'); $c->query('DROP TABLE odd_ddl');
    $s->fetch(); show($n);
    $s->close();
});
scene('a cursor that is executed again, and one with parameters', function () use ($c) {
    $s = $c->prepare('SELECT n FROM odd_digit WHERE n > ? ORDER BY n');
    $s->attr_set(MYSQLI_STMT_ATTR_CURSOR_TYPE, MYSQLI_CURSOR_TYPE_READ_ONLY);
    $s->execute([1]); $s->bind_result($n); $s->fetch(); show($n);
    $s->execute([7]); $s->fetch(); show($n); show($s->fetch(), $n, $s->fetch());
    $s->execute([20]); show($s->fetch());
    $s->execute([5]); show($s->get_result()->fetch_all());
});
scene('a cursor of what has no rows', function () use ($c) {
    $s = $c->prepare('UPDATE odd SET s = ? WHERE a = 11');
    $s->attr_set(MYSQLI_STMT_ATTR_CURSOR_TYPE, MYSQLI_CURSOR_TYPE_READ_ONLY);
    $s->execute(['cursor']); show($s->affected_rows);
    $s = $c->prepare('SHOW TABLES'); $s->attr_set(MYSQLI_STMT_ATTR_CURSOR_TYPE, MYSQLI_CURSOR_TYPE_READ_ONLY);
    $s->execute(); $s->bind_result($t); while ($s->fetch()) show($t);
    show(rows($c, "SELECT s FROM odd WHERE a = 11"));
});
scene('change_user forgets', function () use ($user, $password, $db) {
    $d = login();
    $d->query('SET @x = 1, SESSION sql_mode = "ANSI", NAMES latin1'); $d->query('CREATE TEMPORARY TABLE odd_t (i INT)');
    $d->begin_transaction(); $d->query('INSERT INTO odd (a) VALUES (40)'); $s = $d->prepare('SELECT 1');
    $d->query("SELECT GET_LOCK('odd_lock', 1)");
    show($d->change_user($user, $password, $db));
    show(rows($d, 'SELECT @x, @@sql_mode, DATABASE(), @@character_set_client'), rows($d, FRESH . 'SELECT COUNT(*) FROM odd WHERE a = 40'));
    attempt(fn () => $d->query('SELECT * FROM odd_t'));
    attempt(fn () => $s->execute());
    show(rows($d, "SELECT IS_FREE_LOCK('odd_lock'), LAST_INSERT_ID()"));
});
scene('change_user with the wrong password', function () use ($user) {
    $d = login();
    $d->query('SET @x = 1');
    attempt(fn () => $d->change_user($user, 'wrong', 'no_such'));
    attempt(fn () => rows($d, 'SELECT @x'));
});
scene('change_user to an unknown schema', function () use ($user, $password) {
    $d = login();
    $d->query('SET @x = 1');
    attempt(fn () => $d->change_user($user, $password, 'mysql_no_such'));
    attempt(fn () => rows($d, 'SELECT @x, DATABASE()'));
});
scene('killed in mid-query', function () use ($c) {
    $d = login();
    $d->query('SELECT SLEEP(20)', MYSQLI_ASYNC);
    usleep(300000);
    $c->query('KILL ' . $d->thread_id);
    attempt(fn () => $d->reap_async_query());
    attempt(fn () => $d->query('SELECT 1'));
});
scene('killed in a transaction', function () use ($c) {
    $d = login();
    $d->begin_transaction(); $d->query('INSERT INTO odd (a) VALUES (41)'); $id = $d->thread_id;
    $d->query('SELECT SLEEP(20)', MYSQLI_ASYNC);
    usleep(300000);
    $c->query("KILL QUERY $id");
    attempt(fn () => $d->reap_async_query()->fetch_row());
    show(rows($d, 'SELECT COUNT(*) FROM odd WHERE a = 41'));
    $d->commit();
    show(rows($c, FRESH . 'SELECT COUNT(*) FROM odd WHERE a = 41'));
});
scene('a transaction that waits for a lock', function () use ($c) {
    $d = login();
    $c->begin_transaction(); $c->query('UPDATE odd SET s = "locked" WHERE a = 41');
    $d->query('SET innodb_lock_wait_timeout = 1'); $d->begin_transaction(); $d->query('INSERT INTO odd (a) VALUES (42)');
    attempt(fn () => $d->query('UPDATE odd SET s = "waits" WHERE a = 41'));
    show(rows($d, 'SELECT COUNT(*) FROM odd WHERE a = 42'));
    $d->commit(); $c->rollback();
    show(rows($c, 'SELECT a, s FROM odd WHERE a > 40 ORDER BY a'));
});
scene('charset switches', function () use ($c) {
    foreach (['latin1', 'gbk', 'sjis', 'utf8mb4', 'ucs2', 'binary', 'utf8mb3', 'latin1'] as $charset) {
        attempt(fn () => $c->set_charset($charset));
        show($c->character_set_name(), rows($c, 'SELECT @@character_set_client, @@character_set_results, @@collation_connection'));
        show($c->real_escape_string("\xbf'\\\n"), rows($c, "SELECT '\xe4\xbf', HEX('\xe4'), _utf8mb4'ü'"));
    }
    $c->set_charset('utf8mb4');
    $c->query("SET NAMES utf8mb4 COLLATE utf8mb4_bin"); show(rows($c, "SELECT 'a' = 'A', @@collation_connection"));
    $c->query('SET character_set_results = NULL'); show(rows($c, "SELECT _latin1'\xe4'")); $c->query('SET NAMES utf8mb4');
    $c->query("SET CHARACTER SET latin1"); show(rows($c, "SELECT '\xe4', @@character_set_connection, @@collation_connection")); $c->set_charset('utf8mb4');
});
scene('LOAD DATA LOCAL with errors', function () use ($c) {
    $d = login('', 0, [MYSQLI_OPT_LOCAL_INFILE => 1]);
    $file = tempnam(sys_get_temp_dir(), 'odd');
    $load = fn (string $more) => function () use ($d, $file, $more) {
        try { return $d->query("LOAD DATA LOCAL INFILE '$file' $more"); } finally { state($d); foreach (rows($d, 'SHOW WARNINGS') as $w) show($w); }
    };
    file_put_contents($file, "50\tx\n50\ty\nnot a number\tz\n51\n52\tw\textra\n");
    attempt($load('INTO TABLE odd (a, s)'));
    attempt($load('IGNORE INTO TABLE odd (a, s)'));
    attempt($load('REPLACE INTO TABLE odd (a, s)'));
    attempt($load('INTO TABLE odd_missing'));
    attempt($load('INTO TABLE odd (a, no_such)'));
    file_put_contents($file, '');
    attempt($load('INTO TABLE odd (a, s)'));
    file_put_contents($file, implode("\n", array_map(fn ($i) => $i . "\t" . str_repeat('y', 40), range(1000, 60000))));
    attempt($load('INTO TABLE odd (a, s)'));
    $d->begin_transaction(); file_put_contents($file, "70000\tin a transaction\n"); attempt($load('INTO TABLE odd (a, s)')); $d->rollback();
    unlink($file);
    attempt($load('INTO TABLE odd (a, s)'));
    show(rows($d, 'SELECT COUNT(*), SUM(a), MAX(LENGTH(s)) FROM odd'));
    $d->query('DELETE FROM odd WHERE a >= 1000');
    state($d);
});
scene('LOAD DATA LOCAL that is not allowed', function () use ($c) {
    $d = login('', 0, [MYSQLI_OPT_LOCAL_INFILE => 0]);
    attempt(fn () => $d->query("LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE odd (a, s)"));
    attempt(fn () => rows($d, 'SELECT 1'));
});
scene('left open at the end', function () {
    $d = login();
    $d->autocommit(false); $d->query('INSERT INTO odd (a) VALUES (80)'); $d = null;
    $d = login();
    $d->query('LOCK TABLES odd WRITE'); $d->query('INSERT INTO odd (a) VALUES (81)'); $d = null;
    $d = login(); $d->query("SELECT GET_LOCK('odd_left', 1)"); $d->query('SET @left = 1'); $d->query('CREATE TEMPORARY TABLE odd_t SELECT 1'); $d = null;
    $d = login();
    show(rows($d, FRESH . 'SELECT a FROM odd WHERE a >= 80'), rows($d, "SELECT GET_LOCK('odd_left', 5), RELEASE_LOCK('odd_left'), @left"), rows($d, 'SELECT @@autocommit'));
    attempt(fn () => $d->query('SELECT * FROM odd_t'));
});
scene('persistent connections', function () {
    $p = login('p:');
    $p->query('SET @left = 1, SESSION sql_mode = "", NAMES latin1'); $p->query('CREATE TEMPORARY TABLE odd_t (i INT)'); $p->query("SELECT GET_LOCK('odd_p', 1)");
    $p->autocommit(false); $p->query('INSERT INTO odd (a) VALUES (90)'); $s = $p->prepare('SELECT 1'); $p->query('LOCK TABLES odd READ'); $p->close();
    $p = login('p:');
    show(rows($p, 'SELECT @left, @@sql_mode, @@autocommit, @@character_set_client, DATABASE()'), rows($p, FRESH . 'SELECT COUNT(*) FROM odd WHERE a = 90'));
    attempt(fn () => $p->query('SELECT * FROM odd_t')); attempt(fn () => $p->query('INSERT INTO odd (a) VALUES (91)'));
    show(rows($p, "SELECT IS_FREE_LOCK('odd_p')"));
    $r = $p->query(MANY, MYSQLI_USE_RESULT); $r->fetch_row(); unset($r);
    $p->close(); $p = login('p:'); show(rows($p, 'SELECT 3')); $p->close();
});
scene('locks by name', function () use ($c) {
    $d = login();
    show(rows($c, "SELECT GET_LOCK('odd_a', 0), GET_LOCK('odd_b', 0)"), rows($d, "SELECT GET_LOCK('odd_a', 0), IS_FREE_LOCK('odd_b')"));
    show(rows($c, "SELECT RELEASE_LOCK('odd_a')"), rows($d, "SELECT GET_LOCK('odd_a', 0), RELEASE_LOCK('odd_b')"));
    show(rows($c, 'SELECT RELEASE_ALL_LOCKS()'), rows($d, 'SELECT RELEASE_ALL_LOCKS()'), rows($c, "SELECT RELEASE_LOCK('odd_a')"));
    $s = $c->prepare('SELECT GET_LOCK(?, ?)'); $s->execute(['odd_c', 0]); show($s->get_result()->fetch_row());
    show(rows($d, "SELECT IS_FREE_LOCK('odd_c'), GET_LOCK('odd_c', 0)"), rows($c, "DO RELEASE_LOCK('odd_c')"), rows($d, "SELECT IS_FREE_LOCK('odd_c')"));
});
scene('user variables', function () use ($c) {
    $c->query("SET @a = 1, @b = 'zwei', @c = NULL, @d = 1.50, @e = x'00ff', @f = -3, @`g h` = 'q''uote', @i = 1e3, @j = TRUE, @k = _latin1'\xe4' COLLATE latin1_bin");
    show(rows($c, 'SELECT @a, @b, @c, @d, HEX(@e), @f, @`g h`, @i, @j, HEX(@k), COLLATION(@k), COLLATION(@b), @never'));
    $r = $c->query('SELECT @a, @b, @c, @d, @e, @f, @i, @j'); foreach ($r->fetch_fields() as $f) show($f->name, $f->type, $f->length, $f->charsetnr, $f->flags, $f->decimals);
    show(rows($c, 'SELECT @n := 0'), rows($c, 'SELECT n, @n := @n + n FROM odd_digit ORDER BY n LIMIT 4'), rows($c, 'SELECT @n'));
    show(rows($c, 'SELECT @a := @a + 1, @A'), rows($c, 'SELECT @a'));
    $c->query('SELECT MAX(n), MIN(n) INTO @hi, @lo FROM odd_digit'); state($c); show(rows($c, 'SELECT @hi, @lo'));
    $s = $c->prepare('SET @p = ?'); foreach ([1, 'text', 2.5, null] as $v) { $s->execute([$v]); show(rows($c, 'SELECT @p')); }
    $c->query('UPDATE odd SET s = (@last := a) WHERE a = 11'); show(rows($c, 'SELECT @last')); $c->query("SET @sql = 'SELECT ? + 1'"); $c->query('PREPARE st FROM @sql'); $c->query('SET @one = 41'); show(rows($c, 'EXECUTE st USING @one')); $c->query('DEALLOCATE PREPARE st'); attempt(fn () => $c->query('EXECUTE st USING @one'));
});
scene('found rows', function () use ($c) {
    show(rows($c, 'SELECT SQL_CALC_FOUND_ROWS n FROM odd_digit ORDER BY n LIMIT 2'), rows($c, 'SELECT FOUND_ROWS()'), rows($c, 'SELECT FOUND_ROWS()'));
    show(rows($c, 'SELECT n FROM odd_digit LIMIT 3'), rows($c, 'SELECT FOUND_ROWS() AS total'), rows($c, 'SELECT n FROM odd_digit WHERE n > 100'), rows($c, 'SELECT FOUND_ROWS()'));
    rows($c, 'SELECT SQL_CALC_FOUND_ROWS n FROM odd_digit LIMIT 1'); usleep(100000); show(rows($c, 'SELECT FOUND_ROWS()'));
    rows($c, 'SELECT SQL_CALC_FOUND_ROWS n FROM odd_digit WHERE n > 3 LIMIT 1'); $c->query('SET @f = FOUND_ROWS()'); show(rows($c, 'SELECT @f'));
    $s = $c->prepare('SELECT SQL_CALC_FOUND_ROWS n FROM odd_digit WHERE n > ? LIMIT 1'); $s->execute([6]); $s->get_result()->fetch_all(); show(rows($c, 'SELECT FOUND_ROWS()'));
    $r = $c->query('SELECT SQL_CALC_FOUND_ROWS n FROM odd_digit LIMIT 4', MYSQLI_USE_RESULT); $r->fetch_row(); $r->free(); show(rows($c, 'SELECT FOUND_ROWS(), ROW_COUNT()'));
});
scene('insert ids', function () use ($c) {
    $c->query('DELETE FROM odd'); $c->query('ALTER TABLE odd AUTO_INCREMENT = 1');
    $c->query('INSERT INTO odd (a) VALUES (1), (2), (3)'); state($c); show(rows($c, 'SELECT LAST_INSERT_ID()'));
    $c->query('INSERT INTO odd (id, a) VALUES (50, 4)'); state($c); show(rows($c, 'SELECT LAST_INSERT_ID(), @@identity, @@last_insert_id'));
    $c->query('INSERT INTO odd (a) VALUES (1) ON DUPLICATE KEY UPDATE id = LAST_INSERT_ID(id), s = "dup"'); state($c); show(rows($c, 'SELECT LAST_INSERT_ID()'));
    $c->query('INSERT IGNORE INTO odd (a) VALUES (1)'); state($c); show(rows($c, 'SELECT LAST_INSERT_ID()'));
    $c->query('REPLACE INTO odd (a) VALUES (2)'); state($c); show(rows($c, 'SELECT LAST_INSERT_ID()'));
    $c->query('UPDATE odd SET s = LAST_INSERT_ID(77) WHERE a = 3'); state($c); show(rows($c, 'SELECT LAST_INSERT_ID()'));
    attempt(fn () => $c->query('INSERT INTO odd (a) VALUES (99), (3)')); state($c); show(rows($c, 'SELECT LAST_INSERT_ID()'));
    $c->query('INSERT INTO odd (a, s) SELECT n + 200, LAST_INSERT_ID() FROM odd_digit WHERE n < 2'); state($c); show(rows($c, 'SELECT a, s FROM odd WHERE a >= 200 ORDER BY a'));
    $c->query('SET insert_id = 500'); $c->query('INSERT INTO odd (a) VALUES (300)'); state($c); $c->query('INSERT INTO odd (a) VALUES (301)'); state($c);
    $c->query('SET last_insert_id = 9'); show(rows($c, 'SELECT LAST_INSERT_ID()')); $c->begin_transaction(); $c->query('INSERT INTO odd (a) VALUES (302)'); $c->rollback(); show(rows($c, 'SELECT LAST_INSERT_ID() > 9'), $c->insert_id);
    $c->query('INSERT INTO odd_digit VALUES (99)'); state($c); show(rows($c, 'SELECT LAST_INSERT_ID() > 9')); $c->query('DELETE FROM odd_digit WHERE n = 99');
    show(rows($c, 'SELECT id FROM odd WHERE id IS NULL')); $c->query('SET sql_auto_is_null = 1'); $c->query('INSERT INTO odd (a) VALUES (303)'); show(count(rows($c, 'SELECT id FROM odd WHERE id IS NULL')), count(rows($c, 'SELECT id FROM odd WHERE id IS NULL'))); $c->query('SET sql_auto_is_null = 0');
});
scene('transactions', function () use ($c) {
    $c->query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED'); show(rows($c, 'SHOW VARIABLES LIKE "t%isolation"')); $c->query('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ');
    $c->query('SET TRANSACTION READ ONLY'); $c->begin_transaction(); attempt(fn () => $c->query('DELETE FROM odd')); $c->commit(); attempt(fn () => $c->query('DELETE FROM odd WHERE a = 303'));
    $c->query('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY'); show(rows($c, 'SELECT COUNT(*) FROM odd_digit')); attempt(fn () => $c->query('CREATE TABLE odd_no (i INT)')); $c->query('COMMIT AND CHAIN'); attempt(fn () => $c->query('DELETE FROM odd')); $c->query('ROLLBACK RELEASE'); attempt(fn () => $c->query('SELECT 1'));
});
$c = login();
scene('autocommit off and statements that commit by themselves', function () use ($c) {
    $c->autocommit(false); show(rows($c, 'SELECT @@autocommit, COUNT(*) FROM odd_digit'));
    $c->query('INSERT INTO odd (a) VALUES (400)'); $c->query('CREATE TABLE odd_ddl (i INT)'); $c->rollback(); show(rows($c, 'SELECT COUNT(*) FROM odd WHERE a = 400'));
    $c->query('INSERT INTO odd (a) VALUES (401)'); $c->autocommit(true); $c->rollback(); show(rows($c, 'SELECT COUNT(*) FROM odd WHERE a = 401'));
    $c->query('SET autocommit = 0'); $c->query('INSERT INTO odd (a) VALUES (402)'); $c->query('BEGIN'); $c->query('INSERT INTO odd (a) VALUES (403)'); $c->rollback(); show(rows($c, 'SELECT a FROM odd WHERE a >= 402')); $c->query('SET autocommit = 1'); $c->query('DROP TABLE odd_ddl');
});
scene('big values', function () use ($c) {
    $make = fn (int $size) => str_repeat("ab\0'\\", intdiv($size, 5)) . str_repeat('e', $size % 5);
    foreach ([65535, 65536, 1 << 20] as $size) {
        $b = $make($size);
        $s = $c->prepare('REPLACE INTO odd_blob VALUES (9, ?)'); attempt(fn () => $s->execute([$b])); $s->close();
        attempt(function () use ($c, $b) { $r = $c->query('SELECT b FROM odd_blob WHERE id = 9')->fetch_row()[0]; return [strlen($r), $r === $b]; });
    }
    foreach ([(1 << 24) - 20, (1 << 24) + 1] as $size) {
        $b = $make($size);
        attempt(function () use ($c, $b) { $s = $c->prepare('SELECT ?'); $s->execute([$b]); return $s->get_result()->fetch_row()[0] === $b; });
    }
    $long = "SELECT LENGTH('" . str_repeat('x', 17 << 20) . "') + CONNECTION_ID() > 17000000";
    attempt(fn () => $c->query($long)->fetch_row());
    attempt(function () use ($c, $long) { $s = $c->prepare($long); $s->execute(); return $s->get_result()->fetch_row(); });
    $c->query('DELETE FROM odd_blob');
});
scene('an escaped quote in every dress', function () use ($c) {
    foreach (['', 'NO_BACKSLASH_ESCAPES', 'ANSI_QUOTES', 'PIPES_AS_CONCAT'] as $mode) {
        $c->query("SET sql_mode = '$mode'");
        foreach (["SELECT 'a\\\\'", "SELECT 'it''s'", 'SELECT "x" AS y FROM odd_digit LIMIT 1', "SELECT 'a' 'b'", "SELECT 'a' || 'b'", "SELECT 1 -- x\n+ 1", "SELECT 1 # x\n+ 1", 'SELECT 1 /*! + 1 */', "SELECT /* ' */ 2", 'SELECT `n` FROM `odd_digit` LIMIT 1', "SELECT N'ü', X'41', 0x41, b'1000001', 1e2, .5, -1, - - 1"] as $sql) attempt(fn () => rows($c, $sql));
    }
    $c->query('SET sql_mode = DEFAULT');
});
scene('procedures', function () use ($c) {
    $c->query('DROP PROCEDURE IF EXISTS odd_p'); $c->query('CREATE PROCEDURE odd_p(IN i INT, INOUT x INT, OUT o VARCHAR(20)) BEGIN SET x = x + i; SET o = CONCAT("out ", i); SELECT i; SELECT n FROM odd_digit WHERE n < i ORDER BY n; IF i > 3 THEN SIGNAL SQLSTATE "45000" SET MESSAGE_TEXT = "too much", MYSQL_ERRNO = 5555; END IF; SET @inside = i; END');
    $c->query('SET @x = 10'); $c->multi_query('CALL odd_p(2, @x, @o); SELECT @x, @o, @inside'); drain($c);
    $c->multi_query('CALL odd_p(4, @x, @o); SELECT 1'); attempt(fn () => drain($c)); show(rows($c, 'SELECT @x, @o, @inside'));
    $r = $c->query('CALL odd_p(1, @x, @o)'); show($r->fetch_all()); attempt(fn () => $c->query('SELECT 1')); while ($c->more_results()) { $c->next_result(); if ($r = $c->store_result()) show($r->fetch_all()); } show(rows($c, 'SELECT @x'));
    $s = $c->prepare('CALL odd_p(?, @x, @o)'); foreach ([1, 2] as $i) { $s->execute([$i]); do { if ($r = $s->get_result()) show($r->fetch_all()); } while ($s->more_results() && $s->next_result()); } $s->close(); show(rows($c, 'SELECT @x, @o'));
    $c->query('DROP PROCEDURE odd_p');
});
scene('handlers, locked tables', function () use ($c) {
    $c->query('HANDLER odd_digit OPEN AS h'); show(rows($c, 'HANDLER h READ FIRST'), rows($c, 'HANDLER h READ NEXT'), rows($c, 'SELECT 5'), rows($c, 'HANDLER h READ NEXT LIMIT 2')); $c->query('HANDLER h CLOSE'); attempt(fn () => $c->query('HANDLER h READ NEXT'));
    $c->query('LOCK TABLES odd_digit READ, odd WRITE'); attempt(fn () => $c->query('INSERT INTO odd_digit VALUES (55)')); attempt(fn () => $c->query('SELECT * FROM odd_blob')); show(rows($c, 'SELECT COUNT(*) FROM odd_digit')); $c->query('INSERT INTO odd (a) VALUES (600)'); $c->query('UNLOCK TABLES'); attempt(fn () => rows($c, 'SELECT COUNT(*) FROM odd_blob'));
});
scene('settings of the session', function () use ($c) {
    $c->query('SET @OLD_MODE = @@sql_mode, sql_mode = "NO_AUTO_VALUE_ON_ZERO"'); $c->query('INSERT INTO odd (id, a) VALUES (0, 700)'); state($c); $c->query('SET sql_mode = @OLD_MODE'); show(rows($c, 'SELECT id FROM odd WHERE a = 700'), rows($c, 'SELECT @@sql_mode = @OLD_MODE'));
    $c->query("SET time_zone = '+05:30', timestamp = 1000000000"); show(rows($c, 'SELECT NOW(), UNIX_TIMESTAMP(), @@time_zone')); $c->query('SET timestamp = DEFAULT'); show(rows($c, 'SELECT NOW() > "2020-01-01"')); $c->query('SET time_zone = DEFAULT');
    $c->query('SET foreign_key_checks = 0, unique_checks = 0, sql_select_limit = 2'); show(rows($c, 'SELECT n FROM odd_digit ORDER BY n'), rows($c, 'SELECT @@foreign_key_checks, @@unique_checks')); $c->query('SET sql_select_limit = DEFAULT, foreign_key_checks = 1, unique_checks = 1'); show(count(rows($c, 'SELECT n FROM odd_digit')));
    $c->query('SET SESSION group_concat_max_len = 5'); show(rows($c, 'SELECT GROUP_CONCAT(n) FROM odd_digit'), $c->warning_count, rows($c, 'SHOW WARNINGS')); $c->query('SET SESSION group_concat_max_len = DEFAULT'); attempt(fn () => $c->query('SET SESSION no_such = 1')); attempt(fn () => $c->query('SET SESSION sql_mode = "NO_SUCH"')); attempt(fn () => $c->query('SET GLOBAL max_connections = 100'));
    $c->query('SET lc_time_names = "de_DE", div_precision_increment = 2, default_week_format = 1'); show(rows($c, 'SELECT DATE_FORMAT("2024-03-01", "%M"), 1/3, WEEK("2024-01-01")'));
});
scene('rand, uuid and their kin keep their rules', function () use ($c) {
    show(rows($c, 'SELECT RAND(3), RAND(3)')); $c->query('SET rand_seed1 = 10, rand_seed2 = 20'); show(rows($c, 'SELECT RAND(), RAND()'), rows($c, 'SELECT RAND()'));
    show(rows($c, 'SELECT UUID() <> UUID(), SLEEP(0), BENCHMARK(10, 1), CONNECTION_ID() = ' . $c->thread_id), rows($c, 'SELECT USER() LIKE CONCAT(SUBSTRING_INDEX(CURRENT_USER(), "@", 1), "@%"), DATABASE(), SCHEMA(), VERSION() = ' . "'{$c->server_info}'"));
});
scene('errors and what they leave', function () use ($c) {
    foreach (['SELECT', 'SELECT * FROM no_such', 'SELECT no_such FROM odd', 'INSERT INTO odd (a) VALUES (1), (1)', 'DROP TABLE no_such', 'CREATE TABLE odd (i INT)', 'SELECT (SELECT n FROM odd_digit)', 'KILL 4000000000', 'USE no_such', 'CALL no_such()', 'SELECT no_such()', 'SIGNAL SQLSTATE "45000" SET MESSAGE_TEXT = "mine"', 'ROLLBACK TO no_such', 'EXECUTE no_such', 'UPDATE odd SET a = "x" WHERE id = 1', 'SELECT 9223372036854775807 + 1', 'INSERT INTO odd (s) VALUES (REPEAT("x", 60))'] as $sql) {
        attempt(fn () => $c->query($sql)); state($c); show(rows($c, 'SHOW WARNINGS'), rows($c, 'SHOW ERRORS'), rows($c, 'SELECT @@warning_count, @@error_count'));
    }
    attempt(fn () => $c->query('DROP TABLE IF EXISTS no_such')); show($c->warning_count, rows($c, 'SHOW COUNT(*) WARNINGS'), rows($c, 'GET DIAGNOSTICS CONDITION 1 @text = MESSAGE_TEXT'), rows($c, 'SELECT @text'));
});
scene('asynchronous queries on many connections', function () {
    $all = []; for ($i = 0; $i < 8; $i++) { $all[$i] = login(); $all[$i]->query("SELECT SLEEP(0.0$i), $i", MYSQLI_ASYNC); }
    $got = []; while (count($got) < 8) { $r = $e = $x = array_values($all); if (!mysqli_poll($r, $e, $x, 5)) break; foreach ($r as $l) { $got[] = $l->reap_async_query()->fetch_row()[1]; unset($all[array_search($l, $all, true)]); } }
    sort($got); show($got);
});
scene('COM_REFRESH, COM_DEBUG and what else there is', function () use ($c) {
    attempt(fn () => @$c->refresh(MYSQLI_REFRESH_STATUS)); attempt(fn () => @$c->refresh(MYSQLI_REFRESH_TABLES)); attempt(fn () => $c->dump_debug_info()); attempt(fn () => rows($c, 'SELECT 1'));
    attempt(fn () => count($c->get_connection_stats()) > 10); attempt(fn () => $c->get_charset()->charset);
});
scene('columns', function () use ($c) {
    $r = $c->query("SELECT id, a AS alias, s, NULL nothing, 1 + 1, COUNT(*) n, NOW() now, 'x' FROM odd o GROUP BY id LIMIT 1");
    foreach ($r->fetch_fields() as $f) show((array) $f);
    $s = $c->prepare('SELECT id, s, ? FROM odd WHERE a = ?'); show($s->param_count, $s->field_count); foreach ($s->result_metadata()->fetch_fields() as $f) show((array) $f);
});
scene('temporary tables hide tables', function () use ($c) {
    $c->query('CREATE TEMPORARY TABLE odd_digit (n INT)'); $c->query('INSERT INTO odd_digit VALUES (1000)'); show(rows($c, 'SELECT * FROM odd_digit'), rows($c, 'SHOW CREATE TABLE odd_digit')[0][0]); $c->query('ALTER TABLE odd_digit RENAME TO odd_other'); show(rows($c, 'SELECT * FROM odd_other'), count(rows($c, 'SELECT * FROM odd_digit'))); $c->query('DROP TEMPORARY TABLE odd_other'); attempt(fn () => $c->query('DROP TEMPORARY TABLE odd_digit')); show(count(rows($c, 'SELECT * FROM odd_digit')));
});
$c->query('DROP TABLE odd, odd_digit, odd_blob, odd_no');
