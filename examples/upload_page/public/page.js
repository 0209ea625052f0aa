// page.js - sends files to upload.php, and asks progress.php how far they are, as long as any of them is on its way.
'use strict';

const EVERY = 250; // ms between two questions
const SEEN = 'uploads'; // in the storage of this tab, so that a reload of the page goes on: [{tag, name}]

const list = document.getElementById('uploads');
const trouble = document.getElementById('trouble');
const uploads = new Map(); // by tag: {row, over}
let timer = null;

function amount(bytes) {
	const units = ['bytes', 'KiB', 'MiB', 'GiB'];
	let unit = 0;
	for (; bytes >= 1024 && unit < units.length - 1; unit++) {
		bytes /= 1024;
	}
	return (unit ? bytes.toFixed(1) : bytes) + ' ' + units[unit];
}

function seconds(number) {
	const whole = Math.ceil(number);
	return whole < 60 ? whole + ' s' : Math.floor(whole / 60) + ' min ' + (whole % 60) + ' s';
}

function addRow(name) {
	const row = document.getElementById('row').content.cloneNode(true).firstElementChild;
	row.querySelector('.name').textContent = name;
	row.querySelector('.bar').setAttribute('aria-label', name);
	list.prepend(row);
	return row;
}

function show(row, {state, percent = null, amount = '', rest = '', kind = ''}) {
	const bar = row.querySelector('.bar');
	row.className = kind;
	row.querySelector('.state').textContent = state;
	row.querySelector('.amount').textContent = amount;
	row.querySelector('.rest').textContent = rest;
	// Without a number, assistive software takes the bar for one that just goes on.
	if (percent === null) {
		bar.removeAttribute('aria-valuenow');
	} else {
		bar.setAttribute('aria-valuenow', percent);
	}
	bar.firstElementChild.style.width = (percent ?? 0) + '%';
}

function showJob(upload, job) {
	const done = job.state === 'done';
	const failed = !done && (job.finished !== null || job.state === 'gone');
	const parts = [];
	if (job.total) {
		parts.push(`${amount(job.done)} of ${amount(job.total)}`);
	}
	if (job.rate !== null) {
		parts.push(`${amount(job.rate)}/s`);
	}
	upload.over = done || failed;
	show(upload.row, {
		state: job.percent === null || upload.over ? job.state : `${job.percent.toFixed(0)} %`,
		percent: job.percent,
		amount: parts.join(', '),
		rest: job.error ?? (job.eta === null ? '' : `still ${seconds(job.eta)}`),
		kind: done ? 'done' : failed ? 'bad' : '',
	});
}

function say(text) {
	trouble.textContent = text;
	trouble.hidden = !text;
}

async function ask() {
	const open = [...uploads].filter(([, upload]) => !upload.over).map(([tag]) => tag);
	try {
		const answer = await (await fetch('progress.php?tags=' + open.join(','))).json();
		for (const [tag, job] of Object.entries(answer.jobs)) {
			showJob(uploads.get(tag), job);
		}
		say(answer.runs ? '' : 'The uploads stand still: nobody is at work. They go on when it is started again.');
	} catch (error) {
		say('The web server does not answer; trying again.');
	}
	timer = null;
	follow();
}

function follow() {
	if (timer === null && [...uploads.values()].some((upload) => !upload.over)) {
		timer = setTimeout(ask, EVERY);
	}
}

function take(tag, name, row) {
	uploads.set(tag, {row, over: false});
	show(row, {state: 'waiting'});
	follow();
}

function remember(tag, name) {
	const seen = JSON.parse(sessionStorage.getItem(SEEN) ?? '[]');
	seen.push({tag, name});
	sessionStorage.setItem(SEEN, JSON.stringify(seen.slice(-20)));
}

async function send(file) {
	const row = addRow(file.name);
	const form = new FormData();
	form.append('file', file);
	show(row, {state: 'sending'});
	try {
		const answer = await (await fetch('upload.php', {method: 'POST', body: form})).json();
		if (!answer.tag) {
			throw new Error(answer.error);
		}
		remember(answer.tag, file.name);
		take(answer.tag, file.name, row);
	} catch (error) {
		show(row, {state: 'failed', rest: error.message, kind: 'bad'});
	}
}

const files = document.getElementById('files');
const choose = document.querySelector('.choose');
files.addEventListener('change', () => {
	[...files.files].forEach(send);
	files.value = '';
});
for (const [name, over] of [['dragover', true], ['dragleave', false], ['drop', false]]) {
	choose.addEventListener(name, (event) => {
		event.preventDefault();
		choose.classList.toggle('over', over);
		[...(name === 'drop' ? event.dataTransfer.files : [])].forEach(send);
	});
}
for (const {tag, name} of JSON.parse(sessionStorage.getItem(SEEN) ?? '[]')) {
	take(tag, name, addRow(name));
}
