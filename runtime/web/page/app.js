// app.js - from frames to the page.

import {List, name, show, text} from "./draw.js";
import {crashRow, failureRow, limitRow, programRow} from "./lists.js";
import {Live} from "./live.js";
import {poolCard, poolRate, setSpan} from "./pools.js";
import * as words from "./words.js";
import {workerRow} from "./workers.js";

// Of more workers than this only those that have a job get a row of their own.
const ALL_MOST = 60;
const ROWS_MOST = 200;
// Of what went wrong, so many at first.
const FOLDED = 6;

const at = (id) => document.getElementById(id);

function section(id, key, build) {
	const root = at(id), list = new List(root.querySelector("[data-list]"), key, build);

	return (items) => {
		list.update(items);
		show(root, items.length > 0);
	};
}

// The same, but at first only some of them are shown.
function folded(id, key, build) {
	const update = section(id, key, build), more = at(id).querySelector("[data-more]");
	let open = false;

	more.addEventListener("click", () => {
		open = !open;
		more.setAttribute("aria-expanded", String(open));
		drawAll();
	});
	return (items) => {
		update(open ? items : items.slice(0, FOLDED));
		text(more, open ? "fewer" : `${items.length - FOLDED} more`);
		show(more, items.length > FOLDED);
	};
}

const draw = {
	pools: section("pools", (pool) => pool.name, poolCard),
	workers: section("workers", (item) => item.worker.row, workerRow),
	limits: section("limits", (limit) => limit.name, limitRow),
	programs: section("programs", (item) => `${item.program.program}:${item.program.process}`, programRow),
	failures: folded("failures", (item) => item.failure.id, failureRow),
	crashes: folded("crashes", (item) => `${item.crash.pid} ${item.crash.job || 0}`, crashRow),
};

// What was told last. Parts that only whole frames have are kept from the last of those.
const known = {status: null, trouble: "", failures: [], crashes: [], pools: new Map(), heard: 0, crashesHeard: 0};
let link = "wait", only = "all";

// Members of a pool that most frames lack.
const SLOW = ["course", "last_minute", "last_hour"];

function learn(frame) {
	const status = frame.status;

	known.status = status;
	known.trouble = frame.trouble;
	known.heard = performance.now();
	if (frame.failures)
		known.failures = frame.failures;
	if (!status)
		return;
	if (status.crashes) {
		known.crashes = status.crashes;
		known.crashesHeard = known.heard;
	}
	for (const pool of status.pools) {
		const kept = known.pools.get(pool.name);

		if (!pool.course && kept)
			for (const key of SLOW)
				pool[key] = kept[key];
		known.pools.set(pool.name, pool);
	}
}

// ---- the head ----

const LINK = {live: "", wait: "connecting …", stale: "nothing heard for a while …", lost: "connection lost, trying again …"};

function drawMaster(status, age) {
	const up = status && status.master_pid, word = !status ? "not running" : up ? status.state : "no master";

	name(at("master"), `pill ${link === "wait" ? "wait" : !up ? "bad" : status.ok ? "good" : "warn"}`);
	text(at("master").querySelector("b"), link === "wait" ? "connecting" : up ? `${word} · up ${words.duration(status.up + age)}` : word);
	text(at("instance"), status ? status.instance : known.name || "Yardmaster");
	if (status)
		known.name = status.instance;
	text(at("about"), status && status.version ? `Yardmaster ${status.version}` : "Yardmaster");
	document.title = status ? `${up ? "" : "! "}${status.instance} · Yardmaster` : "Yardmaster";
}

function alarmText(status) {
	if (link === "wait")
		return "";
	if (!status)
		return known.trouble || "The instance is not running.";
	if (!status.master_pid)
		return "No master runs. Workers go on with what is in the table; start it again with `yardmaster run`.";
	return status.ok ? "" : status.problem;
}

function drawTotals(status) {
	const sum = (key) => status.pools.reduce((total, pool) => total + pool[key], 0);
	const values = status && {
		rate: words.rate(status.pools.reduce((total, pool) => total + poolRate(pool), 0)),
		waiting: words.short(sum("waiting")),
		running: words.short(sum("running")),
		workers: words.short(sum("workers")),
	};

	for (const cell of at("totals").querySelectorAll("[data-total]"))
		text(cell, values ? values[cell.dataset.total] : "–");
}

// ---- the rest ----

function shownWorkers(status) {
	const order = new Map(status.pools.map((pool, i) => [pool.name, i]));
	const busy = only === "busy" || status.workers.length > ALL_MOST;
	const list = status.workers.filter((worker) => worker.job || !busy);

	return list.sort((a, b) => order.get(a.pool) - order.get(b.pool) || a.row - b.row);
}

function drawWorkers(status, now, age) {
	const list = shownWorkers(status), more = at("workers").querySelector("[data-more]");
	const hidden = status.workers.length - Math.min(list.length, ROWS_MOST);

	draw.workers(list.slice(0, ROWS_MOST).map((worker) => ({worker, now, age})));
	show(at("workers"), status.workers.length > 0);
	text(more, hidden > 0 ? `${words.count(hidden)} more ${list.length > ROWS_MOST ? "" : "without a job"}` : "");
	show(more, hidden > 0);
}

function drawAll() {
	const now = performance.now(), age = (now - known.heard) / 1000, status = known.status, alarm = alarmText(status);

	name(document.body, link);
	text(at("link"), LINK[link]);
	drawMaster(status, age);
	text(at("alarm"), alarm);
	show(at("alarm"), alarm !== "");
	name(at("alarm"), status && status.master_pid ? "alarm mild" : "alarm");
	drawTotals(status);
	at("main").classList.toggle("past", !status);
	at("main").classList.toggle("masterless", Boolean(status) && !status.master_pid);
	draw.failures(known.failures.map((failure) => ({failure, now: Date.now() / 1000})));
	draw.crashes(known.crashes.map((crash) => ({crash, age: (now - known.crashesHeard) / 1000})));
	if (!status)
		return;
	draw.pools(status.pools);
	drawWorkers(status, now, age);
	draw.limits(status.limits);
	draw.programs(status.programs.map((program) => ({program, age})));
}

// ---- what people choose ----

function choice(attribute, chosen) {
	for (const button of document.querySelectorAll(`[${attribute}]`))
		button.addEventListener("click", () => {
			for (const other of document.querySelectorAll(`[${attribute}]`))
				other.setAttribute("aria-pressed", String(other === button));
			chosen(button.getAttribute(attribute));
			drawAll();
		});
}

choice("data-span", setSpan);
choice("data-workers", (value) => {
	only = value;
});

// Frames may come faster than a screen shows them.
let drawn = true;

function soon() {
	if (drawn)
		requestAnimationFrame(() => {
			drawn = true;
			drawAll();
		});
	drawn = false;
}

new Live((frame) => {
	learn(frame);
	soon();
}, (state) => {
	if (link === state)
		return;
	link = state;
	soon();
});
// Ages go on without frames.
setInterval(soon, 1000);
