# DBD::mysql: client-side and server-side prepares, and what the driver adds to DBI.
use strict; use warnings; use DBI; use File::Temp;

my $dsn = "DBI:mysql:database=$ENV{DB};host=$ENV{HOST};port=$ENV{PORT}";
$dsn .= ";mysql_ssl=1;mysql_ssl_optional=1;mysql_ssl_ca_file=$ENV{TLS_CA}" if $ENV{TLS_CA};
sub connect_with { my ($more) = @_; return DBI->connect($dsn . ($more // ''), $ENV{USER}, $ENV{PASSWORD}, { RaiseError => 1, PrintError => 0, AutoCommit => 1, mysql_enable_utf8mb4 => 1 }); }
sub same { my ($wanted, $got) = map { $_ // 'NULL' } @_; die "wanted $wanted, got $got\n" unless $wanted eq $got; }
sub feature { my ($name, $run) = @_; my $ok = eval { $run->(); 1 }; my $why = $@; $why =~ s/\n/ /g; print $ok ? "ok $name\n" : "FAIL $name $why\n"; }
sub code_of { my ($h, $run) = @_; eval { $run->(); 1 } and return 0; return $h->err; }

for my $how ('client', 'server') {
    my $c = connect_with(";mysql_server_prepare=" . ($how eq 'server' ? 1 : 0));
    $c->do('DROP TABLE IF EXISTS drv_pl');
    $c->do('CREATE TABLE drv_pl (id INT AUTO_INCREMENT PRIMARY KEY, a INT, s VARCHAR(50)) DEFAULT CHARSET utf8mb4');
    feature("$how prepare: insert, insert id, rows", sub {
        my $s = $c->prepare('INSERT INTO drv_pl (a,s) VALUES (?,?)');
        same(1, $s->execute(1, "it's \\ ok")); same(1, $c->{mysql_insertid}); $s->execute(2, undef); same(2, $c->last_insert_id(undef, undef, undef, undef));
        same('0E0', $c->do('UPDATE drv_pl SET a=a+0 WHERE id=99'));
    });
    feature("$how prepare: fetch", sub {
        my $s = $c->prepare('SELECT id, s FROM drv_pl WHERE id <= ? ORDER BY id'); $s->execute(2);
        my $r = $s->fetchall_arrayref({}); same(2, scalar @$r); same("it's \\ ok", $r->[0]{s}); same(undef, $r->[1]{s}); same('id', $s->{NAME}[0]);
        same(2, $c->selectrow_array('SELECT COUNT(*) FROM drv_pl WHERE id > ?', undef, 0));
    });
    feature("$how prepare: transactions", sub {
        $c->begin_work; $c->do('DELETE FROM drv_pl'); same(0, $c->selectrow_array('SELECT COUNT(*) FROM drv_pl')); $c->rollback; same(2, $c->selectrow_array('SELECT COUNT(*) FROM drv_pl'));
        $c->{AutoCommit} = 0; $c->do('INSERT INTO drv_pl (a) VALUES (3)'); $c->commit; $c->{AutoCommit} = 1; same(3, $c->selectrow_array('SELECT COUNT(*) FROM drv_pl'));
    });
    feature("$how prepare: errors", sub {
        same(1062, code_of($c, sub { $c->do('INSERT INTO drv_pl (id) VALUES (?)', undef, 1) })); same('23000', $c->state); same(1146, code_of($c, sub { $c->selectall_arrayref('SELECT * FROM no_such') }));
    });
    # With server-side prepares DBD::mysql 4.050 itself never sees the end of such a result, also directly.
    feature("$how prepare: mysql_use_result", sub {
        return if $how eq 'server';
        my $s = $c->prepare('WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i+1 FROM n WHERE i<500) SELECT i FROM n', { mysql_use_result => 1 });
        $s->execute; my $n = 0; $n++ while $s->fetch; same(500, $n);
    });
    feature("$how prepare: session state", sub {
        $c->do('SET @v = 5'); $c->do('CREATE TEMPORARY TABLE drv_plt (i INT)'); $c->do('INSERT INTO drv_plt VALUES (@v)'); same(5, $c->selectrow_array('SELECT i FROM drv_plt')); $c->do('DROP TEMPORARY TABLE drv_plt');
        same(1, $c->selectrow_array("SELECT GET_LOCK('drv_pl',1)")); same(1, $c->selectrow_array("SELECT RELEASE_LOCK('drv_pl')"));
    });
    $c->disconnect;
}
my $c = connect_with();
feature('several results', sub {
    $c->do('DROP PROCEDURE IF EXISTS drv_plp'); $c->do('CREATE PROCEDURE drv_plp() BEGIN SELECT 1; SELECT 2; END');
    my $s = $c->prepare('CALL drv_plp()'); $s->execute; same(1, ($s->fetchrow_array)[0]); same(1, $s->more_results); same(2, ($s->fetchrow_array)[0]); 1 while $s->more_results; $s->finish; $c->do('DROP PROCEDURE drv_plp');
});
feature('multi statements', sub { my $m = connect_with(';mysql_multi_statements=1'); my $s = $m->prepare('SELECT 1; SELECT 2'); $s->execute; same(1, ($s->fetchrow_array)[0]); $s->more_results; same(2, ($s->fetchrow_array)[0]); });
feature('LOAD DATA LOCAL', sub { my $l = connect_with(';mysql_local_infile=1'); my $f = File::Temp->new; print $f "100\t7\n"; close $f; same(1, $l->do("LOAD DATA LOCAL INFILE '$f' INTO TABLE drv_pl (id, a)")); });
feature('found rows', sub { same(1, connect_with(';mysql_client_found_rows=1')->do('UPDATE drv_pl SET a=1 WHERE id=1')); same('0E0', connect_with(';mysql_client_found_rows=0')->do('UPDATE drv_pl SET a=1 WHERE id=1')); });
feature('ping, thread id, server info, warnings', sub {
    same(1, $c->ping); same($c->{mysql_thread_id}, $c->selectrow_array('SELECT CONNECTION_ID()')); same($c->{mysql_serverinfo}, $c->selectrow_array('SELECT VERSION()'));
    my $s = $c->prepare("SELECT CAST('x' AS SIGNED)"); $s->execute; same(1, $s->{mysql_warning_count});
});
feature('tables and columns', sub { same(1, scalar(grep { /drv_pl/ } $c->tables(undef, undef, 'drv_pl', 'TABLE'))); same(3, scalar @{ $c->column_info(undef, $ENV{DB}, 'drv_pl', '%')->fetchall_arrayref }); });
feature('wrong password', sub { eval { DBI->connect($dsn, $ENV{USER}, 'wrong', { RaiseError => 1, PrintError => 0 }) }; same(1045, $DBI::err); });
$c->do('DROP TABLE drv_pl');
