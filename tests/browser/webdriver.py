"""webdriver.py - drive a headless Chromium through chromedriver, with nothing but the standard library.

    with Browser() as browser:
        browser.open("http://127.0.0.1:8000/")
        browser.wait("return document.querySelector('#bar').value == 100")
        browser.screenshot("page.png")

Scripts are JavaScript, as the body of a function: `return` gives a value, `arguments` are those that follow. Everything
that fails is an exception (Failure) that says what the browser said.
"""
import base64
import ctypes
import json
import os
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

PATIENCE = 30
PR_SET_PDEATHSIG = 1


class Failure(Exception):
    pass


def end_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Browser:
    def __init__(self, width=1280, height=900, theme="light", arguments=()):
        self.profile = tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True)
        self.session = self.driver = None
        try:
            self._start(width, height, arguments)
            self.theme(theme)
        except BaseException:
            self.close()
            raise

    def _start(self, width, height, arguments):
        # A session of its own: what Chromium leaves behind is found by it.
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                       start_new_session=True, preexec_fn=end_with_parent, text=True)
        said = []
        for line in self.driver.stdout:
            said.append(line)
            if "started successfully on port" in line:
                self.base = "http://127.0.0.1:%d" % int(line.split("port")[-1].strip(" .\n"))
                break
        else:
            raise Failure("chromedriver does not start: " + "".join(said))
        # By a pipe: the browser ends with chromedriver, and chromedriver with us.
        switches = ["--headless=new", "--remote-debugging-pipe", "--user-data-dir=" + self.profile.name,
                    "--window-size=%d,%d" % (width, height), "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                    "--disable-breakpad", "--no-first-run", "--hide-scrollbars", *arguments]
        options = {"args": switches}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        answer = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self.session = "/session/" + answer["sessionId"]

    def _ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=2 * PATIENCE) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            value = json.loads(error.read())["value"]
            raise Failure("%s: %s" % (value["error"], value["message"].splitlines()[0])) from None

    def _post(self, path, **body):
        return self._ask("POST", self.session + path, body)

    def open(self, url):
        self._post("/url", url=url)

    def reload(self):
        self._post("/refresh")

    def run(self, script, *arguments):
        """What the script returns."""
        return self._post("/execute/sync", script=script, args=list(arguments))

    def wait(self, script, *arguments, seconds=PATIENCE, every=0.02):
        """What the script returns as soon as that is true in Python's sense."""
        deadline = time.monotonic() + seconds
        while True:
            value = self.run(script, *arguments)
            if value:
                return value
            if time.monotonic() > deadline:
                raise Failure("not within %g s: %s\nthe page says:\n%s" % (seconds, script, self.text()))
            time.sleep(every)

    def text(self, selector="body"):
        """What a reader sees of the first element that the selector finds."""
        return self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def click(self, selector):
        self.wait("return document.querySelector(arguments[0])", selector)
        self._post("/element/%s/click" % self._element(selector))

    def type(self, selector, text):
        """Type into a field; into a file field, the path of the file."""
        self._post("/element/%s/value" % self._element(selector), text=text)

    def _element(self, selector):
        return next(iter(self._post("/element", using="css selector", value=selector).values()))

    def cdp(self, command, **parameters):
        """A command of the Chrome DevTools Protocol."""
        return self._post("/goog/cdp/execute", cmd=command, params=parameters)

    def theme(self, name):
        """light or dark: what prefers-color-scheme says."""
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def size(self, width, height, scale=1, mobile=False):
        """Like a window or a phone of this size."""
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale,
                 mobile=mobile)

    def console(self):
        """What the page, and the browser about it, said since the last call: a list of {level, message}."""
        return [{"level": line["level"], "message": line["message"]} for line in self._post("/se/log", type="browser")]

    def screenshot(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self._ask("GET", self.session + "/screenshot")))

    def close(self):
        try:
            if self.session:
                self._ask("DELETE", self.session)
        except (Failure, OSError):
            pass
        self.session = None
        if self.driver:
            try:
                os.killpg(self.driver.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.driver.wait()
            self.driver.stdout.close()
        self.driver = None
        self.profile.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
