<?php
// What the PHP scripts share: one line per feature, and the connection's parameters from the environment.
// The authority that the server's certificate is checked by; false: no TLS.
$ca = getenv('TLS_CA');
$host = getenv('HOST'); $port = (int) getenv('PORT'); $user = getenv('USER'); $password = getenv('PASSWORD'); $db = getenv('DB');

function feature(string $name, callable $run): void
{
    try {
        $run();
        echo "ok $name\n";
    } catch (Throwable $e) {
        echo "FAIL $name ", str_replace("\n", ' ', $e->getMessage()), ' at line ', $e->getLine(), "\n";
    }
}

function same(mixed $wanted, mixed $got): void
{
    if ($wanted !== $got) {
        throw new Exception('wanted ' . var_export($wanted, true) . ', got ' . var_export($got, true));
    }
}

/** A hint in front of a read of what another connection wrote: only within one connection reads see every write at once. */
const FRESH = '/* pointsman: role=writer */ ';

/** The error code that $run throws. */
function code_of(callable $run): int
{
    try {
        $run();
    } catch (PDOException $e) {
        return (int) $e->errorInfo[1];
    } catch (mysqli_sql_exception $e) {
        return $e->getCode();
    }
    return 0;
}
