<?php
// What the scripts of odd uses share: they judge nothing, they print what PHP sees. The test compares what is printed
// through the proxy with what is printed directly.
// The authority that the server's certificate is checked by; false: no TLS.
$ca = getenv('TLS_CA');
$host = getenv('HOST'); $port = (int) getenv('PORT'); $user = getenv('USER'); $password = getenv('PASSWORD'); $db = getenv('DB');

/** A hint in front of a read of what another connection wrote: only within one connection reads see every write at once. */
const FRESH = '/* pointsman: role=writer */ ';

/** PHP's own complaints are part of what is seen. */
set_error_handler(function (int $level, string $message): bool {
    show('complaint', $message);
    return true;
});

/** One part of the transcript; an exception ends it and is part of it. */
function scene(string $name, callable $run): void
{
    echo "== $name\n";
    try {
        $run();
    } catch (Throwable $e) {
        show('exception', failure($e));
    }
}

/** Prints values in one line; long ones by length and hash. */
function show(mixed ...$values): void
{
    $short = function (mixed $value) use (&$short): mixed {
        if (is_array($value)) return array_map($short, $value);
        if (is_string($value) && strlen($value) > 300) return 'bytes ' . strlen($value) . ' ' . md5($value);
        return is_string($value) && !mb_check_encoding($value, 'UTF-8') ? 'hex ' . bin2hex($value) : $value;
    };
    echo '   ', json_encode(array_map($short, $values), JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES | JSON_PRESERVE_ZERO_FRACTION), "\n";
}

/** What an exception says of a failed statement. */
function failure(Throwable $e): array
{
    // Whoever logs in this time; and MariaDB counts on where a connection before this one ended.
    $said = preg_replace(["/for user '\\w+'@'[^']+'/", '/statement handler \(\d+\)/'], ['for user', 'statement handler'], $e->getMessage());
    return match (true) {
        $e instanceof PDOException => ['PDO', $e->errorInfo[0] ?? $e->getCode(), $e->errorInfo[1] ?? 0, $e->errorInfo[2] ?? $said],
        $e instanceof mysqli_sql_exception => ['mysqli', $e->getSqlState(), $e->getCode(), $said],
        default => [get_class($e), $said],
    };
}

/** Prints what $run returns, or how it fails. */
function attempt(callable $run): void
{
    try {
        $value = $run();
        show(is_object($value) ? get_class($value) : $value);
    } catch (Throwable $e) {
        show('failed', failure($e));
    }
}
