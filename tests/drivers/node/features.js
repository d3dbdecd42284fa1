// mysql2 for Node, its promise interface, pools and prepared statements.
const mysql = require('mysql2/promise');
const { Readable } = require('stream');
const login = { host: process.env.HOST, port: +process.env.PORT, user: process.env.USER, password: process.env.PASSWORD, database: process.env.DB, ...(process.env.TLS_CA && { ssl: { ca: require('fs').readFileSync(process.env.TLS_CA) } }) };

async function feature(name, run) {
  try { await run(); console.log(`ok ${name}`); } catch (e) { console.log(`FAIL ${name} ${String(e.message).replace(/\n/g, ' ')}`); }
}
function same(wanted, got) {
  const [w, g] = [JSON.stringify(wanted), JSON.stringify(got)];
  if (w !== g) throw new Error(`wanted ${w}, got ${g}`);
}
async function codeOf(promise) { try { await promise; return 0; } catch (e) { return e.errno; } }

async function main() {
  const c = await mysql.createConnection(login);
  const rows = async (sql, args) => (await c.query(sql, args))[0];
  await c.query('DROP TABLE IF EXISTS drv_js');
  await c.query('CREATE TABLE drv_js (id INT AUTO_INCREMENT PRIMARY KEY, a INT, s VARCHAR(50), b LONGBLOB, j JSON) DEFAULT CHARSET utf8mb4');
  await feature('insert, insertId, affectedRows, changedRows', async () => {
    const [r] = await c.query('INSERT INTO drv_js (a,s,b) VALUES (?,?,?),(?,?,?)', [1, 'ü😀', Buffer.from([0, 255]), 2, null, null]);
    same([1, 2], [r.insertId, r.affectedRows]);
    const [u] = await c.query('UPDATE drv_js SET a=1 WHERE id=1');
    same([1, 0], [u.affectedRows, u.changedRows]);
  });
  await feature('query', async () => same([{ id: 1, s: 'ü😀' }, { id: 2, s: null }], await rows('SELECT id, s FROM drv_js ORDER BY id')));
  await feature('prepared statements', async () => {
    for (const n of [1, 2, 1]) same([[n]], (await c.execute({ sql: 'SELECT id FROM drv_js WHERE id = ?', rowsAsArray: true }, [n]))[0]);
    const [r] = await c.execute('INSERT INTO drv_js (a,s,b) VALUES (?,?,?)', [3, 'three', Buffer.alloc(70000, 1)]);
    same(3, r.insertId);
    same([{ l: 70000 }], (await c.execute('SELECT LENGTH(b) l FROM drv_js WHERE id=?', [3]))[0]);
    c.unprepare('SELECT id FROM drv_js WHERE id = ?');
    const s = await c.prepare('SELECT ? AS x'); same('y', (await s.execute(['y']))[0][0].x); await s.close();
  });
  await feature('transactions', async () => {
    await c.beginTransaction(); await c.query('DELETE FROM drv_js'); await c.rollback(); same([{ n: 3 }], await rows('SELECT COUNT(*) n FROM drv_js'));
    await c.beginTransaction(); await c.query('UPDATE drv_js SET a=9 WHERE id=2'); await c.commit(); same([{ a: 9 }], await rows('SELECT a FROM drv_js WHERE id=2'));
  });
  await feature('errors', async () => {
    same(1062, await codeOf(c.query('INSERT INTO drv_js (id) VALUES (1)'))); same(1146, await codeOf(c.execute('SELECT * FROM no_such'))); same(1064, await codeOf(c.query('SELECT 1; SELECT 2')));
    same(1045, await codeOf(mysql.createConnection({ ...login, password: 'wrong' })));
  });
  await feature('several results', async () => {
    const m = await mysql.createConnection({ ...login, multipleStatements: true });
    const [r] = await m.query('SELECT 1 n; DO 0; SELECT 2 n'); same([1, 2], [r[0][0].n, r[2][0].n]); await m.end();
  });
  await feature('streaming', async () => {
    let n = 0;
    const stream = c.connection.query('WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i+1 FROM n WHERE i<900) SELECT i, REPEAT("x",500) FROM n').stream();
    for await (const _ of stream) n++;
    same(900, n);
  });
  await feature('pool', async () => {
    const p = mysql.createPool({ ...login, connectionLimit: 4 });
    const got = await Promise.all([...Array(20).keys()].map(async (i) => (await p.query('SELECT ? AS i', [i]))[0][0].i)); same([...Array(20).keys()], got); await p.end();
  });
  await feature('LOAD DATA LOCAL', async () => {
    const [r] = await c.query({ sql: "LOAD DATA LOCAL INFILE 'from a stream' INTO TABLE drv_js (id, a)", infileStreamFactory: () => Readable.from([Buffer.from('100\t5\n'), Buffer.from('101\t6\n')]) });
    same(2, r.affectedRows);
  });
  await feature('compression', async () => { const z = await mysql.createConnection({ ...login, compress: true }); same('x'.repeat(100000), (await z.query("SELECT REPEAT('x',100000) r"))[0][0].r); await z.end(); });
  await feature('ping, changeUser, threadId', async () => {
    await c.ping(); same([{ i: c.threadId }], await rows('SELECT CONNECTION_ID() i')); await c.query('SET @v=1'); await c.changeUser({ user: login.user, password: login.password, database: login.database }); same([{ v: null }], await rows('SELECT @v v'));
  });
  await feature('session state', async () => { await c.query('SET @v=5'); await c.query('CREATE TEMPORARY TABLE drv_jst AS SELECT @v v'); same(5, Number((await rows('SELECT v FROM drv_jst'))[0].v)); await c.query('DROP TEMPORARY TABLE drv_jst'); });
  await c.query('DROP TABLE drv_js');
  await c.end();
}
main().catch((e) => { console.log(`FAIL script ${e.message}`); process.exitCode = 1; });
