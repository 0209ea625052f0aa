<?php
/*
 * types.php - every type of PHP, put by PHP, taken out and put back by the command line and by the C peer.
 *
 *   php types.php YARDMASTER PEER KEY
 *
 * For each value: `shm get --php` prints what serialize() gives; `shm get --php | shm put php:-` gives PHP the value
 * back; so does the peer, which decodes and encodes it. Exit code 0 and the number of values, or the first difference.
 */

error_reporting(E_ALL);

class Plain { public $a = 1; protected $b = 'two'; private $c = [3]; public ?Plain $next = null; }
class Child extends Plain { private $c = 4; public $d = -0.0; }
class Packed
{
	public function __construct(public array $inner = []) {}
	public function __serialize(): array { return ['packed' => $this->inner, 7]; }
	public function __unserialize(array $data): void { $this->inner = $data['packed']; }
}
class Sleeper
{
	public $kept = 'kept';
	private $secret = 's';
	public $dropped = 1;
	public function __sleep() { return ['kept', 'secret']; }
}
enum Suit: string { case Hearts = 'H'; case Spades = 'S'; }
enum Bare { case One; case Two; }

[, $yardmaster, $peer, $key] = $argv;
$key = intval($key, 0);

function fail(string $what): never { echo $what, "\n"; exit(1); }

/* ---- the values ------------------------------------------------------------------------------ */

function scalars(): array
{
	$values = [null, true, false, 0, 1, -1, 42, PHP_INT_MAX, PHP_INT_MIN, PHP_INT_MIN + 1, 4294967296, -2147483649];
	$floats = [0.0, -0.0, 0.1, -1.5, 1e15, 1e16, 1e17, -1e17, 123456789.12345678, 1e25, 1e-4, 1e-5, INF, -INF, NAN, M_PI,
		PHP_FLOAT_MAX, PHP_FLOAT_MIN, PHP_FLOAT_EPSILON, 5e-324, 2.5e-310, 1.0, 100.0, 9007199254740993.0];
	$strings = ['', 'a', 'a string', '0', '-5', "quote\" and \\ and ; and }", "\0", "a\0b", "\r\n\t",
		'häßlich €  😀', "\xff\xfe not UTF-8", implode(array_map('chr', range(0, 255))), str_repeat('long ', 40000),
		str_repeat("\0", 99999)];
	return array_merge($values, $floats, $strings);
}

function arrays(): array
{
	$deep = 'bottom';
	for ($i = 0; $i < 1000; $i++)
		$deep = [$deep];
	$large = [];
	for ($i = 0; $i < 5000; $i++)
		$large["key $i"] = [$i, $i / 7, "v$i" => null];
	return [[], [1, 2, 3], [[]], [null, [true, [1.5, ['x']]]], [5 => 'a', 2 => 'b', 'name' => 'c', -7 => 'd', '' => 'e'],
		['05' => 1, '-0' => 2, '5' => 3, '9223372036854775808' => 4, "a\0b" => 5, ' 1' => 6],
		[PHP_INT_MAX => 1, PHP_INT_MIN => 2],
		[-0.0, NAN, INF], scalars(), $deep, $large];
}

function objects(): array
{
	$nested = new Plain;
	$nested->next = new Child;
	$nested->next->next = new Plain;
	$same = new Plain;
	$ring = new Plain;
	$ring->next = $ring;
	$storage = new SplObjectStorage;
	$storage[$same] = [1];
	return [new stdClass, (object)['a' => 1, '5' => 2, '' => 3], new Plain, new Child, $nested,
		new Packed([1, new Packed]), new Sleeper,
		Suit::Hearts, Bare::Two, [Suit::Spades, Suit::Spades, Bare::One, Suit::Spades], [$same, $same, 'x' => [$same]], $ring,
		new DateTime('2001-02-03 04:05:06', new DateTimeZone('Europe/Berlin')),
		new ArrayObject(['x' => $same, 'y' => $same]), $storage,
		[1, new Plain, 'x' => [new Child, [Suit::Hearts]], 2.5, $same, 'end', $same]];
}

/* With references a copy may take their place, where nobody can see the difference by looking. */
$x = 1;
$list = [1, 2];
$object = new Plain;
$object->a = &$x;
$shared = new stdClass;
$shared->list = &$list;
$ring = [1];
$ring['self'] = &$ring;
$references = [[&$x, &$x, 'end'], [&$list, 'again' => &$list, [&$list]], [$object, &$x, 'last'],
	[$shared, &$list, $shared], $ring, ['in' => $ring, 5], [new Plain, [&$x, [&$x]], new Child]];

/* ---- the other side -------------------------------------------------------------------------- */

function shell(string $command): string
{
	exec("$command 2>&1", $output, $code);
	if ($code !== 0)
		fail("$command: exit code $code: " . implode("\n", $output));
	return implode("\n", $output);
}

$process = proc_open([$peer], [['pipe', 'r'], ['pipe', 'w'], STDERR], $pipes);

function ask(string $line): string
{
	global $pipes;
	fwrite($pipes[0], "$line\n");
	return rtrim(fgets($pipes[1]), "\n");
}

function check(int $n, mixed $value, bool $exactly): void
{
	global $yardmaster, $key, $segment;
	$bytes = serialize($value);
	$what = "value $n, " . substr($bytes, 0, 60);

	shm_put_var($segment, -$n, $value) || fail("$what: shm_put_var()");
	$file = tempnam(getenv('DIR'), 'value');
	shell("$yardmaster shm get $key -$n --php >$file");
	file_get_contents($file) === $bytes || fail("$what: other bytes by `shm get --php`");
	shell("$yardmaster shm put $key $n php:- <$file");
	serialize(shm_get_var($segment, $n)) === $bytes || fail("$what: another value by `shm put php:-`");
	unlink($file);

	$answer = ask("put s 0 x" . bin2hex($bytes));
	$answer === 'ok' || fail("$what: peer: $answer");
	$back = shm_get_var($segment, 0);
	if ($exactly)
		serialize($back) === $bytes || fail("$what: other bytes by the peer: " . substr(serialize($back), 0, 60));
	else
		print_r($back, true) === print_r(unserialize($bytes), true) || fail("$what: another value by the peer");
	/* And what the peer reads is what it wrote. */
	$read = ask('fetch s 0');
	$read === 'value x' . bin2hex(serialize($back)) || $exactly === false || fail("$what: the peer reads something else");
	foreach ([$n, -$n, 0] as $variable)
		shm_remove_var($segment, $variable);
}

$segment = shm_attach($key, 4000000);
ask("attach s $key 0") === '4000000' || fail('the peer cannot attach');
$n = 0;
foreach (array_merge(scalars(), arrays(), objects()) as $value)
	check(++$n, $value, true);
foreach ($references as $value)
	check(++$n, $value, false);
shm_remove($segment);
echo $n, "\n";
