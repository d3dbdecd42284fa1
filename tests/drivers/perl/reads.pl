# DBD::mysql logs in and reads, as an application does that writes nothing.
use strict; use warnings; use DBI;

for my $prepares (0, 1) {
    my $dsn = "DBI:mysql:database=$ENV{DB};host=$ENV{HOST};port=$ENV{PORT};mysql_server_prepare=$prepares";
    my $connection = DBI->connect($dsn, $ENV{USER}, $ENV{PASSWORD}, { RaiseError => 1, mysql_enable_utf8mb4 => 1 });
    $connection->tables(undef, undef, 't');
    print $connection->selectrow_array('SELECT b FROM t WHERE a = ?', undef, 1), "\n";
}
