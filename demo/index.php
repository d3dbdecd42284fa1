<?php
// The shop's only page: what is for sale, the guest book, and the two forms.
declare(strict_types=1);

require __DIR__ . '/shop.php';

function h(mixed $text): string
{
    return htmlspecialchars((string) $text, ENT_QUOTES | ENT_SUBSTITUTE);
}

function field(string $name, int $limit): string
{
    return mb_trimmed((string) ($_POST[$name] ?? ''), $limit);
}

function mb_trimmed(string $text, int $limit): string
{
    // mbstring is not part of Debian's php-cli; iconv is.
    return (string) iconv_substr(trim($text), 0, $limit, 'UTF-8');
}

$notice = '';
try {
    if (($_POST['do'] ?? '') === 'sign' && field('guest', 80) !== '') {
        $own = sign(field('guest', 80), field('words', 500));
        $notice = "Signed by {$own['guest']}.";
    } elseif (($_POST['do'] ?? '') === 'buy') {
        $order = buy((int) ($_POST['goods'] ?? 0), field('buyer', 80) ?: 'somebody');
        $notice = $order === null ? 'Sold out.' : "Order number $order is booked.";
    }
    [$goods, $entries, $totals] = [goods(1), guest_book(), totals()];
} catch (Throwable $failure) {
    http_response_code(500);
    error_log((string) $failure);
    exit('The database said: ' . h($failure->getMessage()));
}
?><!doctype html>
<meta charset="utf-8"><title>Signal box shop</title>
<style>body{font:16px/1.5 sans-serif;max-width:44em;margin:2em auto;padding:0 1em}td{padding:.2em 1em .2em 0}
.notice{background:#efe;padding:.5em}</style>
<h1>Signal box shop</h1>
<?php if ($notice !== ''): ?><p class="notice"><?= h($notice) ?></p><?php endif ?>
<p><?= h($totals['orders']) ?> orders, turnover <?= h($totals['turnover']) ?>.</p>
<table><?php foreach ($goods as $piece): ?>
<tr><td><?= h($piece['name']) ?><td><?= h($piece['price']) ?><td><?= h($piece['stock']) ?> left
<td><form method="post"><input type="hidden" name="do" value="buy"><input type="hidden" name="goods"
value="<?= h($piece['id']) ?>"><button>Buy</button></form>
<?php endforeach ?></table>
<h2>Guest book</h2>
<form method="post"><input type="hidden" name="do" value="sign">
<input name="guest" placeholder="name" maxlength="80"> <input name="words" placeholder="a few words" maxlength="500">
<button>Sign</button></form>
<?php foreach ($entries as $entry): ?>
<p><b><?= h($entry['guest']) ?></b> (<?= h($entry['signed_at']) ?>): <?= h($entry['words']) ?></p>
<?php endforeach ?>
