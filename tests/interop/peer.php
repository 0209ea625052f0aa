<?php
/*
 * peer.php - what peer.c does, in stock PHP: a verb, the name of a handle and arguments on a line, one line as the
 * answer. "throw" ends it with an exception that nobody catches.
 */

$sems = $queues = $segments = [];

function hex(string $bytes): string { return 'x' . bin2hex($bytes); }
function bytes(string $word): string { return hex2bin(substr($word, 1)); }

/* The text of the last warning, as an error of the call. */
function failed(string $call): string { return "error $call: " . (error_get_last()['message'] ?? 'no warning'); }

/* Read the number in a file and write the next one, each time under one unit. */
function count_up(SysvSemaphore $sem, string $path, int $times): string
{
	$file = fopen($path, 'r+');
	while ($times-- > 0) {
		if (!@sem_acquire($sem))
			return failed('sem_acquire');
		rewind($file);
		$n = (int)fgets($file);
		rewind($file);
		fwrite($file, $n + 1 . "\n");
		fflush($file);
		if (!@sem_release($sem))
			return failed('sem_release');
	}
	return 'ok';
}

function send(SysvMessageQueue $queue, int $type, string $bytes, bool $wait): string
{
	if (@msg_send($queue, $type, $bytes, false, $wait, $code))
		return 'sent';
	return $code === MSG_EAGAIN ? 'full' : failed("msg_send code $code");
}

function receive(SysvMessageQueue $queue, int $type, int $max, int $flags): string
{
	if (msg_receive($queue, $type, $got, $max, $message, false, $flags, $code))
		return "got $got " . hex($message);
	return $code === MSG_ENOMSG ? 'none' : "error msg_receive code $code: " . posix_strerror($code);
}

/* Send each message of type 1 back as type 2. */
function relay(SysvMessageQueue $queue, int $times): string
{
	while ($times-- > 0) {
		if (!msg_receive($queue, 1, $got, 8192, $message, false) || !msg_send($queue, 2, $message, false))
			return failed('relay');
	}
	return 'ok';
}

/* The serialized value: all of it, or its length and crc32. */
function show(SysvSharedMemory $segment, int $key, bool $all): string
{
	if (!shm_has_var($segment, $key))
		return 'missing';
	$value = @shm_get_var($segment, $key);
	if (error_get_last())
		return failed('shm_get_var');
	$bytes = serialize($value);
	return $all ? 'value ' . hex($bytes) : strlen($bytes) . ' bytes ' . crc32($bytes);
}

function put(SysvSharedMemory $segment, int $key, mixed $value): string
{
	if (@shm_put_var($segment, $key, $value))
		return 'ok';
	return str_contains(error_get_last()['message'], 'Not enough') ? 'full' : failed('shm_put_var');
}

/* One more; the first element of an array that grows and shrinks, so that things move. */
function bump(SysvSemaphore $sem, SysvSharedMemory $segment, int $key, int $times): string
{
	while ($times-- > 0) {
		if (!@sem_acquire($sem))
			return failed('sem_acquire');
		$n = shm_has_var($segment, $key) ? shm_get_var($segment, $key)[0] : 0;
		if (!@shm_put_var($segment, $key, [$n + 1, str_repeat('p', $n * 11 % 400)]))
			return failed('shm_put_var');
		if (!@sem_release($sem))
			return failed('sem_release');
	}
	return 'ok';
}

/* Put large values of changing sizes until killed; a line says that all of them were put once. */
function churn(SysvSemaphore $sem, SysvSharedMemory $segment, int $first, int $count, int $most): string
{
	for ($n = 0; sem_acquire($sem); $n++) {
		if ($n === $count)
			echo "begun\n";
		$length = intdiv($most, 2) + $n * 7919 % intdiv($most, 2);
		shm_put_var($segment, $first + $n % $count, str_repeat(chr(97 + $n % 26), $length)) || exit(1);
		sem_release($sem);
	}
	return failed('sem_acquire');
}

/* ---- the verbs ------------------------------------------------------------------------------- */

function answer(string $verb, string $name, array $word): string
{
	global $sems, $queues, $segments;
	$sem = $sems[$name] ?? null;
	$queue = $queues[$name] ?? null;
	$segment = $segments[$name] ?? null;
	error_clear_last();
	switch ($verb) {
	case 'ftok':
		return (string)ftok($word[0], chr((int)$word[1]));
	case 'crc32':
		return (string)crc32(bytes($word[0]));

	case 'get':
		/* With "keep" as third word: auto_release off. */
		$sems[$name] = @sem_get(intval($word[0], 0), (int)$word[1], 0666, !isset($word[2]));
		return $sems[$name] ? 'joined' : failed('sem_get');
	case 'try':
		return @sem_acquire($sem, true) ? 'taken' : (error_get_last() ? failed('sem_acquire') : 'busy');
	case 'acquire':
		return @sem_acquire($sem) ? 'taken' : failed('sem_acquire');
	case 'release':
		return @sem_release($sem) ? 'ok' : failed('sem_release');
	case 'close':
		unset($sems[$name]);
		return 'ok';
	case 'remove':
		return @sem_remove($sem) ? 'ok' : failed('sem_remove');
	case 'count':
		return count_up($sem, $word[0], (int)$word[1]);

	case 'queue':
		$queues[$name] = @msg_get_queue(intval($word[0], 0));
		return $queues[$name] ? 'ok' : failed('msg_get_queue');
	case 'send':
		return send($queue, (int)$word[0], bytes($word[1]), $word[2] === 'wait');
	case 'receive':
		return receive($queue, (int)$word[0], (int)$word[1], (int)$word[2]);
	case 'relay':
		return relay($queue, (int)$word[0]);
	case 'unqueue':
		return msg_remove_queue($queue) ? 'ok' : failed('msg_remove_queue');

	case 'attach':
		$segments[$name] = @shm_attach(intval($word[0], 0), (int)$word[1]);
		return $segments[$name] ? 'ok' : failed('shm_attach');
	case 'detach':
		return shm_detach($segment) ? 'ok' : failed('shm_detach');
	case 'destroy':
		return shm_remove($segment) ? 'ok' : failed('shm_remove');
	case 'put':
		return put($segment, (int)$word[0], unserialize(bytes($word[1])));
	case 'fetch':
		return show($segment, (int)$word[0], true);
	case 'sum':
		return show($segment, (int)$word[0], false);
	case 'has':
		return shm_has_var($segment, (int)$word[0]) ? 'yes' : 'no';
	case 'drop':
		return @shm_remove_var($segment, (int)$word[0]) ? 'ok' : 'missing';
	case 'bump':
		return bump($sem, $segment, (int)$word[0], (int)$word[1]);
	case 'churn':
		return churn($sem, $segment, (int)$word[0], (int)$word[1], (int)$word[2]);

	case 'throw':
		throw new Exception('on purpose');
	}
	return 'error no such line';
}

while (($line = fgets(STDIN)) !== false && !str_starts_with($line, 'bye')) {
	$word = explode(' ', rtrim($line, "\n"));
	echo answer($word[0], $word[1], array_slice($word, 2)), "\n";
}
