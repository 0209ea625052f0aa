<?php
// publish.php DIRECTORY VERB ARGUMENTS... - what scripts do with the segment of progress, with PHP's own functions.
error_reporting(E_ALL);
set_error_handler(function (int $level, string $text): bool {
	if (error_reporting() & $level) {
		fwrite(STDERR, "$text\n");
		exit(70);
	}
	return true;
});

[, $directory, $verb] = $argv;
$arguments = array_slice($argv, 3);

// The exit code is 1 where there is none.
function segment(): SysvSharedMemory
{
	global $directory;
	$key = @ftok("$directory/progress", 'y');
	@shmop_open($key, 'a', 0, 0) || exit(1);
	return shm_attach($key);
}

function semaphore(): SysvSemaphore
{
	global $directory;
	return sem_get(ftok("$directory/members", 'y'));
}

// A tag, or =NUMBER for the variable itself.
function variable(string $name): int
{
	return $name[0] === '=' ? (int)substr($name, 1) : crc32($name);
}

$verbs = [
	// The whole value as JSON, or one key of it.
	'get' => function (string $name, ?string $key = null): void {
		$shm = segment();
		$semaphore = semaphore();
		sem_acquire($semaphore);
		$value = shm_has_var($shm, variable($name)) ? shm_get_var($shm, variable($name)) : null;
		sem_release($semaphore);
		echo json_encode($key === null || $value === null ? $value : $value[$key]), "\n";
	},
	'put' => function (string $name, string $value): void {
		$shm = segment();
		$semaphore = semaphore();
		sem_acquire($semaphore);
		shm_put_var($shm, variable($name), $value);
		sem_release($semaphore);
	},
	'remove' => function (string $name): void {
		$semaphore = semaphore();
		sem_acquire($semaphore);
		shm_remove_var(segment(), variable($name));
		sem_release($semaphore);
	},
	// Says so when it holds the semaphore, and lets go of it at the end of its input.
	'hold' => function (): void {
		$semaphore = semaphore();
		sem_acquire($semaphore);
		echo "held\n";
		fgets(STDIN);
		sem_release($semaphore);
		echo "free\n";
		fgets(STDIN);
	},
	'shm_remove' => fn() => shm_remove(segment()),
	'sem_remove' => fn() => sem_remove(semaphore()),
	// As a script does that came before there was an instance.
	'attach' => function (): void {
		global $directory;
		shm_attach(ftok("$directory/progress", 'y'));
	},
	// Bytes, in hexadecimal, at an offset; without the semaphore, as damage comes.
	'write' => function (string $offset, string $hex): void {
		global $directory;
		$shm = shmop_open(ftok("$directory/progress", 'y'), 'w', 0, 0);
		shmop_write($shm, hex2bin($hex), (int)$offset);
	},
];
$verbs[$verb](...$arguments);
