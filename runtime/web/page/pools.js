// pools.js - a card for each pool.

import {curve, make, name, show, text} from "./draw.js";
import * as words from "./words.js";

const NUMBERS = ["waiting", "running", "delayed", "buried", "done", "failed"];
const SHARES = ["p50", "p90", "p99"];

// What the times are of, by what the curves are of.
const LATELY = {seconds: "last_minute", minutes: "last_hour"};

let span = "seconds";

// "seconds" or "minutes": of which the curves and times are.
export function setSpan(value) {
	span = value;
}

// What a person should know about the pool.
function remarks(pool) {
	const list = [];

	if (pool.paused)
		list.push("paused");
	if (pool.draining)
		list.push("draining");
	if (pool.waits_for_limit)
		list.push(`waits for limit ${pool.waits_for_limit}`);
	if (pool.workers_least !== pool.workers_most)
		list.push(`scales ${pool.workers_least}–${pool.workers_most}`);
	if (pool.to_be_replaced)
		list.push(`${pool.to_be_replaced} to be replaced`);
	if (pool.crashes)
		list.push(`${words.count(pool.crashes)} crashed`);
	if (pool.reason)
		list.push(pool.reason);
	return list.join(" · ");
}

const BAD = {FATAL: "bad", degraded: "warn", starting: "wait", "waiting for others": "wait"};

export function poolState(pool) {
	return pool.paused || pool.draining ? "warn" : BAD[pool.state] || (pool.state === "running" ? "good" : "wait");
}

// How fast it went lately: the mean of the last five samples, a second.
export function poolRate(pool) {
	const ended = pool.course ? pool.course.seconds.ended : [];

	return ended.slice(-5).reduce((sum, value) => sum + value, 0) / 5;
}

function numbers() {
	const root = make("dl", "numbers");
	const cells = {};

	for (const key of ["rate", ...NUMBERS]) {
		cells[key] = make("dd", "", "–");
		root.append(make("div", `of-${key}`, make("dt", "", key === "rate" ? "jobs/s" : key), cells[key]));
	}
	return {root, set(pool) {
		text(cells.rate, words.rate(poolRate(pool)));
		for (const key of NUMBERS) {
			text(cells[key], words.short(pool[key]));
			cells[key].title = words.count(pool[key]);
			name(cells[key], pool[key] ? "" : "zero");
		}
	}};
}

function times() {
	const cells = {};
	const corner = make("td");
	const head = make("tr", "", corner, ...SHARES.map((share) => {
		const cell = make("th", "", share);

		cell.scope = "col";
		return cell;
	}));
	const root = make("table", "times", make("thead", "", head));
	const body = make("tbody");

	for (const row of ["wait", "run"]) {
		const label = make("th", "", row);

		label.scope = "row";
		cells[row] = SHARES.map(() => make("td", "", "–"));
		body.append(make("tr", "", label, ...cells[row]));
	}
	root.append(body);
	return {root, set(told) {
		for (const row of ["wait", "run"])
			SHARES.forEach((share, i) => text(cells[row][i], told[row].count ? words.span(told[row][share]) : "–"));
		text(corner, span === "seconds" ? "last minute" : "last hour");
	}};
}

function chart(label) {
	const drawn = curve(label);
	const most = make("span", "");
	const root = make("figure", "", make("figcaption", "", make("span", "", label), most), drawn.root);

	return {root, set(samples, failed) {
		drawn.set(samples, failed);
		text(most, `max ${words.short(Math.max(...samples))}`);
	}};
}

export function poolCard() {
	const title = make("h3"), task = make("p", "task"), pill = make("span", "pill"), word = make("b");
	const workers = make("span", "count"), remark = make("p", "remark");
	const figures = numbers(), table = times();
	const ended = chart("ended"), waiting = chart("waiting");
	const root = make("article", "card",
		make("header", "", make("div", "", title, task), make("div", "right", pill, workers)),
		figures.root, make("div", "curves", ended.root, waiting.root), table.root, remark);

	pill.append(make("i"), word);
	return {root, update(pool) {
		text(title, pool.name);
		text(task, pool.task);
		task.title = pool.task;
		text(word, pool.paused ? "paused" : pool.draining ? "draining" : pool.state);
		name(pill, `pill ${poolState(pool)}`);
		text(workers, `${pool.workers} of ${words.counted(pool.workers_wanted, "worker", "workers")}`);
		figures.set(pool);
		if (pool.course) {
			const samples = pool.course[span];

			ended.set(samples.ended, samples.failed);
			waiting.set(samples.waiting);
		}
		if (pool[LATELY[span]])
			table.set(pool[LATELY[span]]);
		text(remark, remarks(pool) || " ");
		show(remark, true);
	}};
}
