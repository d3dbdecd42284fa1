#!/usr/bin/env python3
"""MariaDB's own tests, directly and through Pointsman: what the client is told must be identical to the byte.

Starts a MariaDB server and the proxy, and runs each file of tests/conformance/usable.txt with mariadb-test, directly and
through the proxy. Where the two differ it runs directly once more: a file whose direct runs differ says nothing about a
proxy, and is tried again at the end, with more time, as is one that differed or ran out of time. Both outputs of what
differs stay in --out, those of the first and of the second try.

Exit code 1 if fewer than --at-least per cent were the same, or if a file differs that docs/compatibility.md doesn't list.
Needs Debian's packages mariadb-server and mariadb-test.
"""
import argparse
import concurrent.futures
import contextlib
import http.client
import os
import queue
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
LISTS = REPOSITORY / "tests/conformance"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
KNOWN = REPOSITORY / "docs/compatibility.md"
KNOWN_HEADING = "## MariaDB's own test files"
# Where Debian 12 has them, and where 13 has.
SHARE = next((share for share in ("/usr/share/mysql", "/usr/share/mariadb") if os.path.isdir(f"{share}/charsets")), "/usr/share/mysql")
SUITE = next((suite for suite in (Path(SHARE, "mysql-test"), Path(SHARE, "mariadb-test")) if suite.is_dir()), Path(SHARE, "mysql-test"))
# Servers refuse to run as root unless they are told to.
AS_ROOT = ["--user=root"] if os.geteuid() == 0 else []
# A machine that runs other tests as well takes its time.
START_LIMIT = 180
# Outgoing connections take their ports from 32768 on, and other tests listen between 15000 and 32000: a port of theirs
# could be lost before a server binds it.
PORTS = range(10000, 13000)
CLAIMS = []
# For one run of a file at the first try, and at the second, when a busy machine is no excuse any more.
FILE_LIMITS = (90, 300)
PROGRESS_EVERY = 25
# Of what mariadb-test said about a file that it did not run: its end, where the reason is.
MESSAGE_LENGTH = 300
KEPT_SCHEMAS = {"information_schema", "mysql", "performance_schema", "sys", "mtr"}
# mariadb-test ends so when the file itself says that it can't run here.
SKIPPED = 62
# The proxy's own account. The suite's is root, without a password and with all rights, as under mysql-test-run.
PROXY_USER, PROXY_PASSWORD = "pointsman", "conformance"
# Tools that files may name; those that run them are not in the list of usable ones.
ABSENT = "MYSQL MYSQL_DUMP MYSQLADMIN MYSQL_CHECK MYSQL_BINLOG EXE_MYSQL MYSQL_SHOW MYSQL_SLAP MYSQL_IMPORT MYSQL_CLIENT_TEST MYSQL_UPGRADE MYSQL_PLUGIN PERROR"
# How mariadb-test talks, and whether the session gets another connection after each statement that doesn't pin it.
MODES = {"text": [], "ps": ["--ps-protocol"], "cursor": ["--cursor-protocol"], "switch": []}
# Restored after each file, because a file that stops half-way leaves its own behind.
GLOBALS = ("SELECT variable_name, IF(variable_type LIKE 'VARCHAR%' OR variable_type IN ('ENUM', 'SET', 'FLAGSET', 'BOOLEAN'), QUOTE(global_value), global_value)"
           " FROM information_schema.system_variables WHERE read_only = 'NO' AND global_value IS NOT NULL AND variable_name NOT REGEXP 'TIMESTAMP|GTID|PLUGIN'")


def is_free(port):
    with socket.socket() as s:
        # Servers set it, too: connections of the past are in nobody's way.
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def claimed_port():
    """A port for this process alone among those that run this script, until it ends."""
    for port in random.sample(PORTS, len(PORTS)):
        claim = socket.socket(socket.AF_UNIX)
        try:
            # A name of Linux's that no file stands for: it is gone with its process.
            claim.bind(f"\0pointsman-conformance-{port}")
        except OSError:
            claim.close()
            continue
        if is_free(port):
            CLAIMS.append(claim)
            return port
        claim.close()
    sys.exit("no free port")


def wait_until(what, is_so, process):
    end = time.monotonic() + START_LIMIT
    while time.monotonic() < end:
        if is_so():
            return
        if process.poll() is not None:
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
        self.work, self.port = work, claimed_port()
        self.socket = work / "sock"
        self.client = ["mariadb", "--no-defaults", f"--socket={self.socket}", "-uroot"]
        self.globals = {}

    def command(self):
        return ["mariadbd", "--no-defaults", *AS_ROOT, f"--datadir={self.work / 'data'}", f"--port={self.port}", f"--socket={self.socket}",
                # In the system's, another server that starts would remove this one's tables as left behind.
                f"--tmpdir={self.work / 'tmp'}",
                f"--pid-file={self.work / 'pid'}", "--bind-address=127.0.0.1", "--character-set-server=latin1", "--log-bin=binlog", "--server-id=1",
                "--log-bin-trust-function-creators=1", "--secure-file-priv=", "--local-infile=1", "--max-allowed-packet=32M", "--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0",
                # Of the suite's own default_mysqld.cnf, what the files' outcome depends on.
                "--default-storage-engine=myisam", "--sort-buffer-size=256K", "--max-heap-table-size=1M", "--key-buffer-size=1M",
                "--use-stat-tables=preferably", "--histogram-type=json_hb", "--binlog-direct-non-transactional-updates",
                # Else a thread in the background decides when EXPLAIN tells of other numbers of rows.
                "--innodb-stats-auto-recalc=0"]

    def install(self):
        (self.work / "tmp").mkdir()
        subprocess.run(["mariadb-install-db", "--no-defaults", *AS_ROOT, f"--datadir={self.work / 'data'}", f"--tmpdir={self.work / 'tmp'}",
                        "--skip-test-db", "--force", "--auth-root-authentication-method=normal"],
                       check=True, stdout=subprocess.DEVNULL)

    def sql(self, statements):
        """Rows as lists of strings; errors are passed over."""
        said = subprocess.run([*self.client, "-f", "-BNr", "-e", statements], capture_output=True, text=True, errors="replace").stdout
        return [line.split("\t") for line in said.split("\n")]

    def is_up(self):
        return self.sql("SELECT 'up'")[0] == ["up"]

    def prepare(self):
        """The accounts, and the schema with what mysql-test-run offers to the files (mtr.add_suppression)."""
        script = (SUITE / "include/mtr_warnings.sql").read_text(errors="replace").replace("delimiter ||;", "delimiter ||")
        self.sql("CREATE DATABASE mtr")
        subprocess.run(self.client + ["-f"], input=script, text=True, capture_output=True)
        rights = "".join(f"GRANT ALL ON *.* TO {PROXY_USER}@'{host}' IDENTIFIED BY '{PROXY_PASSWORD}';" for host in ("localhost", "127.0.0.1"))
        self.sql(rights + "DELETE FROM mysql.global_priv WHERE user = ''; FLUSH PRIVILEGES")
        self.globals = self.current_globals()

    def current_globals(self):
        return {row[0]: row[1] for row in self.sql(GLOBALS) if len(row) == 2}

    def reset(self):
        """No schema but an empty `test`, and every global as it was."""
        extra = [row[0] for row in self.sql("SHOW DATABASES") if row[0] and row[0] not in KEPT_SCHEMAS]
        drops = "".join(f"DROP DATABASE `{name}`;" for name in extra)
        now = self.current_globals()
        sets = "".join(f"SET GLOBAL {name} = {value};" for name, value in self.globals.items() if now.get(name) != value)
        self.sql(f"{drops}CREATE DATABASE test;{sets}")

    def end_sessions(self):
        """What a killed client left running would hold locks against the next file."""
        self.sql("".join(f"KILL {row[0]};" for row in self.sql("SELECT id FROM information_schema.processlist WHERE user = 'root' AND id <> CONNECTION_ID()") if row[0]))


class Proxy:
    """Pointsman in front of that server, without replicas: sessions, not routing, are looked at here."""

    def __init__(self, work, server, always_switch):
        self.port, self.http = claimed_port(), claimed_port()
        self.config = work / "pointsman.toml"
        debug = "[debug]\nalways_switch = true\n" if always_switch else ""
        # Files count the sessions of a server and wait for those that they closed, so idle connections must not stay;
        # and one with a heartbeat would find the proxy's statements in the binlog.
        self.config.write_text(
            f'[listen]\nmysql = "127.0.0.1:{self.port}"\nadmin = ""\nhttp = "127.0.0.1:{self.http}"\n'
            f'[backend]\nuser = "{PROXY_USER}"\npassword = "{PROXY_PASSWORD}"\n[[user]]\nname = "root"\n'
            f'[[shard]]\nname = "main"\nmasters = ["127.0.0.1:{server.port}"]\n'
            f'[pool]\nmax_idle_s = 1\n[monitor]\nheartbeat = "status"\n[proxy]\nstate_dir = "{work}"\n{debug}')

    def is_ready(self):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=2)
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False


class Suite:
    """Runs single files with mariadb-test, as mysql-test-run would."""

    def __init__(self, work, server, proxy, mode):
        self.server, self.flags, self.var, self.said = server, MODES[mode], work / "var", ""
        self.ports = (server.port, proxy.port)
        for name in ("tmp", "log", "run"):
            (self.var / name).mkdir(parents=True)
        (self.var / "std_data").symlink_to(SUITE / "std_data")
        self.environment = dict(
            os.environ, MYSQL_TEST_DIR=str(SUITE), MYSQLTEST_VARDIR=str(self.var), MYSQL_TMP_DIR=str(self.var / "tmp"), MYSQLTEST_FILE="x", TZ="GMT-3", LC_ALL="C",
            UMASK="0660", UMASK_DIR="0770", DEFAULT_MASTER_PORT=str(server.port), MYSQL_SHAREDIR=SHARE, CHARSETSDIR=f"{SHARE}/charsets", MYSQLD_DATADIR="/nonexistent",
            USE_RUNNING_SERVER="1", NO_DEFAULT="1", BIG_TEST="", VIEW_PROTOCOL="0", SP_PROTOCOL="0", NON_BLOCKING_API="0",
            PS_PROTOCOL=str(int(mode == "ps")), CURSOR_PROTOCOL=str(int(mode == "cursor")), **dict.fromkeys(ABSENT.split(), "false"))

    def run(self, test, port, result, limit):
        """Exit code and recorded output of one run, with the ports taken out of it: both, as a file may print a number
        that happens to be one of them."""
        self.server.reset()
        shutil.rmtree(self.var / "tmp")
        (self.var / "tmp").mkdir()
        result.unlink(missing_ok=True)
        command = ["mariadb-test", "--no-defaults", f"--basedir={SUITE}", f"--tmpdir={self.var / 'tmp'}", f"--logdir={self.var / 'log'}", "--host=127.0.0.1", "--protocol=tcp",
                   f"--port={port}", "--user=root", "--password=", "--database=test", f"--character-sets-dir={SHARE}/charsets", "--record",
                   f"--result-file={result}", f"--test-file={SUITE / 'main' / test}.test", "--max-connect-retries=5", *self.flags]
        environment = dict(self.environment, MASTER_MYPORT=str(port), MASTER_MYPORT1=str(port))
        try:
            run = subprocess.run(command, cwd=SUITE, env=environment, capture_output=True, timeout=limit, stdin=subprocess.DEVNULL)
            code, said = run.returncode, run.stderr
        except subprocess.TimeoutExpired as timeout:
            code, said = "timeout", timeout.stderr or b""
            self.server.end_sessions()
        recorded = result.read_bytes() if result.exists() else b""
        for own in self.ports:
            recorded = re.sub(rb"(?<![\w.])%d(?!\w)" % own, b"PORT", recorded)
        result.write_bytes(recorded)
        result.with_suffix(result.suffix + ".stderr").write_bytes(said)
        self.said = " ".join(said.decode(errors="replace").split())[-MESSAGE_LENGTH:]
        return code, recorded


class Lane:
    """A server, the proxy in front of it, and what runs files on both; lanes work side by side."""

    def __init__(self, stack, options, number):
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pointsman-conformance-")))
        self.server = Server(work)
        self.server.install()
        process = stack.enter_context(running(self.server.command(), work / "server.log"))
        wait_until("the server is up", self.server.is_up, process)
        self.server.prepare()
        self.proxy = Proxy(work, self.server, options.mode == "switch")
        command = [options.binary, "serve", "--config", str(self.proxy.config)]
        process = stack.enter_context(running(command, options.out / f"proxy{number}.log", cwd=work))
        wait_until("pointsman is ready", self.proxy.is_ready, process)
        self.suite = Suite(work, self.server, self.proxy, options.mode)

    def judge(self, test, out, limit):
        """'same', 'differ', or why no comparison was possible."""
        if not self.server.is_up():
            return "unusable: the server is gone"
        direct = self.suite.run(test, self.server.port, out / f"{test}.direct", limit)
        if direct[0] == "timeout":
            return f"unusable: not done within {limit} s directly"
        if direct[0] == SKIPPED or not direct[1]:
            return f"unusable: skipped by itself, or without output: {self.suite.said}"
        proxied = self.suite.run(test, self.proxy.port, out / f"{test}.proxy", limit)
        if direct == proxied:
            return "same"
        again = self.suite.run(test, self.server.port, out / f"{test}.again", limit)
        if again == proxied:
            return "same"
        return "differ" if again == direct else "unusable: two direct runs differ"


class Results:
    """The verdict of each file, and what is printed of them."""

    def __init__(self, options, tests):
        self.options, self.tests, self.verdicts, self.seconds, self.unsteady = options, tests, {}, {}, []

    def compare(self, lanes):
        self.one_pass(lanes, self.tests, self.options.out / "first", FILE_LIMITS[0])
        again = [test for test in self.tests if self.verdicts[test] != "same"]
        if again:
            print(f"again, one at a time and with more time: {len(again)}", flush=True)
        self.one_pass(lanes[:1], again, self.options.out / "second", FILE_LIMITS[1])
        self.unsteady = [test for test in again if self.verdicts[test] == "same"]

    def one_pass(self, lanes, tests, out, limit):
        out.mkdir()
        free = queue.SimpleQueue()
        for lane in lanes:
            free.put(lane)

        def one(test):
            lane, start = free.get(), time.monotonic()
            try:
                return lane.judge(test, out, limit), time.monotonic() - start
            finally:
                free.put(lane)

        with concurrent.futures.ThreadPoolExecutor(len(lanes)) as pool:
            for number, (test, (verdict, seconds)) in enumerate(zip(tests, pool.map(one, tests)), 1):
                self.verdicts[test], self.seconds[test] = verdict, seconds
                if verdict != "same":
                    print(f"{number}/{len(tests)} {test}: {verdict}", flush=True)
                else:
                    for path in out.glob(f"{test}.*"):
                        path.unlink()
                if number % PROGRESS_EVERY == 0:
                    print(f"{number}/{len(tests)} done", flush=True)

    def having(self, verdict):
        return [test for test in self.tests if self.verdicts.get(test, "").startswith(verdict)]

    def report(self, known):
        """Prints the table; the exit code. What became of each file, and in how many seconds, is kept in a file."""
        lines = (f"{test}\t{self.seconds[test]:.1f}\t{self.verdicts[test]}\n" for test in self.tests)
        (self.options.out / "results.txt").write_text("".join(lines))
        same, differ, unusable = (self.having(verdict) for verdict in ("same", "differ", "unusable"))
        share = 100 * len(same) / max(1, len(same) + len(differ))
        print(f"\nmode {self.options.mode}: same {len(same)}, differ {len(differ)}, unusable here {len(unusable)}: {share:.1f} % the same")
        for test in differ:
            print(f"  {test}: {known.get(test, 'differs, and docs/compatibility.md does not say why')}")
        for test in unusable:
            print(f"  {test}: {self.verdicts[test]}")
        for test in self.unsteady:
            print(f"  {test}: the same only at the second try")
        if differ or self.unsteady:
            print(f"the outputs of those that differ are in {self.options.out}")
        return 0 if share >= self.options.at_least and all(test in known for test in differ) else 1


def listed(path):
    """The names in a list; `#` begins a remark."""
    return [line for line in path.read_text().splitlines() if line and not line.startswith("#")]


def known_differences(mode):
    """The table of the manual that says which files differ, in which modes, and why."""
    section = KNOWN.read_text().split(KNOWN_HEADING)[1]
    known = {}
    for tests, modes, why in re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", section, re.MULTILINE):
        if modes == "all" or mode in re.split(r"\W+", modes):
            known.update((test, why) for test in tests.split(", "))
    return known


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tests", nargs="*", help="names of test files; all usable ones if none is given")
    parser.add_argument("--list", type=Path, default=LISTS / "usable.txt", help="file that names them")
    parser.add_argument("--mode", choices=MODES, default="text")
    parser.add_argument("--jobs", type=int, default=2, help="files at one time, each on a server and a proxy of its own")
    parser.add_argument("--at-least", type=float, default=98.5, help="per cent of the files that must be the same")
    parser.add_argument("--binary", default=os.environ.get("POINTSMAN_BIN", str(TARGET / "debug/pointsman")))
    parser.add_argument("--out", type=Path, help="where differing outputs stay (emptied first); conformance/MODE of cargo's target directory if not given")
    options = parser.parse_args()
    # mariadb-test and the proxy run in directories of their own.
    options.out = (options.out or TARGET / "conformance" / options.mode).resolve()
    options.binary = os.path.abspath(options.binary)
    return options


def main():
    options = arguments()
    # Where servers are; a user's PATH may lack it.
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    # Ends like an error does, so that nothing of it stays behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    if shutil.which("mariadb-test") is None or not SUITE.is_dir():
        print("skipped: the package mariadb-test is not installed")
        return 0
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        lanes = [Lane(stack, options, number) for number in range(options.jobs)]
        results = Results(options, options.tests or listed(options.list))
        results.compare(lanes)
        return results.report(known_differences(options.mode))


if __name__ == "__main__":
    sys.exit(main())
