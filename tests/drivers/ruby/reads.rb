# mysql2 for Ruby logs in and reads, as an application does that writes nothing.
require 'mysql2'

client = Mysql2::Client.new(host: ENV['HOST'], port: ENV['PORT'].to_i, username: ENV['USER'], password: ENV['PASSWORD'], database: ENV['DB'], encoding: 'utf8mb4')
# As ActiveRecord does at its login.
client.query('SELECT @@SESSION.sql_mode, VERSION()').to_a
puts client.query('SELECT b FROM t WHERE a = 1').first['b']
puts client.prepare('SELECT b FROM t WHERE a = ?').execute(1).first['b']
