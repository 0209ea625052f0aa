<?php
/*
 * submit.php DIRECTORY POOL PAYLOAD [--wait|--progress] - one job by one message, with PHP's sysvmsg and nothing else.
 *
 * --wait: until the answer comes. --progress: the same, with a line for each step of the job; it asks the program
 * `yardmaster` (or $YARDMASTER) about the job, and inbox.ini beside this file says of which instance.
 */
error_reporting(E_ALL);
const LOOK_US = 200000;

/* A line for what has changed since $last. False if there is nobody to ask. */
function look(string $tag, string &$last): bool
{
	$command = [getenv('YARDMASTER') ?: 'yardmaster', 'jobs', '--json', '--tag', $tag, '-c', __DIR__ . '/inbox.ini'];
	exec(implode(' ', array_map('escapeshellarg', $command)), $lines, $code);
	/* No line: the master has not taken the message yet. */
	$job = json_decode($lines[0] ?? '{}', true);
	$line = $job['state'] ?? '';
	$line .= isset($job['done']) ? rtrim(" {$job['done']}/{$job['total']} {$job['unit']}") : '';
	$line .= isset($job['note']) ? " {$job['note']}" : '';
	if ($line !== '' && $line !== $last)
		echo $last = $line, "\n";
	return $code === 0;
}

/* Null if the instance has gone. */
function await($answers, int $type, ?string $tag): ?array
{
	for ($last = ''; ; usleep(LOOK_US)) {
		$flags = $tag === null ? 0 : MSG_IPC_NOWAIT;
		$came = msg_receive($answers, $type, $got, 65536, $answer, true, $flags, $error);
		if (!$came && $error !== MSG_ENOMSG)
			throw new RuntimeException("cannot receive the answer: error $error");
		/* Once more when the answer is there: for the last step. */
		if ($tag !== null && !look($tag, $last) && !$came)
			return null;
		if ($came)
			return $answer;
	}
}

/* With a queue of our own for the answer. One queue for many scripts is fine, too: each asks for a type of its own. */
function submit_and_wait($inbox, array $job, bool $progress): int
{
	$keyFile = tempnam(sys_get_temp_dir(), 'answer');
	$key = ftok($keyFile, 'a');
	$answers = msg_get_queue($key, 0600);
	$type = getmypid();
	try {
		if (!msg_send($inbox, 1, $job + ['reply' => $key, 'reply_type' => $type]))
			return 1;
		$answer = await($answers, $type, $progress ? $job['tag'] : null);
	} finally {
		msg_remove_queue($answers);
		unlink($keyFile);
	}
	if ($answer === null) {
		fwrite(STDERR, "cannot look at the job: `yardmaster jobs` failed\n");
		return 3;
	}
	/* No result: it is not done, or its result is too long for a message. Not every end has an error. */
	echo $answer['result'] ?? implode(': ', array_filter([$answer['state'], $answer['error']])) . "\n";
	return $answer['state'] === 'done' ? 0 : 1;
}

[, $directory, $pool, $payload] = $argv + array_fill(0, 4, null);
if ($payload === null) {
	fwrite(STDERR, "usage: php submit.php DIRECTORY POOL PAYLOAD [--wait|--progress]\n");
	exit(2);
}
/* The file is there once the instance was started; the queue, as long as anybody takes part. */
$key = @ftok("$directory/inbox.$pool", 'y');
if ($key === -1 || !msg_queue_exists($key)) {
	fwrite(STDERR, "there is no inbox of pool $pool in $directory\n");
	exit(3);
}
$inbox = msg_get_queue($key);
/* A name to find the job by, and nobody else's. */
$job = ['payload' => $payload, 'tag' => 'from-PHP-' . getmypid() . '-' . microtime(true)];

$progress = in_array('--progress', $argv, true);
if ($progress || in_array('--wait', $argv, true))
	exit(submit_and_wait($inbox, $job, $progress));
/* Without options the payload alone would do: msg_send($inbox, 1, $payload) */
exit(msg_send($inbox, 1, $job) ? 0 : 1);
