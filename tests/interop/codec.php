<?php
/*
 * codec.php - does the C codec agree with this PHP? Thousands of random values, there and back.
 *
 *   php codec.php CODEC-PEER COUNT [SEED]
 *
 * 1. serialize() of values without PHP references (&): the C side must give the same bytes back.
 * 2. With references: the bytes may differ (what is no tree is kept, the rest is copied), the values must not.
 * 3. Floats of all bit patterns, powers of two and of ten and their neighbours: the same bytes.
 * 4. Mutated and truncated bytes: accepted when PHP accepts them, with an equal value, refused when PHP refuses them.
 *    Allowed differences, each by its reason: see $refusesMore, $cannotKnow and keysRepeat().
 *
 * Exit code 0: all agree; 1: the first difference is shown, with the seed that makes it again.
 */

error_reporting(E_ALL & ~E_DEPRECATED);
ini_set('memory_limit', '1G');

class Plain
{
	public $a = 1;
	protected $b = 2;
	private $c = 3;
	public function fill($x, $y)
	{
		$this->b = $x;
		$this->c = $y;
	}
}

class Child extends Plain
{
	private $c = 4;
	public $d;
}

class Sleeper
{
	public $kept;
	public $dropped = 'dropped';
	public function __sleep()
	{
		return ['kept'];
	}
}

class Packed
{
	public $inner = [];
	public function __serialize(): array
	{
		return $this->inner;
	}
	public function __unserialize(array $data): void
	{
		$this->inner = $data;
	}
}

class Old implements Serializable
{
	public $text = '';
	public function serialize()
	{
		return $this->text;
	}
	public function unserialize($text)
	{
		$this->text = $text;
	}
}

enum Suit: string { case Hearts = 'H'; case Spades = 'S'; }
enum Bare { case One; case Two; }

/* What we refuse although PHP takes it: it clamps or wraps what does not fit, reads counts behind classes loosely. */
$refusesMore = '/a number out of range|no digit where a number has to stand/';
/* What PHP refuses for reasons that lie in its classes, which the C side does not look for. */
$cannotKnow = '/Class \'.*\' not found|is not an enum|Undefined constant|is not an enum case|Erroneous data format|'
	. '(Corrupt|Illegal) member variable name|exception:/s';

/* ---- random values --------------------------------------------------------------------------- */

$objects = [];
$withReferences = false;
$references = [];

function pick(array $list) { return $list[mt_rand(0, count($list) - 1)]; }

function randomBytes(int $length): string
{
	$s = '';
	for ($i = 0; $i < $length; $i++)
		$s .= chr(mt_rand(0, 255));
	return $s;
}

function bitsToFloat(int $bits): float { return unpack('d', pack('q', $bits))[1]; }

function randomBits(): int { return (mt_rand(0, 0xffff) << 48) | (mt_rand(0, 0xffffff) << 24) | mt_rand(0, 0xffffff); }

function randomInt(): int
{
	return match (mt_rand(0, 4)) {
		0 => mt_rand(-3, 12),
		1 => pick([PHP_INT_MAX, PHP_INT_MIN, PHP_INT_MIN + 1, -1, 0, 2147483648, -2147483649]),
		2 => randomBits() >> mt_rand(0, 63),
		default => mt_rand(-100000, 100000),
	};
}

function randomFloat(): float
{
	return match (mt_rand(0, 5)) {
		0 => pick([0.0, -0.0, INF, -INF, NAN, 0.1, 1.5, 1e15, 1e16, 1e17, 1e18, 123456789.12345678, 5e-324,
		           PHP_FLOAT_MAX, PHP_FLOAT_MIN, PHP_FLOAT_EPSILON, 0.0001, 0.00001, 99999999999999980.0]),
		1 => mt_rand(-1000, 1000) / 8,
		2 => mt_rand() / 1000,
		3 => (float)randomInt(),
		default => bitsToFloat(randomBits()),
	};
}

function randomString(): string
{
	return match (mt_rand(0, 6)) {
		0 => '',
		1 => pick(['0', '5', '-7', '05', '-0', '9223372036854775807', '9223372036854775808',
		           '-9223372036854775808', '-9223372036854775809', '1.5', ' 1', '1 ', '+1', '-']),
		2 => pick(['";i:0;', '}', 'a:1:{', "\0", "\0*\0b", 'R:1;', 'r:1;', "h\u{e9}llo", "line\nline"]),
		3 => randomBytes(mt_rand(0, 200)),
		default => randomBytes(mt_rand(1, 12)),
	};
}

function randomArray(int $depth): array
{
	$a = [];
	$n = pick([0, 1, 2, 3, 5, 8, 9, $depth < 2 ? 4 : 20]);
	$list = mt_rand(0, 1);
	for ($i = 0; $i < $n; $i++) {
		$key = $list ? $i : (mt_rand(0, 1) ? randomInt() : randomString());
		global $withReferences, $references;
		if ($withReferences && $references && mt_rand(0, 5) == 0) {
			$a[$key] = &$references[array_rand($references)];
			continue;
		}
		$a[$key] = randomValue($depth - 1);
		if ($withReferences && mt_rand(0, 5) == 0)
			$references[] = &$a[$key];
	}
	if ($withReferences && mt_rand(0, 30) == 0)
		$a['self'] = &$a;
	return $a;
}

function randomObject(int $depth): object
{
	global $objects;
	switch (mt_rand(0, 9)) {
	case 0:
		$o = new Plain;
		$o->fill(randomValue($depth - 1), randomValue($depth - 1));
		break;
	case 1:
		$o = new Child;
		$o->d = randomValue($depth - 1);
		break;
	case 2:
		$o = new Sleeper;
		$o->kept = randomValue($depth - 1);
		break;
	case 3:
		$o = new Packed;
		$o->inner = randomArray($depth - 1);
		break;
	case 4:
		$o = new Old;
		$o->text = randomString();
		break;
	case 5:
		return pick([Suit::Hearts, Suit::Spades, Bare::One, Bare::Two]);
	case 6:
		$o = new ArrayObject(randomArray($depth - 1));
		break;
	default:
		$o = new stdClass;
		$objects[] = $o; /* may come to contain itself */
		foreach (randomArray($depth - 1) as $key => $value)
			if ($key === '' || "$key"[0] != "\0")
				$o->{$key} = $value;
	}
	$objects[] = $o;
	return $o;
}

function randomValue(int $depth)
{
	global $objects;
	switch (mt_rand(0, $depth > 0 ? 11 : 5)) {
	case 0: return null;
	case 1: return (bool)mt_rand(0, 1);
	case 2: return randomInt();
	case 3: return randomFloat();
	case 4: case 5: return randomString();
	case 6: return $objects && mt_rand(0, 1) ? pick($objects) : randomObject($depth);
	case 7: return randomObject($depth);
	default: return randomArray($depth);
	}
}

/* ---- comparing ------------------------------------------------------------------------------- */

/* Same types and contents, and the same objects are one. References between variables do not count. */
function same($a, $b, array &$met = []): bool
{
	if (gettype($a) !== gettype($b))
		return false;
	if (is_float($a))
		return is_nan($a) ? is_nan($b) : pack('d', $a) === pack('d', $b);
	if (is_object($a)) {
		$x = spl_object_id($a);
		$y = spl_object_id($b);
		if (isset($met["a$x"]) || isset($met["b$y"]))
			return ($met["a$x"] ?? null) === $y && ($met["b$y"] ?? null) === $x;
		$met["a$x"] = $y;
		$met["b$y"] = $x;
		if (get_class($a) !== get_class($b))
			return false;
		if ($a instanceof UnitEnum)
			return $a === $b;
		$a = $a instanceof ArrayObject ? $a->__serialize() : (array)$a;
		$b = $b instanceof ArrayObject ? $b->__serialize() : (array)$b;
	}
	if (is_array($a)) {
		if (array_keys($a) !== array_keys($b))
			return false;
		foreach ($a as $key => $_) {
			$x = ReflectionReference::fromArrayElement($a, $key)?->getId();
			$y = ReflectionReference::fromArrayElement($b, $key)?->getId();
			if ($x && $y && isset($met["$x=$y"])) /* an array that contains itself, kept within an object */
				continue;
			$met["$x=$y"] = true;
			if (!same($a[$key], $b[$key], $met))
				return false;
		}
		return true;
	}
	return $a === $b;
}

/* ---- the other side -------------------------------------------------------------------------- */

function ask(string $bytes): array
{
	global $pipes, $asked;
	$asked++;
	fwrite($pipes[0], pack('V', strlen($bytes)) . $bytes);
	fflush($pipes[0]);
	$head = stream_get_contents($pipes[1], 5);
	if (strlen($head) < 5)
		fail('the C side is gone', $bytes);
	$length = unpack('V', substr($head, 1))[1];
	return [$head[0], $length ? stream_get_contents($pipes[1], $length) : ''];
}

function show(string $bytes): string
{
	return addcslashes(strlen($bytes) > 2000 ? substr($bytes, 0, 2000) . '...' : $bytes, "\0..\37\177..\377\\");
}

function fail(string $what, string $bytes, string $answer = ''): never
{
	global $seed;
	$same = strspn($bytes ^ $answer, "\0");
	if ($same > 200 && strlen($answer) > $same) { /* long, and equal up to there */
		$bytes = '...' . substr($bytes, $same - 100);
		$answer = '...' . substr($answer, $same - 100);
	}
	echo "codec: $what (seed $seed)\n  PHP: ", show($bytes), "\n  C:   ", show($answer), "\n";
	exit(1);
}

/* PHP's judgement: [accepted, value, what it complained about]. */
function judge(string $bytes): array
{
	global $complaints;
	$complaints = '';
	try {
		$value = unserialize($bytes);
	} catch (Throwable $e) {
		return [false, null, "exception: {$e->getMessage()}"];
	}
	return [$bytes !== '' && !str_contains($complaints, 'Error at offset'), $value, $complaints];
}

set_error_handler(function ($number, $text) {
	global $complaints;
	$complaints .= "$text\n";
	return true;
});

/* The key or string at $at ("i:5;", 's:1:"x";', 'S:1:"\78";'), of bytes that are known to be well-formed. */
function keyAt(string $bytes, int &$at): string
{
	$end = strpos($bytes, ';', $at);
	if ($bytes[$at] == 'i') {
		$key = (string)(int)substr($bytes, $at + 2, $end - $at - 2);
		$at = $end + 1;
		return $key;
	}
	preg_match('/.:(\d+):"/A', $bytes, $m, 0, $at);
	$escaped = $bytes[$at] == 'S';
	$at += strlen($m[0]);
	for ($key = '', $left = (int)$m[1]; $left > 0; $left--, $at++) {
		if ($escaped && $bytes[$at] == '\\') {
			$key .= hex2bin(substr($bytes, $at + 1, 2));
			$at += 2;
		} else {
			$key .= $bytes[$at];
		}
	}
	$at += 2;
	return $key;
}

/*
 * Does a key come twice in an array or object? In objects the C side does not look at that: slots go on meaning the
 * first value there, in PHP the last.
 */
function keysRepeat(string $bytes, int &$at = 0): bool
{
	$keys = [];
	switch ($bytes[$at]) {
	case 's': case 'S': case 'E':
		keyAt($bytes, $at);
		return false;
	case 'a': case 'O':
		preg_match('/(?:a|O:\d+:"[^"]*"):([+-]?\d*):\{/A', $bytes, $m, 0, $at);
		$at += strlen($m[0]);
		$repeat = false;
		for ($left = (int)$m[1]; $left > 0; $left--) {
			$key = keyAt($bytes, $at);
			$repeat = isset($keys["k$key"]) || $repeat;
			$keys["k$key"] = true;
			$repeat = keysRepeat($bytes, $at) || $repeat;
		}
		$at++;
		return $repeat;
	case 'C':
		preg_match('/C:\d+:"[^"]*":([+-]?\d*):\{/A', $bytes, $m, 0, $at);
		$at += strlen($m[0]) + (int)$m[1] + 1;
		return false;
	default:
		$at = strpos($bytes, ';', $at) + 1;
		return false;
	}
}

/* ---- the four parts -------------------------------------------------------------------------- */

function sameBytes(string $bytes): void
{
	[$letter, $answer] = ask($bytes);
	if ($letter != 'o' || $answer !== $bytes)
		fail("not the same bytes ($letter)", $bytes, $answer);
}

function randomText(bool $with, int $depth = 4): string
{
	$GLOBALS['withReferences'] = $with;
	$GLOBALS['references'] = [];
	$GLOBALS['objects'] = [];
	return serialize(randomValue($depth));
}

function checkValues(int $count): void
{
	for ($i = 0; $i < $count; $i++)
		sameBytes(randomText(false));
}

function checkReferences(int $count): void
{
	for ($i = 0; $i < $count; $i++) {
		$bytes = randomText(true);
		[$letter, $answer] = ask($bytes);
		if ($letter != 'o')
			fail("refused ($letter)", $bytes, $answer);
		if ($answer !== $bytes && !same(unserialize($bytes), unserialize($answer)))
			fail('another value', $bytes, $answer);
	}
}

function checkFloats(int $count): void
{
	$floats = [];
	for ($exponent = 0; $exponent < 2047; $exponent++)
		for ($near = -2; $near <= 2; $near++)
			$floats[] = bitsToFloat(max(0, ($exponent << 52) + $near));
	for ($power = -324; $power <= 308; $power++)
		for ($near = -2; $near <= 2; $near++)
			$floats[] = bitsToFloat(max(0, unpack('q', pack('d', (float)"1e$power"))[1] + $near));
	for ($i = 0; $i < $count; $i++)
		$floats[] = bitsToFloat(randomBits());
	for ($i = 0; $i < $count / 4; $i++) /* as people write them */
		$floats[] = round(mt_rand() / 1000, mt_rand(0, 6)) * 10 ** mt_rand(-8, 12);
	foreach (array_chunk($floats, 500) as $some)
		sameBytes(serialize($some));
}

function mutate(string $bytes): string
{
	for ($n = mt_rand(1, 3); $n > 0 && $bytes !== ''; $n--) {
		$at = mt_rand(0, strlen($bytes) - 1);
		switch (mt_rand(0, 6)) {
		case 0: $bytes = substr($bytes, 0, $at); break;
		case 1: $bytes[$at] = chr(mt_rand(0, 255)); break;
		case 2: $bytes[$at] = pick(str_split('0123456789:;{}"aisSbdNOCErR+-.eE')); break;
		case 3: $bytes = substr_replace($bytes, '', $at, mt_rand(1, 4)); break;
		case 4: $bytes = substr_replace($bytes, pick(str_split('0123456789:;{}"+-.e')), $at, 0); break;
		case 5: /* another number in the place of one */
			$other = fn ($m) => mt_rand(0, 3) ? $m[0] : (string)mt_rand(0, 9);
			$bytes = preg_replace_callback('/\d+/', $other, $bytes, 3);
			break;
		case 6: /* another value in the place of one */
			$new = pick(['N;', 'b:1;', 'b:2;', 'i:+05;', 'd:.5e+3;', 'd:1.;', 'd:-INF;', 'd:+INF;',
			             's:1:"x";', 'S:1:"\41";', 'S:1:"\4g";', 'a:0:{}', 'R:1;', 'R:2;', 'r:2;',
			             'R:3;', 'r:3;', 'r:4;', 'O:8:"stdClass":0:{}', 'C:3:"Old":2:{xy}',
			             'E:11:"Suit:Hearts";', 'E:6:"Suit:X";', 'i:99999999999999999999;', 'i:0;i:1;']);
			$found = preg_match_all('/N;|[bidRr]:[^;"]*;|s:\d+:"[^"]*";/', $bytes, $m, PREG_OFFSET_CAPTURE);
			if ($found) {
				[$old, $where] = pick($m[0]);
				$bytes = substr_replace($bytes, $new, $where, strlen($old));
			}
		}
	}
	return $bytes;
}

function checkMutations(int $count): void
{
	global $refusesMore, $cannotKnow, $tally;
	$tally = ['both take it' => 0, 'both refuse it' => 0, 'only PHP takes it' => 0, 'only C takes it' => 0];
	for ($i = 0; $i < $count; $i++) {
		$bytes = mutate(randomText((bool)mt_rand(0, 1), 3));
		[$accepted, $value, $complaints] = judge($bytes);
		[$letter, $answer] = ask($bytes);
		if ($letter == 'u')
			fail('not stable', $bytes, $answer);
		if ($accepted != ($letter == 'o')) {
			$known = $accepted ? preg_match($refusesMore, $answer) : preg_match($cannotKnow, $complaints);
			if (!$known && !keysRepeat($bytes))
				fail($accepted ? 'refused' : "accepted, PHP: $complaints", $bytes, $answer);
			$tally[$accepted ? 'only PHP takes it' : 'only C takes it']++;
			continue;
		}
		$tally[$accepted ? 'both take it' : 'both refuse it']++;
		if ($accepted && $answer !== $bytes && !same($value, judge($answer)[1]))
			fail('another value', $bytes, $answer);
	}
}

if ($argc < 3) {
	fwrite(STDERR, "usage: php codec.php CODEC-PEER COUNT [SEED]\n");
	exit(2);
}
$count = (int)$argv[2];
$seed = (int)($argv[3] ?? random_int(1, PHP_INT_MAX >> 33));
$asked = 0;
$peer = proc_open([$argv[1]], [['pipe', 'r'], ['pipe', 'w'], STDERR], $pipes);
mt_srand($seed);
echo "codec: seed $seed\n";
checkValues($count);
checkReferences($count);
checkFloats($count * 10);
checkMutations($count * 3);
fclose($pipes[0]);
if (proc_close($peer) != 0)
	fail('the C side failed', '');
foreach ($tally as $what => $times)
	echo "codec: mutated, $what: $times\n";
echo "codec: $asked values, all agree\n";
