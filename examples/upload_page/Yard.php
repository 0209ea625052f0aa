<?php
/**
 * Yard.php - an instance of Yardmaster as PHP sees it: a queue into which jobs go, and variables that tell how far they are.
 *
 * Nothing in here makes a System V object: where there is none, nobody runs.
 */
final class Yard
{
	/** The directory of the instance. */
	public function __construct(private string $directory)
	{
	}

	/** False: there is no inbox, or it is full. */
	public function submit(string $pool, array $job): bool
	{
		$key = @ftok("$this->directory/inbox.$pool", 'y');
		return $key !== -1 && msg_queue_exists($key) && @msg_send(msg_get_queue($key), 1, $job, true, false);
	}

	/**
	 * The jobs with these tags, by tag; those that are not known are missing. Null: the instance does not run.
	 *
	 * @param string[] $tags
	 */
	public function progress(array $tags): ?array
	{
		$key = @ftok("$this->directory/progress", 'y');
		if ($key === -1 || !@shmop_open($key, 'a', 0, 0)) {
			return null;
		}
		$jobs = [];
		$semaphore = sem_get(ftok("$this->directory/members", 'y'));
		sem_acquire($semaphore);
		$shm = shm_attach($key);
		foreach ($tags as $tag) {
			$job = shm_has_var($shm, crc32($tag)) ? shm_get_var($shm, crc32($tag)) : null;
			// Another tag may have the same crc32.
			if ($job !== null && $job['tag'] === $tag) {
				$jobs[$tag] = $job;
			}
		}
		sem_release($semaphore);
		return $jobs;
	}
}
