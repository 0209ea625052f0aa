// draw.js - elements that are made once and changed only where something else is to be seen.

export function make(tag, className, ...children) {
	const element = document.createElement(tag);

	if (className)
		element.className = className;
	element.append(...children);
	return element;
}

export function text(element, words) {
	if (element.textContent !== words)
		element.textContent = words;
}

export function name(element, className) {
	if (element.className !== className)
		element.className = className;
}

export function show(element, visible) {
	if (element.hidden === visible)
		element.hidden = !visible;
}

// Keep one element for each item, in the order of the items. `build(item)` makes {root, update(item)}.
export class List {
	constructor(root, key, build) {
		Object.assign(this, {root, key, build, parts: new Map()});
	}

	update(items) {
		const seen = new Set();
		let at = this.root.firstElementChild;

		for (const item of items) {
			const key = this.key(item);
			let part = this.parts.get(key);

			if (!part) {
				part = this.build(item);
				this.parts.set(key, part);
			}
			seen.add(key);
			part.update(item);
			if (part.root === at)
				at = at.nextElementSibling;
			else
				this.root.insertBefore(part.root, at);
		}
		for (const [key, part] of this.parts)
			if (!seen.has(key)) {
				part.root.remove();
				this.parts.delete(key);
			}
	}
}

// A bar: `share` 0 to 1, or null when it is not known how far it is.
export function bar(label) {
	const fill = make("i");
	const root = make("div", "bar", fill);

	root.setAttribute("role", "progressbar");
	root.setAttribute("aria-label", label);
	root.setAttribute("aria-valuemin", "0");
	root.setAttribute("aria-valuemax", "100");
	let shown = -1;

	return {root, set(share, kind, jump) {
		const width = share === null ? 1 : Math.max(0, Math.min(1, share));

		name(root, `bar ${kind}${share === null ? " unknown" : ""}`);
		if (shown === width)
			return;
		// Back to the start of another job: at once.
		fill.classList.toggle("jump", jump || width < shown);
		shown = width;
		fill.style.transform = `translateX(${(width - 1) * 100}%)`;
		if (share === null)
			root.removeAttribute("aria-valuenow");
		else
			root.setAttribute("aria-valuenow", String(Math.floor(width * 100)));
	}};
}

const SVG = "http://www.w3.org/2000/svg";

// A curve of the last 60 samples as an area, with another one (`bad`) on top of it.
export function curve(label) {
	const root = document.createElementNS(SVG, "svg");
	const area = document.createElementNS(SVG, "path");
	const line = document.createElementNS(SVG, "path");
	const bad = document.createElementNS(SVG, "path");

	root.setAttribute("class", "curve");
	root.setAttribute("viewBox", "0 0 120 32");
	root.setAttribute("preserveAspectRatio", "none");
	root.setAttribute("role", "img");
	area.setAttribute("class", "area");
	line.setAttribute("class", "line");
	bad.setAttribute("class", "bad");
	root.append(area, line, bad);
	let shown = "";

	return {root, set(samples, failed) {
		const most = Math.max(1, ...samples);
		const y = (value) => (31 - value / most * 29).toFixed(1);
		const step = 120 / (samples.length - 1);
		const points = samples.map((value, i) => `${(i * step).toFixed(1)} ${y(value)}`).join("L");
		const bars = (failed || []).map((value, i) => value > 0 ? `M${(i * step).toFixed(1)} 32V${y(value)}` : "").join("");

		if (shown === points + bars)
			return;
		shown = points + bars;
		line.setAttribute("d", `M${points}`);
		area.setAttribute("d", `M0 32L${points}L120 32Z`);
		bad.setAttribute("d", bars);
		root.setAttribute("aria-label", `${label}: now ${samples[samples.length - 1]}, at most ${Math.max(...samples)}`);
	}};
}
