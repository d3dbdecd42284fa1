#!/usr/bin/env python3
"""MariaDB's own tests, recorded directly and through Pointsman: the client's output must be identical to the byte.

Starts a MariaDB server and the proxy, runs each test of tests/conformance/usable.txt with mariadb-test once directly
and once through the proxy (and once more directly where they differ, to tell an unstable test from a real difference),
and reports how many were the same. Outputs of those that differ are kept in --out. Needs Debian's mariadb-test and
mariadb-server packages. Exit code 1 if fewer than --at-least were the same.
"""
import argparse
import contextlib
import http.client
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
USABLE = REPOSITORY / "tests/conformance/usable.txt"
SUITE = Path("/usr/share/mysql/mysql-test")
SHARE = "/usr/share/mysql"
# Longer than any usable test takes; one that hangs through the proxy must not stop the run.
TEST_LIMIT = 40
START_LIMIT = 40
KEPT_SCHEMAS = {"information_schema", "mysql", "performance_schema", "sys", "mtr", "pointsman"}
# The suite's default account. It has all rights, as under mysql-test-run.
USER, PASSWORD = "root", "conformance"
PROXY_USER, PROXY_PASSWORD = "pointsman", "conformance"
# Tools that tests may name; those that run them are not in the list of usable tests.
ABSENT = "MYSQL MYSQL_DUMP MYSQLADMIN MYSQL_CHECK MYSQL_BINLOG EXE_MYSQL MYSQL_SHOW MYSQL_SLAP MYSQL_IMPORT MYSQL_CLIENT_TEST MYSQL_UPGRADE MYSQL_PLUGIN PERROR"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(what, is_so, process=None):
    end = time.monotonic() + START_LIMIT
    while time.monotonic() < end:
        if is_so():
            return
        if process is not None and process.poll() is not None:
            sys.exit(f"{what}: the process ended with {process.returncode}")
        time.sleep(0.1)
    sys.exit(f"{what}: not within {START_LIMIT} s")


@contextlib.contextmanager
def running(command, log, **more):
    with open(log, "wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **more)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Server:
    """A MariaDB server as mysql-test-run would start it, in a directory of its own."""

    def __init__(self, work):
        self.work, self.port = work, free_port()
        self.socket = work / "sock"

    def command(self):
        return ["mariadbd", "--no-defaults", "--user=root", f"--datadir={self.work / 'data'}", f"--port={self.port}", f"--socket={self.socket}",
                f"--pid-file={self.work / 'pid'}", "--bind-address=127.0.0.1", "--character-set-server=latin1", "--log-bin=binlog", "--server-id=1",
                "--log-bin-trust-function-creators=1", "--secure-file-priv=", "--local-infile=1", "--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0"]

    def install(self):
        subprocess.run(["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={self.work / 'data'}", "--skip-test-db", "--auth-root-authentication-method=normal"],
                       check=True, stdout=subprocess.DEVNULL)

    def sql(self, statements, password=PASSWORD):
        command = ["mariadb", "--no-defaults", f"--socket={self.socket}", "-uroot", f"-p{password}", "-f", "-BN", "-e", statements]
        return subprocess.run(command, capture_output=True, text=True).stdout.split("\n")

    def is_up(self, password=PASSWORD):
        return self.sql("SELECT 'up'", password)[0] == "up"

    def make_accounts(self):
        """root keeps the rights that the suite expects, and gets a password, which the proxy wants of its users."""
        rights = "".join(f"GRANT ALL ON *.* TO {PROXY_USER}@'{host}' IDENTIFIED BY '{PROXY_PASSWORD}';" for host in ("localhost", "127.0.0.1"))
        self.sql(rights + f"ALTER USER root@localhost IDENTIFIED BY '{PASSWORD}'", password="")

    def reset(self):
        extra = [name for name in self.sql("SHOW DATABASES") if name and name not in KEPT_SCHEMAS]
        drops = "".join(f"DROP DATABASE `{name}`;" for name in extra)
        self.sql(drops + "CREATE DATABASE test; SET GLOBAL sql_mode=DEFAULT; SET GLOBAL event_scheduler=OFF; SET GLOBAL general_log=OFF")


class Proxy:
    """Pointsman in front of that server, without replicas: sessions, not routing, are looked at here."""

    def __init__(self, work, server, always_switch):
        self.port, self.admin, self.http = free_port(), free_port(), free_port()
        self.config = work / "pointsman.toml"
        debug = "[debug]\nalways_switch = true\n" if always_switch else ""
        self.config.write_text(
            f'[listen]\nmysql = "127.0.0.1:{self.port}"\nadmin = "127.0.0.1:{self.admin}"\nhttp = "127.0.0.1:{self.http}"\n'
            f'[backend]\nuser = "{PROXY_USER}"\npassword = "{PROXY_PASSWORD}"\n'
            f'[[user]]\nname = "{USER}"\npassword = "{PASSWORD}"\n'
            f'[[shard]]\nname = "main"\nmasters = ["127.0.0.1:{server.port}"]\nreplicas = []\n{debug}')

    def is_ready(self):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=2)
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False


class Suite:
    """Runs single tests with mariadb-test, as mysql-test-run would."""

    def __init__(self, work, server, flags):
        self.server, self.flags, self.var = server, flags, work / "var"
        for name in ("tmp", "log", "run", "std_data"):
            (self.var / name).mkdir(parents=True)
        self.environment = dict(
            os.environ, MYSQL_TEST_DIR=str(SUITE), MYSQLTEST_VARDIR=str(self.var), MYSQL_TMP_DIR=str(self.var / "tmp"), MYSQLTEST_FILE="x", TZ="GMT-3", LC_ALL="C",
            UMASK="0660", UMASK_DIR="0770", DEFAULT_MASTER_PORT=str(server.port), MYSQL_SHAREDIR=SHARE, CHARSETSDIR=f"{SHARE}/charsets", MYSQLD_DATADIR="/nonexistent",
            USE_RUNNING_SERVER="1", NO_DEFAULT="1", BIG_TEST="", VIEW_PROTOCOL="0", SP_PROTOCOL="0", NON_BLOCKING_API="0",
            PS_PROTOCOL=str(int("--ps-protocol" in flags)), CURSOR_PROTOCOL=str(int("--cursor-protocol" in flags)), **dict.fromkeys(ABSENT.split(), "false"))

    def record(self, test, port, result):
        """Exit code and recorded output of one run, with the port taken out of it."""
        self.server.reset()
        shutil.rmtree(self.var / "tmp")
        (self.var / "tmp").mkdir()
        result.unlink(missing_ok=True)
        command = ["mariadb-test", "--no-defaults", f"--basedir={SUITE}", f"--tmpdir={self.var / 'tmp'}", f"--logdir={self.var / 'log'}", "--host=127.0.0.1", "--protocol=tcp",
                   f"--port={port}", f"--user={USER}", f"--password={PASSWORD}", "--database=test", f"--character-sets-dir={SHARE}/charsets", "--record",
                   f"--result-file={result}", f"--test-file={SUITE / 'main' / test}.test", "--max-connect-retries=5", *self.flags]
        environment = dict(self.environment, MASTER_MYPORT=str(port), MASTER_MYPORT1=str(port))
        try:
            run = subprocess.run(command, cwd=SUITE, env=environment, capture_output=True, timeout=TEST_LIMIT, stdin=subprocess.DEVNULL)
            code, said = run.returncode, run.stderr
        except subprocess.TimeoutExpired:
            code, said = "timeout", b""
        recorded = result.read_bytes() if result.exists() else b""
        mark = str(port).encode()
        result.with_suffix(result.suffix + ".stderr").write_bytes(said)
        return code, recorded.replace(mark, b"PORT")


def judge(suite, test, proxy_port, out):
    """'same', 'differ', or 'unusable' where two direct runs are not alike on this machine either."""
    direct = suite.record(test, suite.server.port, out / f"{test}.direct")
    proxied = suite.record(test, proxy_port, out / f"{test}.proxy")
    verdict = "same"
    if direct[0] == "timeout" or direct[0] == 62 or len(direct[1]) == 0:
        verdict = "unusable"
    elif direct != proxied:
        verdict = "differ" if suite.record(test, suite.server.port, out / f"{test}.again") == direct else "unusable"
    if verdict != "differ":
        for path in out.glob(f"{test}.*"):
            path.unlink()
    return verdict


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tests", nargs="*", help="names of tests; all usable ones if none is given")
    parser.add_argument("--sample", type=int, help="only so many tests, chosen by --seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at-least", type=float, default=98.5, help="per cent of the usable tests that must be the same")
    parser.add_argument("--ps-protocol", action="append_const", const="--ps-protocol", dest="flags", default=[])
    parser.add_argument("--cursor-protocol", action="append_const", const="--cursor-protocol", dest="flags")
    parser.add_argument("--always-switch", action="store_true", help="the session gets another connection after each statement")
    parser.add_argument("--direct", action="store_true", help="compare the server with itself, without the proxy")
    parser.add_argument("--binary", default=os.environ.get("POINTSMAN_BIN", str(REPOSITORY / "target/release/pointsman")))
    parser.add_argument("--out", type=Path, default=REPOSITORY / "target/conformance")
    return parser.parse_args()


def chosen(options):
    tests = options.tests or USABLE.read_text().split()
    if options.sample and options.sample < len(tests):
        tests = sorted(random.Random(options.seed).sample(tests, options.sample))
    return tests


def compare_all(options, suite, port):
    counts = {"same": [], "differ": [], "unusable": []}
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True)
    tests = chosen(options)
    for number, test in enumerate(tests, 1):
        if not suite.server.is_up():
            sys.exit(f"the server is gone, before {test}")
        verdict = judge(suite, test, port, options.out)
        counts[verdict].append(test)
        if verdict != "same":
            print(f"{number}/{len(tests)} {test}: {verdict}", flush=True)
    return counts


def report(options, counts):
    compared = len(counts["same"]) + len(counts["differ"])
    share = 100 * len(counts["same"]) / compared if compared else 0
    print(f"same {len(counts['same'])}, differ {len(counts['differ'])}, unusable here {len(counts['unusable'])}: {share:.1f} % the same")
    if counts["differ"]:
        print(f"differ: {' '.join(counts['differ'])}\nboth outputs of each are in {options.out}")
    return 0 if share >= options.at_least else 1


def main():
    options = arguments()
    if shutil.which("mariadb-test") is None or not SUITE.is_dir():
        print("skipped: the package mariadb-test is not installed")
        return 0
    with tempfile.TemporaryDirectory(prefix="pointsman-conformance-") as directory, contextlib.ExitStack() as stack:
        work = Path(directory)
        server = Server(work)
        server.install()
        process = stack.enter_context(running(server.command(), work / "server.log"))
        wait_until("the server is up", lambda: server.is_up(password=""), process)
        server.make_accounts()
        suite = Suite(work, server, options.flags)
        port = server.port
        if not options.direct:
            proxy = Proxy(work, server, options.always_switch)
            server.reset()
            subprocess.run([options.binary, "init", "--config", str(proxy.config)], check=True)
            process = stack.enter_context(running([options.binary, "serve", "--config", str(proxy.config)], work / "proxy.log", cwd=work))
            wait_until("pointsman is ready", proxy.is_ready, process)
            port = proxy.port
        return report(options, compare_all(options, suite, port))


if __name__ == "__main__":
    sys.exit(main())
