<?php
/*
 * submit.php DIRECTORY POOL PAYLOAD [--wait] - one job by one message, with PHP's sysvmsg and nothing else.
 */
error_reporting(E_ALL);
[, $directory, $pool, $payload] = $argv + array_fill(0, 4, null);
if ($payload === null)
	exit("usage: php submit.php DIRECTORY POOL PAYLOAD [--wait]\n");
if (!msg_queue_exists(ftok("$directory/inbox.$pool", 'y'))) {
	fwrite(STDERR, "there is no inbox of pool $pool in $directory\n");
	exit(3);
}
$inbox = msg_get_queue(ftok("$directory/inbox.$pool", 'y'));
$job = ['payload' => $payload, 'tag' => 'from PHP'];

if (!in_array('--wait', $argv)) {
	/* Without options the payload alone would do: msg_send($inbox, 1, $payload) */
	exit(msg_send($inbox, 1, $job) ? 0 : 1);
}

/* A queue of our own for the answer. One queue for many scripts is fine, too: each asks for a type of its own. */
$keyFile = tempnam(sys_get_temp_dir(), 'answer');
$answers = msg_get_queue(ftok($keyFile, 'a'), 0600);
$type = getmypid();
try {
	msg_send($inbox, 1, $job + ['reply' => ftok($keyFile, 'a'), 'reply_type' => $type]) || exit(1);
	msg_receive($answers, $type, $got, 65536, $answer) || exit(1);
} finally {
	msg_remove_queue($answers);
	unlink($keyFile);
}
echo $answer['state'] === 'done' ? $answer['result'] : "{$answer['state']}: {$answer['error']}\n";
exit($answer['state'] === 'done' ? 0 : 1);
