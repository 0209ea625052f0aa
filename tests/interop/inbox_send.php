<?php
/*
 * inbox_send.php - send one message of each kind to an inbox, as PHP does it.
 *
 *   php inbox_send.php KEY
 */
error_reporting(E_ALL);
$queue = msg_get_queue((int) $argv[1]);

$messages = [
	'a string', "bytes \x01\xff", 42, 1.5, true, null, [1, 'two', ['k' => null]], ['5' => 'five', 'h' => "h\u{e4}"],
	['payload' => "p\x01", 'priority' => 'high', 'delay' => '10m', 'unique' => 'u1', 'tag' => 7, 'timeout' => 2.5],
	['payload' => ['to' => 'a@b', 'tries' => 3], 'priority' => 9, 'at' => 1800000000],
];
foreach ($messages as $message)
	msg_send($queue, 3, $message) || exit(1);
foreach (['a raw string', '{"payload": "from JSON", "tag": "raw"}', 7, true] as $message)
	msg_send($queue, 9, $message, false) || exit(1);
