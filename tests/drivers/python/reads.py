"""PyMySQL and mysqlclient log in and read, as an application does that writes nothing. The first argument names the
module. Both begin with autocommit off."""
import importlib, os, sys

db = importlib.import_module(sys.argv[1])
login = dict(host=os.environ["HOST"], port=int(os.environ["PORT"]), user=os.environ["USER"], password=os.environ["PASSWORD"])
for autocommit in (True, False):
    connection = db.connect(**login, database=os.environ["DB"], charset="utf8mb4", autocommit=autocommit)
    cursor = connection.cursor()
    cursor.execute("SELECT b FROM t WHERE a = %s", (1,))
    print(cursor.fetchone()[0])
    connection.commit()
    connection.close()
