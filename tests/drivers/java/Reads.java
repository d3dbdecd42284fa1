// MariaDB Connector/J logs in and reads, as an application does that writes nothing.
import java.sql.*;

public class Reads {
    public static void main(String[] arguments) throws SQLException {
        String url = "jdbc:mariadb://" + System.getenv("HOST") + ":" + System.getenv("PORT") + "/" + System.getenv("DB") + "?allowPublicKeyRetrieval=true&connectTimeout=300000";
        for (String more : new String[] {"", "&useServerPrepStmts=true", "&defaultFetchSize=1&useServerPrepStmts=true"}) {
            try (Connection c = DriverManager.getConnection(url + more, System.getenv("USER"), System.getenv("PASSWORD"))) {
                c.isValid(5);
                c.getTransactionIsolation();
                c.getMetaData().getColumns(System.getenv("DB"), null, "t", "%").next();
                try (PreparedStatement p = c.prepareStatement("SELECT b FROM t WHERE a = ?")) {
                    p.setInt(1, 1);
                    try (ResultSet r = p.executeQuery()) {
                        r.next();
                        System.out.println(r.getString(1));
                    }
                }
            }
        }
    }
}
