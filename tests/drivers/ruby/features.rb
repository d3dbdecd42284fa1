# mysql2 for Ruby.
require 'mysql2'
require 'tempfile'

LOGIN = { host: ENV['HOST'], port: ENV['PORT'].to_i, username: ENV['USER'], password: ENV['PASSWORD'], database: ENV['DB'], encoding: 'utf8mb4' }.merge(ENV['TLS_CA'] ? { sslca: ENV['TLS_CA'] } : {}).freeze
def connect(more = {}) = Mysql2::Client.new(LOGIN.merge(more))

def feature(name)
  yield
  puts "ok #{name}"
rescue StandardError => e
  puts "FAIL #{name} #{e.class} #{e.message.tr("\n", ' ')}"
end

def same(wanted, got)
  raise "wanted #{wanted.inspect}, got #{got.inspect}" unless wanted == got
end

def code_of
  yield
  0
rescue Mysql2::Error => e
  e.error_number
end

c = connect
c.query('DROP TABLE IF EXISTS drv_rb')
c.query('CREATE TABLE drv_rb (id INT AUTO_INCREMENT PRIMARY KEY, a INT, s VARCHAR(50), d DATETIME, n DECIMAL(8,2)) DEFAULT CHARSET utf8mb4')

feature('insert, last_id, affected_rows') do
  c.query("INSERT INTO drv_rb (a,s,d,n) VALUES (1,'ü😀','2024-01-02 03:04:05',1.5),(2,NULL,NULL,NULL)")
  same(1, c.last_id)
  same(2, c.affected_rows)
end
feature('types') { same([1, 'ü😀', 2024, 1.5], c.query('SELECT a,s,d,n FROM drv_rb WHERE id=1', as: :array).map { |r| [r[0], r[1], r[2].year, r[3].to_f] }.first) }
feature('prepared statements') do
  s = c.prepare('SELECT id, s FROM drv_rb WHERE a > ? ORDER BY id')
  same(2, s.execute(0).count)
  same([{ 'id' => 2, 's' => nil }], s.execute(1).to_a)
  i = c.prepare('INSERT INTO drv_rb (a,s) VALUES (?,?)')
  i.execute(3, "it's")
  same(3, i.last_id)
  same(1, i.affected_rows)
  s.close
end
feature('streaming') do
  n = 0
  c.query('WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i+1 FROM n WHERE i<500) SELECT i FROM n', stream: true, cache_rows: false).each { n += 1 }
  same(500, n)
end
feature('transactions') do
  c.query('BEGIN')
  c.query('DELETE FROM drv_rb')
  c.query('ROLLBACK')
  same(3, c.query('SELECT COUNT(*) n FROM drv_rb').first['n'])
end
feature('errors') do
  same(1062, code_of { c.query('INSERT INTO drv_rb (id) VALUES (1)') })
  same(1146, code_of { c.prepare('SELECT * FROM no_such') })
  same(1045, code_of { connect(password: 'wrong') })
end
feature('several results') do
  m = connect(flags: Mysql2::Client::MULTI_STATEMENTS)
  got = [m.query('SELECT 1 n; SELECT 2 n').first['n']]
  got << m.store_result.first['n'] while m.next_result
  same([1, 2], got)
end
feature('stacked statements are refused without the flag') { same(1064, code_of { c.query('SELECT 1; SELECT 2') }) }
feature('asynchronous query') do
  c.query('SELECT 5 n', async: true)
  same(5, c.async_result.first['n'])
end
feature('LOAD DATA LOCAL') do
  l = connect(local_infile: true)
  Tempfile.create('drv') do |f|
    f.write("100\t5\n")
    f.flush
    l.query("LOAD DATA LOCAL INFILE '#{f.path}' INTO TABLE drv_rb (id, a)")
  end
  same(5, l.query('SELECT a FROM drv_rb WHERE id=100').first['a'])
end
feature('session state') do
  c.query('SET @v = 5')
  c.query('CREATE TEMPORARY TABLE drv_rbt AS SELECT @v v')
  same(5, c.query('SELECT v FROM drv_rbt').first['v'])
  c.query('DROP TEMPORARY TABLE drv_rbt')
end
feature('ping, thread_id, server_info, warning_count') do
  same(true, c.ping)
  same(c.thread_id, c.query('SELECT CONNECTION_ID() i').first['i'])
  same(c.server_info[:version], c.query('SELECT VERSION() v').first['v'])
  c.query("SELECT CAST('x' AS SIGNED)")
  same(1, c.warning_count)
end
feature('found rows and affected rows') do
  { Mysql2::Client::FOUND_ROWS => 1, 0 => 0 }.each do |flags, wanted|
    f = connect(flags: flags)
    f.query('UPDATE drv_rb SET a=1 WHERE id=1')
    same(wanted, f.affected_rows)
  end
end
c.query('DROP TABLE drv_rb')
