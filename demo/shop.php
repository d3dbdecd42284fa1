<?php
// The shop's work with the database: reads and writes through PDO and mysqli, as PHP applications do it.
// Nothing here knows of replicas. The comment in each statement is only for the demo: it finds the statement in the
// servers' general logs by it.
declare(strict_types=1);

mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);

function setting(string $name, string $default): string
{
    return getenv($name) ?: $default;
}

function pdo(): PDO
{
    static $pdo = null;
    $source = sprintf('mysql:host=%s;port=%s;dbname=%s;charset=utf8mb4',
        setting('SHOP_HOST', '127.0.0.1'), setting('SHOP_PORT', '6033'), setting('SHOP_SCHEMA', 'shop'));
    return $pdo ??= new PDO($source, setting('SHOP_USER', 'app'), setting('SHOP_PASSWORD', 'app'), [
        PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
        PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC,
        PDO::ATTR_EMULATE_PREPARES => false,
    ]);
}

function db(): mysqli
{
    static $db = null;
    if ($db === null) {
        $db = new mysqli(setting('SHOP_HOST', '127.0.0.1'), setting('SHOP_USER', 'app'), setting('SHOP_PASSWORD', 'app'),
            setting('SHOP_SCHEMA', 'shop'), (int) setting('SHOP_PORT', '6033'));
        $db->set_charset('utf8mb4');
    }
    return $db;
}

function goods(int $atLeast): array
{
    $query = pdo()->prepare('SELECT id, name, price, stock FROM goods WHERE stock >= ? ORDER BY name /* page-goods */');
    $query->execute([$atLeast]);
    return $query->fetchAll();
}

function guest_book(): array
{
    return db()->query('SELECT guest, words, signed_at FROM guest_book ORDER BY id DESC LIMIT 10 /* page-book */')
        ->fetch_all(MYSQLI_ASSOC);
}

function totals(): array
{
    return db()->query('SELECT COUNT(*) AS orders, COALESCE(SUM(price), 0) AS turnover FROM orders /* page-totals */')
        ->fetch_assoc();
}

/** Writes an entry and reads it back at once: it must be there. */
function sign(string $guest, string $words): array
{
    $insert = db()->prepare('INSERT INTO guest_book (guest, words) VALUES (?, ?) /* page-sign */');
    $insert->bind_param('ss', $guest, $words);
    $insert->execute();
    $id = (int) db()->insert_id;
    $own = db()->query("SELECT guest, words FROM guest_book WHERE id = $id /* page-own-entry */")->fetch_assoc();
    if ($own === null) {
        throw new RuntimeException('the entry that was just written is not there');
    }
    return $own;
}

/** Takes one piece from the stock and books the order, or does nothing. */
function buy(int $goodsId, string $buyer): ?int
{
    $pdo = pdo();
    $pdo->beginTransaction();
    try {
        $look = $pdo->prepare('SELECT price, stock FROM goods WHERE id = ? FOR UPDATE /* page-lock-stock */');
        $look->execute([$goodsId]);
        $row = $look->fetch();
        $look->closeCursor();
        if ($row === false || (int) $row['stock'] < 1) {
            $pdo->rollBack();
            return null;
        }
        $pdo->prepare('UPDATE goods SET stock = stock - 1 WHERE id = ? /* page-take */')->execute([$goodsId]);
        $pdo->prepare('INSERT INTO orders (goods_id, buyer, price) VALUES (?, ?, ?) /* page-order */')
            ->execute([$goodsId, $buyer, $row['price']]);
        $order = (int) $pdo->lastInsertId();
        $pdo->commit();
        return $order;
    } catch (Throwable $failure) {
        if ($pdo->inTransaction()) {
            $pdo->rollBack();
        }
        throw $failure;
    }
}
