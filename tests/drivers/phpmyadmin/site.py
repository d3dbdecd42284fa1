"""phpMyAdmin from Debian's package: a user logs in and works through its main pages, by PHP's built-in server. No page may
hold a database error or a complaint of PHP's; pages that only read must be equal directly (DIRECT_PORT) and at PORT."""
import html
import http.cookiejar
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

SOURCE = Path("/usr/share/phpmyadmin")
START_LIMIT = 20
DB, TABLE = os.environ["DB"], "pma_%d" % os.getpid()
# What phpMyAdmin shows when a query failed or PHP complained.
COMPLAINTS = re.compile(r"MySQL said|#[12]\d{3} - |(?:Warning|Notice|Fatal error|Uncaught)[^<]{0,40} in |mysqli_\w+\(\)|Internal error|Error in processing request")
# What differs between two logins and two moments.
OWN = [
    (re.compile(r'(token(?:=|&quot;:&quot;|":"|" value="|&#x3D;))[^"&;]*'), "TOKEN"),
    (re.compile(r"took [0-9.]+ seconds"), "took SECONDS"),
    (re.compile(r'server(?:=|&#x3D;|%(?:25)*3D|"?:"?|" value=")\d'), "server=N"),
    (re.compile(r"[0-9a-f]{32,}"), "HEX"),
    (re.compile(r"\d{6,}"), "RANDOM"),
    (re.compile(r"(?:127\.0\.0\.1|localhost):\d+"), "HOST"),
    (re.compile(r"<script.*?</script>", re.S), "SCRIPT"),
]


def lay_out(work):
    site = work / "site"
    shutil.copytree(SOURCE, site, ignore=shutil.ignore_patterns("doc", "locale"), ignore_dangling_symlinks=True)
    (site / "locale").mkdir()
    (work / "tmp").mkdir()
    vendor = site / "libraries/vendor_config.php"
    text = vendor.read_text().replace("/etc/phpmyadmin/config.inc.php", str(work / "config.inc.php"))
    vendor.write_text(text.replace("/var/lib/phpmyadmin/tmp/", str(work / "tmp") + "/"))
    servers = "".join(f"$cfg['Servers'][{n}] = ['auth_type' => 'cookie', 'host' => '{os.environ['HOST']}', 'port' => '{os.environ[port]}', 'compress' => false];\n"
                      for n, port in ((1, "DIRECT_PORT"), (2, "PORT")))
    (work / "config.inc.php").write_text("<?php\n$cfg['blowfish_secret'] = '" + "b" * 32 + "';\n" + servers +
                                         "$cfg['ServerDefault'] = 0;\n$cfg['VersionCheck'] = false;\n$cfg['SendErrorReports'] = 'never';\n$cfg['ShowPhpInfo'] = false;\n")
    return site


class Browser:
    """One login at one of the two servers."""

    def __init__(self, base, server):
        self.base, self.server, self.token = base, server, ""
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def fetch(self, route, query, form):
        query = dict(query, route=route, server=self.server)
        data = None if form is None else urllib.parse.urlencode(dict(form, server=self.server, token=self.token), doseq=True).encode()
        try:
            with self.opener.open(f"{self.base}/index.php?" + urllib.parse.urlencode(query), data, timeout=120) as answer:
                page = answer.read().decode()
        except urllib.error.HTTPError as e:
            raise AssertionError(f"{route}: status {e.code}: {e.read().decode()[:300]!r}")
        found = re.search(r'name="token" value="([^"]+)"', page)
        if found:
            self.token = html.unescape(found.group(1))
        return page

    def page(self, route, form=None, **query):
        page = self.fetch(route, query, form)
        complaint = COMPLAINTS.search(re.sub(r"<script.*?</script>", "", page, flags=re.S))
        assert not complaint, f"{route} complains: {page[max(0, complaint.start() - 200):complaint.end() + 300]!r}"
        return page

    def log_in(self, password):
        self.fetch("/", {}, None)
        return self.fetch("/", {}, dict(pma_username=os.environ["USER"], pma_password=password, set_session=""))


def holds(text, page):
    assert text in page, f"no {text!r} in {re.sub(r'<[^>]*>', ' ', page)[:1500]!r}"


def feature(name, run):
    try:
        run()
        print("ok", name, flush=True)
    except Exception as e:
        print("FAIL", name, type(e).__name__, str(e).replace("\n", " "), flush=True)


def sql(browser, text):
    return browser.page("/sql", dict(db=DB, table=TABLE, sql_query=text, pos=0, is_js_confirmed=0, ajax_request=1))


# As the form of /table/change sends it: fields go by the hash of the column's name, and those without a value are NULL.
def row(browser, kind, page, values):
    fields = re.findall(r'name="fields_name\[multi_edit\]\[0\]\[([0-9a-f]+)\]" value="(\w+)"', page)
    assert len(fields) == 4, fields
    form = dict(db=DB, table=TABLE, submit_type=kind, after_insert="back", sql_query="", goto="index.php?route=/sql")
    for tag in re.findall(r'<input type="hidden"[^>]*>', page):
        name, value = (re.search(r'%s="([^"]*)"' % key, tag) for key in ("name", "value"))
        if name and re.match(r"where_clause|clause_is_unique|fields_prev", name.group(1)) and value:
            form[html.unescape(name.group(1))] = html.unescape(value.group(1))
    for hashed, name in fields:
        at = f"[multi_edit][0][{hashed}]"
        form.update({"fields_name" + at: name, "fields" + at: values.get(name, ""), "fields_type" + at: "int" if name in ("id", "n") else "varchar"})
        if name not in values:
            form["fields_null" + at] = "on"
    return browser.page("/table/replace", form)


def form_of_new_row(browser):
    return browser.page("/table/change", db=DB, table=TABLE)


# What the pencil beside a row posts.
def form_of_row(browser, number):
    page = browser.page("/sql", db=DB, table=TABLE, pos=0)
    posts = [dict(urllib.parse.parse_qsl(html.unescape(post))) for post in re.findall(r'data-post="([^"]*default_action=update[^"]*)"', page)]
    wanted = [post for post in posts if post["where_clause"].endswith(f"`id` = {number}")]
    assert wanted, f"row {number} can't be edited: {posts}"
    return browser.page("/table/change", wanted[0])


def works(b):
    feature("create a table", lambda: sql(b, f"CREATE TABLE {TABLE} (id INT AUTO_INCREMENT PRIMARY KEY, n INT, s VARCHAR(50), d DATETIME, KEY(n)) DEFAULT CHARSET utf8mb4"))
    feature("SQL box: several rows", lambda: sql(b, f"INSERT INTO {TABLE} (n, s) VALUES (1, 'über'), (2, 'quokka')"))
    feature("insert a row", lambda: row(b, "insert", form_of_new_row(b), dict(n="3", s="wombat's 😀")))
    feature("the row is seen at once", lambda: holds("wombat", b.page("/sql", db=DB, table=TABLE, pos=0)))
    feature("edit a row", lambda: row(b, "save", form_of_row(b, 1), dict(id="1", n="10", s="edited")))
    feature("the edit is seen at once", lambda: holds("edited", b.page("/sql", db=DB, table=TABLE, pos=0)))
    feature("search", lambda: holds("quokka", sql(b, f"SELECT * FROM {TABLE} WHERE s LIKE '%quok%'")))
    feature("an error is shown", lambda: holds("#1146", b.fetch("/sql", {}, dict(db=DB, sql_query="SELECT * FROM no_such", ajax_request=1))))
    feature("a procedure", lambda: (sql(b, f"CREATE PROCEDURE p_{TABLE}() SELECT 42 AS answer"), holds("42", sql(b, f"CALL p_{TABLE}()")), sql(b, f"DROP PROCEDURE p_{TABLE}")))
    feature("add a column", lambda: sql(b, f"ALTER TABLE {TABLE} ADD c INT"))
    feature("the column is seen at once", lambda: holds('c', b.page("/table/structure", db=DB, table=TABLE)))
    feature("drop the column", lambda: sql(b, f"ALTER TABLE {TABLE} DROP c"))
    feature("export", lambda: holds("wombat", export(b)))


def export(b):
    form = dict(db=DB, table=TABLE, export_type="table", export_method="custom", what="sql", output_format="astext", sql_structure_or_data="structure_and_data", sql_create_table=1, sql_compatibility="NONE", sql_type="INSERT", sql_insert_syntax="both", charset="utf-8", table_select=[TABLE], sql_include_comments=1)
    return b.page("/export", form)


SERVER_PAGES = ["/", "/server/databases", "/server/sql", "/server/status", "/server/status/processes", "/server/status/queries", "/server/status/variables", "/server/status/monitor",
                "/server/status/advisor", "/server/variables", "/server/privileges", "/server/collations", "/server/engines", "/server/plugins", "/server/binlog", "/server/replication",
                "/server/export", "/server/import", "/navigation", "/preferences/manage"]
SCHEMA_PAGES = ["/database/structure", "/database/sql", "/database/search", "/database/operations", "/database/routines", "/database/events", "/database/triggers", "/database/export", "/database/import"]
TABLE_PAGES = ["/table/structure", "/table/sql", "/table/search", "/table/change", "/table/operations", "/table/relation", "/table/indexes", "/table/export", "/table/import", "/table/tracking"]
# Pages whose text depends on nothing but the schema and the server's build.
SAME = [("/table/structure", True), ("/table/search", True), ("/table/change", True), ("/table/indexes", True), ("/sql", True), ("/database/search", False), ("/server/engines", False), ("/server/collations", False), ("/server/plugins", False)]


def without_own(page):
    """The page below its menus, which name the server."""
    page = page.split('id="page_content"', 1)[1]
    for pattern, word in OWN:
        page = pattern.sub(word, page)
    return page


def same(direct, through, route, of_table):
    query = dict(db=DB, table=TABLE, pos=0) if of_table else dict(db=DB) if route.startswith("/database") else {}
    left, right = (without_own(b.page(route, **query)).split("\n") for b in (direct, through))
    differs = [(a, b) for a, b in zip(left, right) if a != b]
    assert not differs and len(left) == len(right), f"{len(left)} and {len(right)} lines, first {differs[:1]}"


def tour(base):
    direct, b = Browser(base, 1), Browser(base, 2)
    feature("wrong password", lambda: holds("Access denied", Browser(base, 2).log_in("wrong")))
    for browser in (direct, b):
        feature(f"log in at server {browser.server}", lambda browser=browser: holds("Log out", browser.log_in(os.environ["PASSWORD"])))
    works(b)
    for route in SERVER_PAGES:
        feature(route, lambda route=route: b.page(route))
    for route in SCHEMA_PAGES:
        feature(route, lambda route=route: b.page(route, db=DB))
    for route in TABLE_PAGES:
        feature(route, lambda route=route: b.page(route, db=DB, table=TABLE))
    for route, of_table in SAME:
        feature("the same directly: " + route, lambda route=route, of_table=of_table: same(direct, b, route, of_table))
    feature("drop the table", lambda: sql(b, f"DROP TABLE {TABLE}"))
    feature("the table is gone", lambda: holds("empty result set", sql(b, f"SHOW TABLES LIKE '{TABLE}'")))


def wait_for(port):
    end = time.monotonic() + START_LIMIT
    while time.monotonic() < end:
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError("PHP's server does not start")


def no_complaint(log):
    lines = [line for line in log.read_text().split("\n") if re.search(r"PHP (Warning|Notice|Fatal|Parse)", line)]
    assert not lines, lines[:5]


def main():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="pointsman-phpmyadmin-") as directory:
        work = Path(directory)
        site = lay_out(work)
        log = work / "php.log"
        with log.open("w") as out:
            php = subprocess.Popen(["php", "-d", "error_reporting=E_ALL & ~E_DEPRECATED & ~E_USER_DEPRECATED", "-d", "session.save_path=" + str(work / "tmp"), "-S", f"127.0.0.1:{port}", "-t", str(site)], stdout=out, stderr=out, start_new_session=True)
        try:
            wait_for(port)
            tour(f"http://127.0.0.1:{port}")
            feature("no complaint of PHP's", lambda: no_complaint(log))
        finally:
            os.killpg(php.pid, 15)
            php.wait()


main()
