"""upload_page.py URL FILE DIRECTORY - in the page of examples/upload_page, upload the file and watch its bar.

Screenshots go to the directory.
"""
import os
import sys
import time

from webdriver import Browser, Failure

url, path, shots = sys.argv[1:]
NAME = os.path.basename(path)
ROW = """
	const row = document.querySelector('li');
	const bar = row?.querySelector('.bar');
	return row && {
		name: row.querySelector('.name').textContent,
		state: row.querySelector('.state').textContent,
		kind: row.className,
		value: bar.getAttribute('aria-valuenow'),
		drawn: bar.firstElementChild.getBoundingClientRect().width / bar.getBoundingClientRect().width * 100,
		text: row.innerText,
	};"""


def insist(condition, what):
    if not condition:
        raise Failure(what)


def follow(browser, until):
    """Rows as they are seen, until the condition holds of the last one."""
    rows, deadline = [], time.monotonic() + 60
    while not rows or not until(rows[-1]):
        insist(time.monotonic() < deadline, "the bar does not get on: %s" % rows[-3:])
        rows.append(browser.run(ROW))
        time.sleep(0.05)
    return rows


def check_steps(rows, at_least):
    values = [float(row["value"]) for row in rows if row["value"] is not None]
    drawn = [row["drawn"] for row in rows]
    insist(values == sorted(values), "the value goes back: %s" % values)
    insist(len(set(values)) >= at_least, "the value hardly moves: %s" % values)
    insist(len({round(width, 1) for width in drawn}) >= at_least, "the bar hardly moves: %s" % drawn)


def shoot(browser, name):
    for theme in ("light", "dark"):
        browser.theme(theme)
        browser.screenshot(os.path.join(shots, "%s-%s.png" % (name, theme)))
    browser.theme("light")


with Browser(width=900, height=600) as page:
    page.open(url)
    colours = []
    for theme in ("dark", "light"):
        page.theme(theme)
        colours.append(page.run("return getComputedStyle(document.body).backgroundColor"))
    insist(colours[0] != colours[1], "dark and light look the same: %s" % colours)
    page.type("#files", path)
    page.wait("return document.querySelector('li')")
    first = follow(page, lambda row: float(row["value"] or 0) > 30)
    check_steps(first, 4)
    insist(first[-1]["name"] == NAME, "name: %s" % first[-1])
    insist("MiB of" in first[-1]["text"] and "still" in first[-1]["text"], "text: %s" % first[-1])
    shoot(page, "going")
    # Another look at the page finds the upload again.
    page.reload()
    page.wait("return Number(document.querySelector('.bar')?.getAttribute('aria-valuenow')) > 30")
    last = follow(page, lambda row: row["kind"] == "done" and row["drawn"] > 99.9)
    check_steps(last, 4)
    insist(last[-1]["state"] == "done" and last[-1]["value"] == "100", "at the end: %s" % last[-1])
    # A phone.
    page.size(390, 844, scale=2, mobile=True)
    insist(page.run("return document.documentElement.scrollWidth") <= 390, "wider than a phone")
    page.screenshot(os.path.join(shots, "phone.png"))
    insist(not page.console(), "the browser complains: %s" % page.console())
print("from", first[0]["value"], "to", last[-1]["value"], "in", len(first) + len(last), "looks")
