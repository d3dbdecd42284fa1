// MariaDB Connector/J: JDBC with client-side and server-side prepares, batches, generated keys, streaming.
import java.io.ByteArrayInputStream;
import java.sql.*;
import java.util.Objects;

public class Features {
    static final String URL = "jdbc:mariadb://" + System.getenv("HOST") + ":" + System.getenv("PORT") + "/" + System.getenv("DB") + "?allowLocalInfile=true&allowPublicKeyRetrieval=true&connectTimeout=300000" + (System.getenv("TLS_CA") == null ? "" : "&useSSL=true&serverSslCert=" + System.getenv("TLS_CA"));

    interface Run { void run() throws Exception; }

    static Connection connect(String more) throws SQLException { return DriverManager.getConnection(URL + more, System.getenv("USER"), System.getenv("PASSWORD")); }

    static void feature(String name, Run run) {
        try { run.run(); System.out.println("ok " + name); } catch (Throwable e) { System.out.println("FAIL " + name + " " + String.valueOf(e.getMessage()).replace('\n', ' ')); }
    }

    static void same(Object wanted, Object got) { if (!Objects.equals(String.valueOf(wanted), String.valueOf(got))) throw new IllegalStateException("wanted " + wanted + ", got " + got); }

    static int codeOf(Run run) throws Exception { try { run.run(); return 0; } catch (SQLException e) { return e.getErrorCode(); } }

    static String one(Connection c, String sql) throws SQLException { try (Statement s = c.createStatement(); ResultSet r = s.executeQuery(sql)) { r.next(); return r.getString(1); } }

    static void exec(Connection c, String sql) throws SQLException { try (Statement s = c.createStatement()) { s.execute(sql); } }

    static void both(String how, Connection c) throws Exception {
        exec(c, "DROP TABLE IF EXISTS drv_java");
        exec(c, "CREATE TABLE drv_java (id INT AUTO_INCREMENT PRIMARY KEY, a INT, s VARCHAR(50), b BLOB, d DATETIME(6)) DEFAULT CHARSET utf8mb4");
        feature(how + ": generated keys and counts", () -> {
            try (PreparedStatement p = c.prepareStatement("INSERT INTO drv_java (a,s,b,d) VALUES (?,?,?,?)", Statement.RETURN_GENERATED_KEYS)) {
                p.setInt(1, 1); p.setString(2, "ü😀'\\"); p.setBinaryStream(3, new ByteArrayInputStream(new byte[50000])); p.setTimestamp(4, Timestamp.valueOf("2024-01-02 03:04:05.000006"));
                same(1, p.executeUpdate());
                try (ResultSet k = p.getGeneratedKeys()) { k.next(); same(1, k.getInt(1)); }
            }
        });
        feature(how + ": types", () -> {
            try (PreparedStatement p = c.prepareStatement("SELECT a, s, LENGTH(b), d, NULL FROM drv_java WHERE id=?")) {
                p.setInt(1, 1);
                try (ResultSet r = p.executeQuery()) { r.next(); same("ü😀'\\", r.getString(2)); same(50000, r.getInt(3)); same("2024-01-02 03:04:05.000006", r.getTimestamp(4)); same(null, r.getObject(5)); same("drv_java", r.getMetaData().getTableName(1)); }
            }
        });
        feature(how + ": batch", () -> {
            try (PreparedStatement p = c.prepareStatement("INSERT INTO drv_java (a,s) VALUES (?,?)")) {
                for (int i = 0; i < 200; i++) { p.setInt(1, i); p.setString(2, "row " + i); p.addBatch(); }
                same(200, p.executeBatch().length);
            }
            same("201", one(c, "SELECT COUNT(*) FROM drv_java"));
        });
        feature(how + ": transaction and savepoint", () -> {
            c.setAutoCommit(false); Savepoint s = c.setSavepoint("sp"); exec(c, "DELETE FROM drv_java"); same("0", one(c, "SELECT COUNT(*) FROM drv_java")); c.rollback(s); c.commit(); c.setAutoCommit(true); same("201", one(c, "SELECT COUNT(*) FROM drv_java"));
        });
        feature(how + ": streaming", () -> {
            try (Statement s = c.createStatement()) { s.setFetchSize(10); try (ResultSet r = s.executeQuery("SELECT id FROM drv_java")) { int n = 0; while (r.next()) n++; same(201, n); } }
        });
        feature(how + ": errors", () -> { same(1062, codeOf(() -> exec(c, "INSERT INTO drv_java (id) VALUES (1)"))); same(1146, codeOf(() -> c.prepareStatement("SELECT * FROM no_such WHERE a=1").executeQuery())); });
    }

    public static void main(String[] args) throws Exception {
        Connection c = connect("");
        both("client prepare", c);
        both("server prepare", connect("&useServerPrepStmts=true"));
        both("batch rewritten", connect("&rewriteBatchedStatements=true"));
        feature("procedure with OUT parameter and results", () -> {
            exec(c, "DROP PROCEDURE IF EXISTS drv_jp"); exec(c, "CREATE PROCEDURE drv_jp(IN i INT, OUT o INT) BEGIN SELECT i; SELECT i+1; SET o=i*2; END");
            try (CallableStatement s = c.prepareCall("{call drv_jp(?,?)}")) { s.setInt(1, 4); s.registerOutParameter(2, Types.INTEGER); same(true, s.execute()); same(true, s.getMoreResults()); same(8, s.getInt(2)); }
            exec(c, "DROP PROCEDURE drv_jp");
        });
        feature("several results", () -> { try (Connection m = connect("&allowMultiQueries=true"); Statement s = m.createStatement()) { s.execute("SELECT 1; SELECT 2"); s.getMoreResults(); try (ResultSet r = s.getResultSet()) { r.next(); same(2, r.getInt(1)); } } });
        feature("read-only, isolation, catalog", () -> {
            c.setReadOnly(true); same("1", one(c, "SELECT 1")); c.setReadOnly(false); c.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED); same(Connection.TRANSACTION_READ_COMMITTED, c.getTransactionIsolation());
            c.setCatalog(System.getenv("DB")); same(System.getenv("DB"), c.getCatalog()); same(true, c.isValid(2));
        });
        feature("metadata", () -> { try (ResultSet r = c.getMetaData().getColumns(System.getenv("DB"), null, "drv_java", "%")) { int n = 0; while (r.next()) n++; same(5, n); } });
        feature("warnings", () -> { try (Statement s = c.createStatement()) { s.executeQuery("SELECT CAST('x' AS SIGNED)"); same(1292, s.getWarnings().getErrorCode()); } });
        feature("query timeout", () -> { try (Statement s = c.createStatement()) { s.setQueryTimeout(1); same(true, codeOf(() -> s.executeQuery("SELECT SLEEP(4), BENCHMARK(1,1) FROM drv_java")) != 0); } same("1", one(c, "SELECT 1")); });
        feature("session state", () -> { exec(c, "SET @v=5"); exec(c, "CREATE TEMPORARY TABLE drv_jt AS SELECT @v v"); same("5", one(c, "SELECT v FROM drv_jt")); exec(c, "DROP TEMPORARY TABLE drv_jt"); });
        feature("compression", () -> { try (Connection z = connect("&useCompression=true")) { same(100000, one(z, "SELECT REPEAT('x',100000)").length()); } });
        feature("wrong password", () -> same(1045, codeOf(() -> DriverManager.getConnection(URL, System.getenv("USER"), "wrong"))));
        exec(c, "DROP TABLE drv_java");
    }
}
