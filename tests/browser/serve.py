"""serve.py URL DIRECTORY - the page of `yardmaster serve` in a browser. What has to happen outside is asked for by lines on
stdout, each answered by a line on stdin: the test script (tests/system/serve_browser.sh) does it.
"""
import sys
import time

from webdriver import Browser

PAGES = [("light", 1280, 900), ("dark", 1280, 900), ("light", 390, 844), ("dark", 390, 844), ("light", 320, 568)]

WORKER = """
	const row = [...document.querySelectorAll('#workers li')].find((one) => one.querySelector('.tag').textContent === arguments[0]);
"""


def ask(what):
    print(what, flush=True)
    answer = sys.stdin.readline().strip()
    assert answer, "nobody answers " + what
    return answer


def need(holds, what):
    if not holds:
        raise AssertionError(what)


def share(browser, tag):
    """How full the bar is that one sees, and what a screen reader hears."""
    return browser.wait(WORKER + """
	if (!row || !row.querySelector('[aria-valuenow]')) return null;
	const bar = row.querySelector('.bar'), fill = bar.firstChild;
	const outer = bar.getBoundingClientRect(), inner = fill.getBoundingClientRect();
	return [(inner.right - outer.left) / outer.width, Number(bar.getAttribute('aria-valuenow')) / 100];""", tag)


def bars_move(browser):
    first = share(browser, "moving.bin")
    browser.wait(WORKER + "return Number(row.querySelector('.bar').getAttribute('aria-valuenow')) > arguments[1] + 3",
                 "moving.bin", 100 * first[1])
    # What is drawn follows in a moment.
    deadline = time.monotonic() + 5
    while True:
        drawn, said = share(browser, "moving.bin")
        if abs(drawn - said) < 0.04 and drawn > first[0]:
            break
        need(time.monotonic() < deadline, f"the bar is at {drawn}, but says {said}")
    row = browser.run(WORKER + "return row.innerText", "moving.bin")
    need("MiB" in row and "iB/s" in row and "left" in row and "part " in row, row)


def layout_stands_still(browser):
    """Rows stay where they are while their bars move."""
    places = """return JSON.stringify([...document.querySelectorAll('#pools .card, #workers li')].map((one) => {
	const box = one.getBoundingClientRect(); return [box.x, box.y, box.width, box.height]; }))"""
    before = browser.run(places)
    moved = browser.run(WORKER + "return row.querySelector('.bar').getAttribute('aria-valuenow')", "moving.bin")
    browser.wait(WORKER + "return row.querySelector('.bar').getAttribute('aria-valuenow') !== arguments[1]", "moving.bin",
                 moved)
    need(browser.run(places) == before, "the layout jumps")
    # Nor do they move when a job comes or goes elsewhere.
    heights = browser.run("""return [...document.querySelectorAll('#workers li')].map((one) =>
	Math.round(one.getBoundingClientRect().height))""")
    need(len(set(heights)) == 1, f"rows with a job have another height than those without: {heights}")


def failure_appears(browser):
    need(not browser.run("return document.querySelector('#failures .failure')"), "a failure before there was one")
    job = ask("fail")
    browser.wait("return document.querySelector('#failures .failure .tag')?.textContent === 'broken.bin'")
    text = browser.text("#failures .failure")
    need("no such file" in text and "#" + job in text and "failed" in text, text)
    browser.click("#failures .id")
    browser.wait("return document.getElementById('job').open && document.getElementById('job-body').innerText.includes('no such file')")
    need("Job " + job in browser.text("#job"), browser.text("#job"))
    browser.click("#job form button")
    browser.wait("return !document.getElementById('job').open")


def times_are_of_lately(browser):
    """Of a pool in which something has ended just now; some time later; and of the last hour."""
    times = """const times = [...document.querySelectorAll('#pools .card')].find((one) =>
	one.querySelector('h3').innerText === 'bad').querySelector('.times').innerText.replace(/\\s+/g, ' '); """
    browser.wait(times + "return /last minute .* run [0-9]/.test(times)")
    ask("pass-time")
    browser.wait(times + "return /last minute .* wait – – – run – – –/.test(times)")
    browser.run("document.querySelector('[data-span=minutes]').click()")
    browser.wait(times + "return /last hour .* run [0-9]/.test(times)")
    browser.run("document.querySelector('[data-span=seconds]').click()")
    browser.wait(times + "return /last minute /.test(times)")


def flight_recorder(browser):
    ask("kill-worker")
    browser.wait("return document.querySelector('#crashes .crash')")
    text = browser.text("#crashes .crash")
    need("signal 9" in text and "part " in text and "moving.bin" in text, text)


def master_goes_and_comes(browser):
    ask("kill-master")
    browser.wait("return document.querySelector('#master').innerText.includes('no master') && !document.getElementById('alarm').hidden")
    need("No master" in browser.text("#alarm"), browser.text("#alarm"))
    ask("start-master")
    browser.wait("return document.querySelector('#master').innerText.includes('running') && document.getElementById('alarm').hidden")


def server_goes_and_comes(browser):
    ask("stop-server")
    browser.wait("return document.body.className === 'lost' && document.getElementById('link').innerText.includes('lost')")
    need(browser.text("#workers"), "what was known is gone")
    ask("start-server")
    browser.wait("return document.body.className === 'live' && document.getElementById('link').innerText === ''")
    bars_move(browser)


def instance_stops(browser):
    ask("stop-master")
    browser.wait("return document.querySelector('#master').innerText.includes('not running')")
    need("not running" in browser.text("#alarm"), browser.text("#alarm"))


def looks(browser, directory):
    """In both themes, and on a phone: nothing is cut off at the side. The pictures are for people."""
    for theme, width, height in PAGES:
        browser.theme(theme)
        browser.size(width, height, mobile=width < 600)
        browser.wait("return innerWidth === arguments[0]", width)
        wide = browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
        need(wide <= 0, f"{wide} pixels too wide in {width}")
        cut = browser.run("""return [...document.querySelectorAll('.top, .card, .rows > li, h1, h2, h3')].filter((one) => {
	const box = one.getBoundingClientRect(); return box.width && (box.left < 0 || box.right > innerWidth + 1); }).map((one) => one.innerText)""")
        need(not cut, f"beyond the edge in {width}: {cut}")
        browser.screenshot(f"{directory}/{theme}-{width}.png")
    browser.theme("light")
    browser.size(1280, 900)


def keyboard(browser):
    """Everything that can be clicked can be reached, and has a name."""
    nameless = browser.run("""return [...document.querySelectorAll('button, a, [role=progressbar], [role=img]')].filter((one) =>
	one.offsetParent && !(one.getAttribute('aria-label') || one.innerText)).map((one) => one.outerHTML)""")
    need(not nameless, nameless)
    browser.run("document.querySelector('[data-span=minutes]').focus()")
    browser.run("document.activeElement.click()")
    need(browser.run("return document.querySelector('[data-span=minutes]').getAttribute('aria-pressed')") == "true", "hour")


def door(browser, url):
    browser.open(url)
    need(browser.text("h1") == "Yardmaster" and browser.run("return !!document.getElementById('token')"), browser.text())
    browser.type("#token", ask("token"))
    browser.click("button")
    browser.wait("return document.getElementById('pools')")
    need("token" not in browser.run("return location.href"), "the token stays in the address")
    browser.wait("return document.body.className === 'live'")


def main():
    url, directory = sys.argv[1:]
    with Browser() as browser:
        browser.open(url)
        browser.wait("return document.body.className === 'live'")
        bars_move(browser)
        layout_stands_still(browser)
        failure_appears(browser)
        times_are_of_lately(browser)
        flight_recorder(browser)
        bars_move(browser)
        looks(browser, directory)
        keyboard(browser)
        # From here on the network may fail; until now nothing may be amiss, least of all with the policy.
        said = browser.console()
        need(not said, said)
        server_goes_and_comes(browser)
        master_goes_and_comes(browser)
        instance_stops(browser)
        door(browser, ask("door"))
    print("fine", flush=True)


main()
