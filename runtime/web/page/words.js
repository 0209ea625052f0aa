// words.js - numbers as people read them: as `yardmaster status` writes them.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

export function count(number) {
	return Math.round(number).toLocaleString("en");
}

// "1 start", "2 starts"
export function counted(number, one, more) {
	return `${count(number)} ${number === 1 ? one : more}`;
}

// For a small place: 1234, 56.8k, 3.1M.
export function short(number) {
	if (number < 10000)
		return String(Math.round(number));
	for (const [scale, letter] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]])
		if (number >= scale)
			return (number / scale).toFixed(number < 100 * scale ? 1 : 0) + letter;
	return String(number);
}

// A rate: three digits are enough.
export function rate(number) {
	if (number >= 100)
		return short(number);
	return number === 0 ? "0" : number.toFixed(number >= 10 ? 1 : 2);
}

function scale(number) {
	let unit = 0;

	while (number >= 1024 && unit < UNITS.length - 1) {
		number /= 1024;
		unit++;
	}
	return [1024 ** unit, UNITS[unit]];
}

// "1.2 of 2.6 MiB", "8 of 40 rows", "8 rows"
export function amount(done, total, unit) {
	if (unit === "bytes") {
		const [by, name] = scale(total || done);
		const digits = by === 1 ? 0 : 1;

		return (done / by).toFixed(digits) + (total ? ` of ${(total / by).toFixed(digits)}` : "") + ` ${name}`;
	}
	return count(done) + (total ? ` of ${count(total)}` : "") + (unit ? ` ${unit}` : "");
}

// "1.2 MiB/s", "12.0/s"
export function speed(perSecond, unit) {
	if (!(perSecond > 0))
		return "";
	if (unit === "bytes") {
		const [by, name] = scale(perSecond);

		return `${(perSecond / by).toFixed(by === 1 ? 0 : 1)} ${name}/s`;
	}
	return `${rate(perSecond)}/s`;
}

// Where there is but one, nobody has to be told.
export const attempt = (job) => job.attempts > 1 ? `attempt ${job.attempt}/${job.attempts}` : "";

const two = (number) => String(Math.floor(number)).padStart(2, "0");

// 3.2s, 4m05s, 2h10m, 3d04h
export function duration(seconds) {
	if (seconds < 60)
		return `${seconds < 10 ? seconds.toFixed(1) : Math.floor(seconds)}s`;
	if (seconds < 3600)
		return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`;
	if (seconds < 86400)
		return `${Math.floor(seconds / 3600)}h${two(seconds % 3600 / 60)}m`;
	return `${Math.floor(seconds / 86400)}d${two(seconds % 86400 / 3600)}h`;
}

// Short ones, too: 250 µs, 4.1 ms, 2.3 s.
export function span(seconds) {
	if (seconds === 0)
		return "0";
	if (seconds < 1e-6)
		return `${(seconds * 1e9).toPrecision(2)} ns`;
	if (seconds < 1e-3)
		return `${Number((seconds * 1e6).toPrecision(3))} µs`;
	if (seconds < 1)
		return `${Number((seconds * 1e3).toPrecision(3))} ms`;
	return seconds < 60 ? `${Number(seconds.toPrecision(3))} s` : duration(seconds);
}

export const ago = (seconds) => seconds < 1 ? "now" : `${duration(seconds)} ago`;

export function eta(seconds) {
	if (!Number.isFinite(seconds) || seconds > 99 * 3600)
		return "";
	const minutes = `${Math.floor(seconds / 60 % 60)}:${two(seconds % 60)}`;

	return seconds < 3600 ? minutes : `${Math.floor(seconds / 3600)}:${minutes.padStart(5, "0")}`;
}
