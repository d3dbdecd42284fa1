"""PyMySQL and mysqlclient (MySQLdb): the DB API, and what each adds. The first argument names the module."""
import datetime, decimal, importlib, os, sys, tempfile

name = sys.argv[1]
db = importlib.import_module(name)
cursors = importlib.import_module(name + ".cursors")
LOGIN = dict(host=os.environ["HOST"], port=int(os.environ["PORT"]), user=os.environ["USER"], password=os.environ["PASSWORD"], database=os.environ["DB"], charset="utf8mb4")
if "TLS_CA" in os.environ:
    LOGIN["ssl"] = dict(ca=os.environ["TLS_CA"])
# In front of a read of what another connection wrote: only within one connection reads see every write at once.
FRESH = "/* pointsman: role=writer */ "


def connect(**more):
    return db.connect(**{**LOGIN, **more})


def feature(name):
    def run(f):
        try:
            f()
            print("ok", name)
        except Exception as e:
            print("FAIL", name, type(e).__name__, str(e).replace("\n", " "))
    return run


def same(wanted, got):
    assert wanted == got, f"wanted {wanted!r}, got {got!r}"


def code_of(f):
    try:
        f()
    except db.Error as e:
        return e.args[0]
    return 0


def one(c, sql, args=None):
    with c.cursor() as k:
        k.execute(sql, args)
        return k.fetchone()


c = connect()
for sql in ("DROP TABLE IF EXISTS drv_py", "CREATE TABLE drv_py (id INT AUTO_INCREMENT PRIMARY KEY, a INT, s VARCHAR(50), d DATETIME(6), n DECIMAL(10,2), b BLOB) DEFAULT CHARSET utf8mb4"):
    one(c, sql)
c.commit()


@feature("insert, lastrowid, rowcount, commit")
def _():
    k = c.cursor()
    same(1, k.execute("INSERT INTO drv_py (a,s,d,n,b) VALUES (%s,%s,%s,%s,%s)", (1, "ünï😀", datetime.datetime(2024, 1, 2, 3, 4, 5, 6), decimal.Decimal("1.50"), b"\x00'\\")))
    same(1, k.lastrowid)
    same(2, k.executemany("INSERT INTO drv_py (a,s) VALUES (%s,%s)", [(2, "two"), (3, None)]))
    c.commit()


@feature("types come back")
def _():
    same((1, "ünï😀", datetime.datetime(2024, 1, 2, 3, 4, 5, 6), decimal.Decimal("1.50"), b"\x00'\\"), one(c, "SELECT a,s,d,n,b FROM drv_py WHERE id=1"))


@feature("rollback and read-your-writes in a transaction")
def _():
    one(c, "INSERT INTO drv_py (a) VALUES (9)")
    same((4,), one(c, "SELECT COUNT(*) FROM drv_py"))
    c.rollback()
    same((3,), one(c, "SELECT COUNT(*) FROM drv_py"))
    c.commit()


@feature("autocommit")
def _():
    a = connect(autocommit=True)
    one(a, "UPDATE drv_py SET a=20 WHERE id=2")
    same((20,), one(a, "SELECT a FROM drv_py WHERE id=2"))
    a.autocommit(False)
    one(a, "DELETE FROM drv_py")
    a.close()
    same((3,), one(connect(), FRESH + "SELECT COUNT(*) FROM drv_py"))


@feature("dictionary cursor")
def _():
    k = c.cursor(cursors.DictCursor)
    k.execute("SELECT id, a FROM drv_py ORDER BY id")
    same({"id": 1, "a": 1}, k.fetchone())
    same(2, len(k.fetchall()))
    same("id", k.description[0][0])


@feature("unbuffered cursor")
def _():
    k = c.cursor(cursors.SSCursor)
    k.execute("WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i+1 FROM n WHERE i<900) SELECT i, REPEAT('x',500) FROM n")
    same(900, sum(1 for _ in k))
    k.close()


@feature("several results")
def _():
    one(c, "DROP PROCEDURE IF EXISTS drv_pyp")
    one(c, "CREATE PROCEDURE drv_pyp(n INT) BEGIN SELECT n; SELECT n+1; END")
    k = c.cursor()
    k.callproc("drv_pyp", (4,))
    same(((4,),), tuple(k.fetchall()))
    same(True, bool(k.nextset()))
    same(((5,),), tuple(k.fetchall()))
    while k.nextset():
        pass
    k.close()
    one(c, "DROP PROCEDURE drv_pyp")


@feature("errors")
def _():
    same(1062, code_of(lambda: one(c, "INSERT INTO drv_py (id) VALUES (1)")))
    same(1146, code_of(lambda: one(c, "SELECT * FROM no_such")))
    same(1064, code_of(lambda: one(c, "SELEC")))
    c.rollback()
    same(1045, code_of(lambda: connect(password="wrong")))


@feature("warnings")
def _():
    k = c.cursor()
    k.execute("SELECT CAST('x' AS SIGNED)")
    same(1292, c.show_warnings()[0][1])


@feature("found rows or affected rows")
def _():
    flag = importlib.import_module(name + ".constants").CLIENT.FOUND_ROWS
    f = connect(client_flag=flag)
    k = f.cursor()
    same(1, k.execute("UPDATE drv_py SET a=1 WHERE id=1"))
    f.rollback()


@feature("LOAD DATA LOCAL")
def _():
    l = connect(local_infile=1, autocommit=True)
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as f:
        f.write("100\tx\n101\ty\n")
        f.flush()
        k = l.cursor()
        same(2, k.execute(f"LOAD DATA LOCAL INFILE '{f.name}' INTO TABLE drv_py (id, s)"))


@feature("ping, select_db, thread_id, server version")
def _():
    c.ping()
    c.select_db(LOGIN["database"])
    same((c.thread_id(),), one(c, "SELECT CONNECTION_ID()"))
    # MariaDB's greeting puts 5.5.5- in front of its version, which PyMySQL leaves there.
    same((c.get_server_info().removeprefix("5.5.5-"),), one(c, "SELECT VERSION()"))


@feature("session state")
def _():
    one(c, "SET @v = 5")
    one(c, "CREATE TEMPORARY TABLE drv_pyt AS SELECT @v AS v")
    same((5,), one(c, "SELECT v FROM drv_pyt"))
    same((1,), one(c, "SELECT GET_LOCK('drv_py', 1)"))
    same((1,), one(c, "SELECT RELEASE_LOCK('drv_py')"))
    one(c, "DROP TEMPORARY TABLE drv_pyt")


@feature("kill")
def _():
    victim = connect()
    one(c, f"KILL {victim.thread_id()}")
    assert code_of(lambda: one(victim, "SELECT 1")) in (2006, 2013, 1927, 4031)


@feature("large statement and row")
def _():
    big = "x" * (3 << 20)
    same((big,), one(c, "SELECT %s", (big,)))


c.commit()
one(c, "DROP TABLE drv_py")
