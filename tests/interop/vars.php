<?php
/*
 * vars.php - thousands of random operations on one segment, by PHP and by the C peer.
 *
 *   php vars.php mixed PEER KEY SEED OPERATIONS    both, in turn, on one segment; an array is the judge
 *   php vars.php twins PEER KEY SEED OPERATIONS    PHP on KEY, the peer on KEY + 1, the same operations: the same bytes
 *
 * What the peer does otherwise, on purpose: a value whose chunk stays as large is replaced in its place, and one that
 * does not fit leaves the old one where it is. "twins" keeps to what is the same. Exit code 1 and the first difference
 * if the sides do not agree.
 */

error_reporting(E_ALL);
[, $mode, $peer, $key, $seed, $operations] = $argv;
$key = intval($key, 0);
mt_srand((int)$seed);

const HEAD = 40;
const NAMES = 12;

$step = 0;
$log = [];

function fail(string $what): never
{
	global $mode, $seed, $step, $log;
	echo "$mode, seed $seed, step $step: $what\n  ", implode("\n  ", array_slice($log, -6)), "\n";
	exit(1);
}

function shorten(mixed $value): string { return substr(var_export($value, true), 0, 300); }

function same(mixed $expected, mixed $actual, string $what): void
{
	if ($expected !== $actual)
		fail("$what: expected " . shorten($expected) . ', got ' . shorten($actual));
}

/* ---- both sides ------------------------------------------------------------------------------ */

$process = proc_open([$peer], [['pipe', 'r'], ['pipe', 'w'], STDERR], $pipes);

function ask(string $line): string
{
	global $pipes, $log;
	fwrite($pipes[0], "$line\n");
	$answer = rtrim((string)fgets($pipes[1]), "\n");
	$log[] = substr("peer: $line -> $answer", 0, 150);
	return $answer;
}

function php_put(SysvSharedMemory $segment, int $variable, mixed $value): string
{
	global $log;
	$answer = @shm_put_var($segment, $variable, $value) ? 'ok' : 'full';
	$log[] = substr("PHP: put $variable " . serialize($value), 0, 130) . " -> $answer";
	return $answer;
}

function php_drop(SysvSharedMemory $segment, int $variable): string
{
	global $log;
	$answer = @shm_remove_var($segment, $variable) ? 'ok' : 'missing';
	$log[] = "PHP: drop $variable -> $answer";
	return $answer;
}

function hex(string $bytes): string { return 'x' . bin2hex($bytes); }

/* ---- the bytes ------------------------------------------------------------------------------- */

function chunk(string $bytes): int { return intdiv(strlen($bytes) + 31, 8) * 8 + 8; }

function segment_bytes(int $key): string
{
	$shm = shmop_open($key, 'a', 0, 0);
	return shmop_read($shm, 0, shmop_size($shm));
}

/* Head and chunks, as [[start, end, free, total], [[variable, bytes], ...]]. */
function parse(string $bytes): array
{
	same("PHP_SM\0", substr($bytes, 0, 7), 'magic');
	$head = array_values(unpack('q4', $bytes, 8));
	$chunks = [];
	for ($at = $head[0]; $at < $head[1]; $at += $next) {
		[$variable, $length, $next] = array_values(unpack('q3', $bytes, $at));
		$value = substr($bytes, $at + 24, $length);
		same(chunk($value), $next, "size of the chunk at $at");
		$chunks[] = [$variable, $value];
	}
	same($head[1], $at, 'end of the last chunk');
	return [$head, $chunks];
}

/* ---- random values --------------------------------------------------------------------------- */

function random_name(): int
{
	static $names = [0, 1, -1, 7, PHP_INT_MAX, PHP_INT_MIN, -7000000000];
	return $names[mt_rand(0, NAMES)] ?? crc32('name ' . mt_rand(0, NAMES));
}

function random_value(int $depth = 0): mixed
{
	switch (mt_rand(0, $depth < 3 ? 8 : 5)) {
	case 0:
		return [null, true, false, -0.0, INF, '', []][mt_rand(0, 6)];
	case 1:
		return mt_rand(-9, 120);
	case 2:
		return mt_rand() * 4294967296 + mt_rand();
	case 3:
		return (mt_rand() - 1e9) / mt_rand(1, 1000000);
	case 4:
		return str_repeat(chr(mt_rand(0, 255)), mt_rand(0, 30));
	case 5:
		return $depth ? mt_rand(0, 9) : str_repeat(pack("q", mt_rand()), mt_rand(0, 50));
	case 6:
		$object = new stdClass;
		$object->{'p' . mt_rand(0, 9)} = random_value($depth + 1);
		return $object;
	}
	$array = [];
	for ($i = mt_rand(0, 4); $i > 0; $i--)
		$array[mt_rand(0, 1) ? mt_rand(-5, 5) : 'k' . mt_rand(0, 9)] = random_value($depth + 1);
	return $array;
}

/* ---- mixed ----------------------------------------------------------------------------------- */

function room(array $model, int $size): int { return $size - HEAD - array_sum(array_map('chunk', $model)); }

function put_by(bool $php, SysvSharedMemory $segment, int $variable, mixed $value, array &$model, int $size): void
{
	$bytes = serialize($value);
	$room = room($model, $size) + (isset($model[$variable]) ? chunk($model[$variable]) : 0);
	$expected = chunk($bytes) <= $room ? 'ok' : 'full';
	if ($php) {
		same($expected, php_put($segment, $variable, $value), 'put by PHP');
		if ($expected === 'full')
			unset($model[$variable]);
	} else {
		same($expected, ask("put s $variable " . hex($bytes)), 'put by the peer');
	}
	if ($expected === 'ok')
		$model[$variable] = $bytes;
}

function mixed_drop(SysvSharedMemory $segment, array &$model): void
{
	$variable = random_name();
	$expected = isset($model[$variable]) ? 'ok' : 'missing';
	same($expected, mt_rand(0, 1) ? php_drop($segment, $variable) : ask("drop s $variable"), 'drop');
	unset($model[$variable]);
}

function mixed_look(SysvSharedMemory $segment, array $model): void
{
	$variable = random_name();
	same(isset($model[$variable]), shm_has_var($segment, $variable), 'shm_has_var()');
	same(isset($model[$variable]) ? 'yes' : 'no', ask("has s $variable"), 'has');
	same(isset($model[$variable]) ? 'value ' . hex($model[$variable]) : 'missing', ask("fetch s $variable"), 'fetch');
	if (isset($model[$variable]))
		same($model[$variable], serialize(shm_get_var($segment, $variable)), 'shm_get_var()');
}

/* Nothing but the model is in the segment, for either side and byte by byte. */
function check_all(SysvSharedMemory $segment, array $model, int $key, int $size): void
{
	[$head, $chunks] = parse(segment_bytes($key));
	$room = room($model, $size);
	same([HEAD, $size - $room, $room, $size], $head, 'head');
	$walk = 'walk';
	foreach ($chunks as [$variable, $bytes])
		$walk .= " $variable:" . hex($bytes);
	same($walk, ask('walk s'), 'walk');
	same(count($model), count($chunks), 'number of variables');
	foreach ($model as $variable => $bytes) {
		same($bytes, serialize(shm_get_var($segment, $variable)), "shm_get_var() of $variable");
		same('value ' . hex($bytes), ask("fetch s $variable"), "fetch of $variable");
	}
}

function mixed(int $key, int $operations): void
{
	global $step;
	$size = 1500 + 8 * mt_rand(0, 100) + mt_rand(0, 7);
	$model = [];
	/* Either side makes it; the other one's size does not matter. */
	if (mt_rand(0, 1)) {
		$segment = shm_attach($key, $size);
		same((string)$size, ask("attach s $key 999999"), 'attach of the peer');
	} else {
		same((string)$size, ask("attach s $key $size"), 'attach of the peer');
		$segment = shm_attach($key, 999999);
	}
	for ($step = 1; $step <= $operations; $step++) {
		match (mt_rand(0, 9)) {
			0, 1 => mixed_drop($segment, $model),
			2, 3, 4 => mixed_look($segment, $model),
			default => put_by((bool)mt_rand(0, 1), $segment, random_name(), random_value(), $model, $size),
		};
		if ($step % 20 === 0)
			check_all($segment, $model, $key, $size);
	}
	/* Chance alone does not always fill it. */
	foreach ([false, true] as $php)
		put_by($php, $segment, 7, str_repeat('x', $size), $model, $size);
	check_all($segment, $model, $key, $size);
	shm_remove($segment);
}

/* ---- twins ----------------------------------------------------------------------------------- */

function twins(int $key, int $operations): void
{
	global $step;
	$size = 6000;
	$model = [];
	$replaced = 0;
	$segment = shm_attach($key, $size);
	same((string)$size, ask('attach s ' . $key + 1 . " $size"), 'attach of the peer');
	for ($step = 1; $step <= $operations; $step++) {
		$variable = random_name();
		if (mt_rand(0, 3) === 0) {
			same(php_drop($segment, $variable), ask("drop s $variable"), 'drop');
			unset($model[$variable]);
		} else {
			$value = random_value();
			$bytes = serialize($value);
			$old = isset($model[$variable]) ? chunk($model[$variable]) : 0;
			if ($old === chunk($bytes) || chunk($bytes) > room($model, $size) + $old && $old > 0)
				continue;
			same(php_put($segment, $variable, $value), ask("put s $variable " . hex($bytes)), 'put');
			if (chunk($bytes) <= room($model, $size) + $old) {
				$model[$variable] = $bytes;
				$replaced += $old > 0 ? 1 : 0;
			}
		}
		/* Also behind the end and between value and next chunk, where old bytes show through. */
		same(bin2hex(segment_bytes($key)), bin2hex(segment_bytes($key + 1)), 'bytes of the two segments');
	}
	$replaced > 0 || fail('nothing was replaced');
	shm_remove($segment);
	same('ok', ask('destroy s'), 'destroy');
}

$mode($key, (int)$operations);
proc_terminate($process, SIGKILL);
