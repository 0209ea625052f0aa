<?php
/*
 * make_corpus.php - the inputs that the fuzz targets begin with, from a real PHP.
 *
 *   unshare --ipc php tests/fuzz/make_corpus.php
 *
 * Writes tests/fuzz/corpus/TARGET/*; files whose names begin with "found-" are inputs that once showed an error, and are
 * not made here. The dumps of segments differ in their stale bytes only when PHP changes.
 */

const TOP = __DIR__ . '/corpus';
const KEY = 0x59000001;

function keep(string $target, string $name, string $bytes): void
{
	if (!is_dir(TOP . "/$target"))
		mkdir(TOP . "/$target", 0777, true);
	file_put_contents(TOP . "/$target/$name", $bytes);
}

function keepAll(string $target, array $inputs): void
{
	foreach ($inputs as $name => $bytes)
		keep($target, is_int($name) ? sprintf('%02d', $name) : $name, $bytes);
}

/* ---- unserialize ------------------------------------------------------------------------------- */

class Plain { public $a = 1; protected $b = [1, 'x']; private $c; }
class Packed { public function __serialize(): array { return [1, 'k' => null]; } }
class Old implements Serializable
{
	public function serialize() { return 'any {bytes}'; }
	public function unserialize($bytes) { }
}
enum Suit: string { case Hearts = 'H'; case Spades = 'S'; }

function deep(int $depth)
{
	$value = 1;
	while ($depth-- > 0)
		$value = [$value];
	return $value;
}

/* The bytes of arrays in arrays. */
function nest(int $depth, string $innermost): string
{
	return str_repeat('a:1:{i:0;', $depth) . $innermost . str_repeat('}', $depth);
}

function sharedVariables(): array
{
	$object = new stdClass;
	$x = 7;
	$list = [$object, $object, &$x, &$x, $object, 'end'];
	$inside = [1, [2, 3]];
	$inside['again'] = &$inside[1];
	return [$list, $inside, [$list, $list]];
}

function objectsAgain(): array
{
	$one = new Plain;
	$two = new Packed;
	return [[$one, $two], 'k' => $two, [Suit::Spades, $one, Suit::Spades, $two]];
}

function selfContaining(): array
{
	$a = ['x' => 1];
	$a['self'] = &$a;
	return $a;
}

function ring(): stdClass
{
	$one = new stdClass;
	$one->two = new stdClass;
	$one->two->one = $one;
	$one->two->list = [1, &$one->two];
	return $one;
}

error_reporting(E_ALL & ~E_DEPRECATED);
$serialized = [
	'null' => null, 'true' => true, 'int' => -42, 'int-max' => PHP_INT_MAX, 'int-min' => PHP_INT_MIN,
	'float' => 0.1, 'float-large' => 1.5e25, 'float-tiny' => 5e-324, 'float-zero' => -0.0, 'float-inf' => -INF,
	'float-nan' => NAN, 'float-whole' => 1e15, 'string' => "h\u{e9}llo \"quoted\"", 'string-empty' => '',
	'string-binary' => "\0\xff;}", 'list' => [1, 2.5, 'three', null, false], 'map' => ['a' => 1, 'b' => ['c' => []], -7 => 'x'],
	'keys' => ['5' => 1, '05' => 2, '-0' => 3, PHP_INT_MAX => 4, '9223372036854775808' => 5, '' => 6, "\0k" => 7],
	'many' => range(1, 40), 'many-keys' => array_combine(array_map(fn($i) => "k$i", range(1, 20)), range(1, 20)),
	'deep' => deep(60), 'object' => new Plain, 'objects-again' => objectsAgain(),
	'objects' => [new Plain, [new Plain, new stdClass]],
	'packed' => new Packed, 'old' => [new Old, 1], 'enum' => [Suit::Hearts, Suit::Spades, Suit::Hearts],
	'date' => new DateTime('2001-02-03 04:05:06 UTC'), 'references' => sharedVariables(), 'self' => selfContaining(),
	'ring' => ring(), 'iterator' => new ArrayObject([1, new ArrayObject(['x' => 2])]),
];
foreach ($serialized as $name => $value)
	keep('unserialize', $name, serialize($value));
keepAll('unserialize', [
	'escaped' => 'S:4:"\41b\00\7f";', 'escaped-key' => 'a:1:{S:2:"\31x";i:1;}', 'double-keys' => 'a:3:{i:1;a:1:{i:0;i:5;}i:1;N;i:2;R:3;}',
	'behind' => 'i:1;more', 'plus' => 'a:2:{i:0;i:+7;i:1;d:+.5e-3;}', 'zeros' => 's:0003:"abc";',
	'cut' => 'a:2:{i:0;s:3:"ab', 'too-many' => 'a:99999999:{i:0;N;}', 'too-long' => 's:18446744073709551615:"x";',
	'forward' => 'a:2:{i:0;R:3;i:1;i:1;}', 'itself' => 'a:1:{i:0;R:1;}', 'no-object' => 'a:2:{i:0;i:1;i:1;r:2;}',
	'doubling' => 'a:6:{i:0;a:2:{i:0;i:1;i:1;i:2;}i:1;a:2:{i:0;R:2;i:1;R:2;}i:2;a:2:{i:0;R:5;i:1;R:5;}'
		. 'i:3;a:2:{i:0;R:6;i:1;R:6;}i:4;a:2:{i:0;R:7;i:1;R:7;}i:5;a:2:{i:0;R:8;i:1;R:8;}}',
	/* Deeper than the limit only once what is referred to stands where it is referred from. */
	'deep-by-reference' => 'a:2:{i:0;' . nest(2100, 'N;') . 'i:1;' . nest(2100, 'R:2;') . '}',
	'deep-object-by-reference' => 'a:3:{i:1;O:1:"A":1:{i:0;' . nest(4000, 'N;') . '}i:2;' . nest(200, 'r:2;') . 'i:1;N;}',
	'into-object' => 'a:2:{i:0;O:8:"stdClass":1:{s:1:"a";i:1;}i:1;R:3;}',
	'out-of-object' => 'a:2:{i:0;i:7;i:1;O:8:"stdClass":1:{s:1:"a";R:2;}}',
]);

/* ---- typed ------------------------------------------------------------------------------------- */

keepAll('typed', [
	'plain', '', '-', 'str:', 'str:int:4', 'int:-42', 'int:007', 'int:9223372036854775808', 'float:1.5', 'float:-2e-7',
	'float:INF', 'float:1e400', 'float:.', 'bool:true', 'bool:off', 'bool:maybe', 'null:', 'null:x', 'json:-', 'php:-',
	'json:{"a": [1, 2.0, -0.0, "x\u0000y"], "5": {"6": null}}', 'json:[1e25, 12345678901234567890]', 'json:"\ud834\udd1e"',
	'json:{"a": 1, "a": 2}', "json:\"\xff\"", 'json:[[[[[[[[[[]]]]]]]]]]', 'json:{"\u0000": 1}', "two\nlines\t\x01 \"quoted\" \\",
	"\xc2\x85 \xed\xa0\x80 \xf4\x90\x80\x80 h\u{e9}", 'php:i:7;', 'php:i:7;x', 'php:a:1:{i:0;',
]);
foreach (['map', 'keys', 'references', 'self', 'enum', 'float-nan', 'many-keys', 'deep'] as $name)
	keep('typed', "php-$name", 'php:' . str_replace("\0", '.', serialize($serialized[$name])));

/* ---- envelope ----------------------------------------------------------------------------------- */

$envelope = ['payload' => "x\0\xff", 'priority' => 'high', 'delay' => '10m', 'unique' => 'k', 'tag' => 7, 'timeout' => 1.5,
	'reply' => 'name:x', 'reply_type' => 5];
keepAll('envelope', [
	'plain', '', 'i:5;', "i:5;\n", 'N;', 'd:INF;', '{}', '[1]', ' {"payload": 1} ', '{"payload": {"a": [1e2, "}"], "b": "\\""}, "tag": "t"}',
	'{"payload": 12345678901234567890, "reply": "0x7", "reply_type": 9223372036854775807}', '{"payload": 1e400}',
	'{"payload": null, "file": "/etc/passwd"}', '{"payload": "", "at": "2026-11-21T20:15:03.25+01:00"}',
	'{"payload": "", "at": "2026-02-30 00:00"}', '{"payload": 1, "prority": 3}', '{"payload": 1, "payload": 2}',
	'{"payload": 1, "tag": null, "unique": "a\u0000b"}', '{"\u0070ayload": "\ud834\udd1e"}', '{"payload": 1',
	serialize($envelope), serialize(['payload' => $envelope, 'at' => 1800000000]), serialize([1, 2.5, [null, true]]),
	serialize(['5' => 'a', 'k' => []]), serialize("\xff"), serialize(["\xff"]), serialize(["\xff" => 1]), serialize([NAN]),
	serialize(new stdClass), serialize([new stdClass]), serialize(['payload' => null, 'file' => '/nothing']),
	json_encode(array_diff_key($envelope, ['payload' => 0]) + ['payload' => 'p']), nest(600, 'N;'),
	serialize($serialized['references'][0]), 'a:1:{i:0;R:1;}',
]);
foreach (['doubling' => 'a:6:{i:0;a:2:{i:0;s:99:"' . str_repeat('x', 99) . '";i:1;i:2;}i:1;a:2:{i:0;R:2;i:1;R:2;}i:2;a:2:{i:0;R:5;i:1;R:5;}'
	. 'i:3;a:2:{i:0;R:6;i:1;R:6;}i:4;a:2:{i:0;R:7;i:1;R:7;}i:5;a:2:{i:0;R:8;i:1;R:8;}}'] as $name => $bytes)
	keep('envelope', $name, $bytes);

/* ---- key ----------------------------------------------------------------------------------------- */

keepAll('key', [
	'1', '-1', '0', '00', '-0', '42', '4294967295', '4294967296', '-2147483648', '-2147483649', '0x', '0x0', '0x59000001',
	'0XFFFFFFFF', '0x100000000', '0x-1', '-0x1', ' 1', '+1', '1 ', '--1', '-', '', '99999999999999999999', 'name:', 'name:x',
	'name:jobs', "name:h\u{e9}", 'name:x:y', '/etc/passwd:y', '/:a', '/etc/nothing:y', ':a', 'a:', '1:2', '/etc:', "/:\xff",
	'name:4294967296',
]);

/* ---- config -------------------------------------------------------------------------------------- */

$pool = "[pool:p]\nplugin = /x.so\n";
keepAll('config', [
	'', $pool, "\xef\xbb\xbf$pool", str_replace("\n", "\r\n", $pool), "[yardmaster]\ninstance = a\njobs = 100\nclients = 9\n$pool",
	"[yardmaster]\ndirectory = ../x\npayload_max = 64kb\nresult_ttl = 1h30m\nboard_mode = 0640\nlog_level = debug\n$pool",
	"[limit:cpu]\nmax = 2\nkey = 0x59000001\n[limit:db]\nmax = 1\nkey = name:db\n{$pool}limits = cpu, db\n",
	...array_map(fn($key) => "[limit:l]\nmax = 1\nkey = $key\n$pool", ['-2147483648', '-2147483649', '4294967295',
		'4294967296', '0', '-1', '0xffffffff', '0x100000000', '+1', 'name:', '1x', 'x:y']),
	"[limit:f]\nmax = 1\nkey = ftp.ini:y\n{$pool}limits = f\n", "{$pool}workers = 4\nattempts = 3\nbackoff = 250ms\ntimeout = 1.5s\n",
	"{$pool}startsecs = 1\nrestart_delay = 1s\nrestart_max_delay = 1m\nstopwaitsecs = 5\ntimeout_grace = 2s\n",
	"{$pool}option.url = ftp://127.0.0.1/\noption.x = \n", "; comment\n # another\n\n$pool", "$pool continued\n", "{$pool}wrkers = 4\n",
	"{$pool}workers = 4\nworkers = 5\n", "{$pool}workers = 99999999999999999999\n", "[pool:p\n", "[pool:]\n", "[what:x]\n", "= x\n",
	"no section = 1\n", "{$pool}numprocs = 2\nlimits = nowhere\n", "$pool\0", "[limit:a]\nkey = 4294967296\nmax = 0\n$pool",
	file_get_contents(__DIR__ . '/../../examples/ftp/ftp.ini'), file_get_contents(__DIR__ . '/../../examples/hello/hello.ini'),
	"[pool:c]\ncommand = ./bin/x {file} \"a \\\" b\" 'c d' e\\ f\noutput_max = 1kb\nretry_codes = 75, 1\noption.k = v\n",
	"[pool:c]\ncommand = x 'a\n", "[pool:c]\ncommand = x | y\n$pool", "{$pool}command = x\n", "[pool:c]\noutput_max = 1kb\n",
	"{$pool}crashes = 2\non_crash = pool:q\non_fail = bury\nbackoff_max = 2m\nbackoff_factor = 3\nbackoff_jitter = 5%\n" .
		"[pool:q]\nplugin = y\non_crash = bury\n", "{$pool}on_crash = pool:p\n",
	"{$pool}timeout_from = progress\npriority = urgent\nageing = 5s\nrate = 0.5/h\ninbox = yes\ninbox_key = name:q\n",
	"{$pool}limits = cpu:2, db\n[limit:cpu]\nmax = 2\nrate = 10/s\n[limit:db]\nrate = 90/m\n", "{$pool}limits = cpu:3\n[limit:cpu]\nmax = 2\n",
	"{$pool}workers = 2..16\nworkers_start = 3\nmin_spare = 2\nmax_spare = 5\nmax_memory = 1mb\nmax_memory_hard = 2mb\n",
	"{$pool}pm = dynamic\npm.max_children = 9\npm.min_spare_servers = 2\nenv[A] = \$HOME\nchdir = /x\nrlimit_core = unlimited\n",
	"{$pool}autorestart = unexpected\nexitcodes = 0,2\nstopsignal = RTMIN+1\nready = delay:2s\nnice = -5\numask = 027\n",
	"[cron:c]\npool = p\nschedule = 1 2 * * *\ntimezone = UTC\npriority = low\n[cron:d]\npool = p\nschedule = @every 5m\n$pool",
	"[program:a]\ncommand = x %(process_num)02d %%\nnumprocs = 3\nprocess_name = %(program_name)s_%(process_num)d\n" .
		"environment = A=\"1\",\n  B='2', ; c\n  C=%(here)s\ndepends_on = b\n[program:b]\ncommand: y ; c\nready: command:z 1\n",
	"[program:a]\ncommand = x\ndepends_on = b\n[program:b]\ncommand = y\ndepends_on = a\n", "[include]\nfiles = f *\n$pool",
	"[supervisord]\nlogfile = %(here)s/l ; c\nenvironment = A=1\numask = 022\nnodaemon = true\nfoo = 1\n" .
		"[program:a]\ncommand = %(ENV_A)s | b\nstdout_logfile = NONE\nstderr_logfile = /l\nserverurl = AUTO\n[group:g]\nprograms = a\n",
]);

/* ---- segment ------------------------------------------------------------------------------------- */

/* What is in a segment of `size` bytes after `fill` has put its variables. */
function dump(int $size, callable $fill): string
{
	$vars = shm_attach(KEY, $size, 0600);
	$fill($vars);
	$raw = shmop_open(KEY, 'a', 0, 0);
	$bytes = shmop_read($raw, 0, 0);
	shm_remove($vars);
	shm_detach($vars);
	return $bytes;
}

/* A segment and some operations: kind, key, length. */
function input(string $segment, array $operations = [[0, 0, 20], [1, 0, 0], [4, 9, 0], [3, 1, 0], [0, 1, 90], [2, 7, 0]]): string
{
	foreach ($operations as [$kind, $key, $length])
		$segment .= pack('CCv', $kind, $key, $length);
	return $segment . chr(count($operations));
}

/* With some of its 8-byte words changed: offset => number, or a function of the old one. */
function damage(string $segment, array $words): string
{
	foreach ($words as $at => $word) {
		if (is_callable($word))
			$word = $word(unpack('q', substr($segment, $at, 8))[1]);
		$segment = substr_replace($segment, pack('q', $word), $at, 8);
	}
	return $segment;
}

$three = dump(400, function ($vars) {
	shm_put_var($vars, 7, 42);
	shm_put_var($vars, -1, "h\u{e9}llo");
	shm_put_var($vars, 3, [1.5, true, null]);
});
$moved = dump(480, function ($vars) use ($serialized) {
	foreach ([1, 2, 3, 4] as $key)
		shm_put_var($vars, $key, str_repeat('x', $key * 11));
	shm_put_var($vars, 2, new Plain);
	shm_remove_var($vars, 3);
	shm_put_var($vars, PHP_INT_MIN, $serialized['references'][1]);
});
$full = dump(40 + 5 * 40, function ($vars) {
	for ($key = 0; $key < 5; $key++)
		shm_put_var($vars, $key, $key);
});
$empty = dump(200, function ($vars) { });
$odd = dump(203, function ($vars) { shm_put_var($vars, 1, 'odd'); });
$segments = [
	'three' => $three, 'moved' => $moved, 'full' => $full, 'empty' => $empty, 'odd' => $odd,
	'least' => dump(40, function ($vars) { }), 'nearly' => dump(79, function ($vars) { }),
	'larger' => $three . str_repeat("\0", 64), 'cut' => substr($three, 0, 150), 'short' => substr($three, 0, 39),
	'zeroes' => str_repeat("\0", 160), 'text' => str_repeat('not of PHP ', 12),
	'no-magic' => 'x' . substr($three, 1), 'no-start' => damage($three, [8 => 48]),
	'words-of-4' => "PHP_SM\0\0" . pack('V*', 24, 24, 76, 100) . str_repeat("\0", 76),
	'end-large' => damage($three, [16 => 1 << 30]), 'end-small' => damage($three, [16 => 39]),
	'end-inside' => damage($three, [16 => fn($end) => $end - 8]), 'end-beyond' => damage($moved, [16 => fn($end) => $end + 56]),
	'end-negative' => damage($three, [16 => PHP_INT_MIN]), 'free-large' => damage($three, [24 => 1 << 40]),
	'free-off' => damage($three, [24 => 8]), 'total-large' => damage($three, [32 => 1 << 20]),
	'total-small' => damage($three, [32 => 100]), 'total-zero' => damage($three, [32 => 0]),
	'busy' => damage($three, [24 => -1]), 'moving' => damage($moved, [24 => -88, 32 => 48]),
	'moved-all' => damage($moved, [24 => -216, 32 => 48]), 'moving-far' => damage($moved, [24 => -88, 32 => 4000]),
	'next-zero' => damage($three, [40 + 16 => 0]), 'next-huge' => damage($three, [80 + 16 => PHP_INT_MAX]),
	'next-back' => damage($three, [80 + 16 => -40]), 'next-odd' => damage($three, [40 + 16 => 41]),
	'length-zero' => damage($three, [80 + 8 => 0]), 'length-huge' => damage($three, [40 + 8 => PHP_INT_MAX]),
	'length-negative' => damage($three, [128 + 8 => -1]), 'twice' => damage($three, [80 => 7]),
	'last-cut' => damage($three, [128 + 16 => 56]),
];
foreach ($segments as $name => $segment)
	keep('segment', $name, input($segment));
keep('segment', 'dump-as-it-is', $three);
keep('segment', 'writers', input($moved, [[40, 0, 7], [88, 0, 3], [16, 0, 0xf104], [24, 0, 2], [24, 0, 0xf100], [41, 1, 0]]));
