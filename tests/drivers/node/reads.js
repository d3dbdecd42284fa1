// mysql2 for Node logs in and reads, as an application does that writes nothing.
const mysql = require('mysql2/promise');
const login = { host: process.env.HOST, port: +process.env.PORT, user: process.env.USER, password: process.env.PASSWORD, database: process.env.DB };

async function main() {
  const connection = await mysql.createConnection(login);
  console.log((await connection.query('SELECT b FROM t WHERE a = 1'))[0][0].b);
  console.log((await connection.execute('SELECT b FROM t WHERE a = ?', [1]))[0][0].b);
  await connection.end();
}
main();
