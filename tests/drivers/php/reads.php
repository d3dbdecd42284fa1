<?php
// Logs in and reads, as an application does that writes nothing: mysqli, and PDO with both kinds of prepares.
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
[$host, $port, $user, $password, $schema] = array_map('getenv', ['HOST', 'PORT', 'USER', 'PASSWORD', 'DB']);
$read = 'SELECT b FROM t WHERE a = ?';
$mysqli = new mysqli($host, $user, $password, $schema, (int) $port);
$mysqli->set_charset('utf8mb4');
echo $mysqli->query('SELECT b FROM t WHERE a = 1')->fetch_row()[0], "\n";
echo $mysqli->execute_query($read, [1])->fetch_row()[0], "\n";
foreach ([true, false] as $emulated) {
    $pdo = new PDO("mysql:host=$host;port=$port;dbname=$schema;charset=utf8mb4", $user, $password);
    $pdo->setAttribute(PDO::ATTR_EMULATE_PREPARES, $emulated);
    $pdo->getAttribute(PDO::ATTR_SERVER_INFO);
    $statement = $pdo->prepare($read);
    $statement->execute([1]);
    echo $statement->fetchColumn(), "\n";
}
