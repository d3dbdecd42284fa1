<?php
// What the PHP scripts share: one line per feature, and the connection's parameters from the environment.
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
