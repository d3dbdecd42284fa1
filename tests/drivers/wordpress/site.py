"""WordPress from Debian's package: installs itself on the database given by the environment, then a user logs in,
posts, edits, comments and searches, through PHP's built-in server. Every page is checked, and no query may fail."""
import http.cookiejar
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

SOURCE = Path("/usr/share/wordpress")
ADMIN, PASSWORD = "editor", "a-Long-Enough-Passw0rd"
START_LIMIT = 20
PREFIX = "wp%d_" % os.getpid()

# A theme that shows what the database holds and nothing else, so that no theme package is needed.
THEME = """<?php
echo '<title>', get_bloginfo('name'), '</title>';
while (have_posts()) { the_post(); echo '<h2>', get_the_title(), '</h2>', get_the_content(); if (is_single()) foreach (get_comments(['post_id' => get_the_ID()]) as $c) echo '<p class="comment">', $c->comment_content, '</p>'; }
global $wp_query; echo '<p>found ', $wp_query->found_posts, '</p>';
"""


def config(work, port):
    e = os.environ
    values = dict(DB_NAME=e["DB"], DB_USER=e["USER"], DB_PASSWORD=e["PASSWORD"], DB_HOST=f"{e['HOST']}:{e['PORT']}", DB_CHARSET="utf8mb4", DB_COLLATE="",
                  WP_DEFAULT_THEME="plain", WP_HOME=f"http://127.0.0.1:{port}", WP_SITEURL=f"http://127.0.0.1:{port}", WP_DEBUG_LOG=str(work / "debug.log"))
    lines = [f"define('{name}', '{value}');" for name, value in values.items()]
    # No request leaves the machine.
    lines += [f"define('{name}', true);" for name in ("WP_DEBUG", "WP_HTTP_BLOCK_EXTERNAL", "DISABLE_WP_CRON", "AUTOMATIC_UPDATER_DISABLED")]
    lines += ["define('WP_DEBUG_DISPLAY', false);"]
    keys = "AUTH_KEY SECURE_AUTH_KEY LOGGED_IN_KEY NONCE_KEY AUTH_SALT SECURE_AUTH_SALT LOGGED_IN_SALT NONCE_SALT".split()
    lines += [f"define('{key}', '{key} of a test');" for key in keys]
    return "<?php\n" + "\n".join(lines) + f"\n$table_prefix = '{PREFIX}';\nif (!defined('ABSPATH')) define('ABSPATH', __DIR__ . '/');\nrequire_once ABSPATH . 'wp-settings.php';\n"


def lay_out(work, port):
    site = work / "site"
    shutil.copytree(SOURCE, site, ignore_dangling_symlinks=True)
    (site / "wp-config.php").unlink(missing_ok=True)
    (site / "wp-config.php").write_text(config(work, port))
    theme = site / "wp-content/themes/plain"
    theme.mkdir(parents=True)
    (theme / "style.css").write_text("/*\nTheme Name: Plain\n*/\n")
    (theme / "index.php").write_text(THEME)
    return site


class Api:
    """The REST interface, as the block editor uses it: with the session's cookies and a nonce."""

    def __init__(self, browser):
        self.browser = browser
        self.nonce = browser.page("/wp-admin/admin-ajax.php?action=rest-nonce")

    def call(self, method, route, body=None):
        request = urllib.request.Request(self.browser.base + "/?rest_route=/wp/v2/" + route, json.dumps(body or {}).encode(), method=method)
        request.add_header("X-WP-Nonce", self.nonce)
        request.add_header("Content-Type", "application/json")
        with self.browser.opener.open(request, timeout=120) as answer:
            return json.load(answer)

    def post(self, title, content):
        return self.call("POST", "posts", dict(title=title, content=content, status="publish"))["id"]


def same(wanted, got):
    assert wanted == got, f"wanted {wanted!r}, got {got!r}"


def holds(text, page):
    assert text in page, f"no {text!r} in {page[:300]!r}"


class Browser:
    def __init__(self, base):
        self.base = base
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def page(self, path, **form):
        data = urllib.parse.urlencode(form).encode() if form else None
        with self.opener.open(self.base + path, data, timeout=120) as answer:
            return answer.read().decode()


def feature(name, run):
    try:
        result = run()
        print("ok", name, flush=True)
        return result
    except Exception as e:
        print("FAIL", name, type(e).__name__, str(e).replace("\n", " "), flush=True)
        return None


def install(browser):
    form = dict(weblog_title="Differ's site", user_name=ADMIN, admin_password=PASSWORD, admin_password2=PASSWORD, pw_weak="on", admin_email="a@example.org", blog_public="0", language="")
    holds("Success!", browser.page("/wp-admin/install.php?step=2", **form))


def log_in(browser):
    browser.page("/wp-login.php")
    holds("Dashboard", browser.page("/wp-login.php", log=ADMIN, pwd=PASSWORD, testcookie="1", redirect_to=browser.base + "/wp-admin/"))


def wrong_password(browser):
    page = Browser(browser.base).page("/wp-login.php", log=ADMIN, pwd="wrong", testcookie="1")
    holds("login_error", page)


def tour(browser):
    feature("install", lambda: install(browser))
    feature("front page", lambda: holds("Hello world!", browser.page("/")))
    feature("login", lambda: log_in(browser))
    feature("wrong password", lambda: wrong_password(browser))
    api = Api(browser)
    post = feature("post", lambda: api.post("Über Änderungen 😀", "the word quokka's in here"))
    feature("read one's post at once", lambda: holds("quokka", browser.page(f"/?p={post}")))
    feature("edit", lambda: holds("wombat", api.call("POST", f"posts/{post}", dict(content="now it says wombat"))["content"]["raw"]))
    feature("tag", lambda: holds("new tag", api.call("POST", "tags", dict(name="new tag"))["name"]))
    feature("the edit is seen at once", lambda: holds("wombat", browser.page(f"/?p={post}")))
    feature("search", lambda: holds("found 1", browser.page("/?s=wombat")))
    feature("search for nothing", lambda: holds("found 0", browser.page("/?s=quokka")))
    feature("comment", lambda: holds("first comment", browser.page("/wp-comments-post.php", comment="first comment", comment_post_ID=str(post))))
    for n in range(10):
        api.post(f"post {n}", "many")
    feature("pages of posts (FOUND_ROWS)", lambda: holds("found 12", browser.page("/?paged=2")))
    for page in ("edit.php", "users.php", "options-general.php", "edit-comments.php", "edit-tags.php?taxonomy=post_tag", "site-health.php?tab=debug", "upload.php", "export.php"):
        feature("wp-admin/" + page, lambda page=page: holds("wpbody", browser.page("/wp-admin/" + page)))
    feature("delete", lambda: same("trash", api.call("DELETE", f"posts/{post}")["status"]))
    feature("the deleted post is gone", lambda: gone(browser, post))


def gone(browser, post):
    try:
        browser.page(f"/?p={post}")
    except urllib.error.HTTPError as e:
        same(404, e.code)
        return
    raise AssertionError("still there")


def no_database_errors(work):
    log = work / "debug.log"
    errors = [line for line in log.read_text().split("\n") if "database error" in line] if log.exists() else []
    # Before it is installed, WordPress asks for tables that are not there yet: by design.
    errors = [line for line in errors if "doesn't exist" not in line]
    same([], errors)


def wait_for(port):
    end = time.monotonic() + START_LIMIT
    while time.monotonic() < end:
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError("PHP's server does not start")


def main():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="pointsman-wordpress-") as directory:
        work = Path(directory)
        site = lay_out(work, port)
        environment = dict(os.environ, PHP_CLI_SERVER_WORKERS="3")
        php = subprocess.Popen(["php", "-S", f"127.0.0.1:{port}", "-t", str(site)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment, start_new_session=True)
        try:
            wait_for(port)
            tour(Browser(f"http://127.0.0.1:{port}"))
            feature("no database error logged", lambda: no_database_errors(work))
        finally:
            # Its workers are in its group.
            os.killpg(php.pid, 15)
            php.wait()


main()
