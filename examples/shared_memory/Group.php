<?php
declare(strict_types=1);

/**
 * Takes part in a group that a C program has made with ym_group_join(): the group and its objects stay at least as long as
 * this object lives. Its key files are in a directory: ftok("DIRECTORY/NAME", "y").
 *
 * sem_get() and shm_attach() make what they do not find, and nobody would ever remove that. So this class looks first.
 */
final class Group
{
    private const MEMBERS = 'members'; // the group itself
    private const PHP_MEMBERS = 3;     // a set that sem_get() makes; a group's has more

    private ?SysvSemaphore $membership;

    public function __construct(private readonly string $directory)
    {
        $key = $this->key(self::MEMBERS);
        // Once again afterwards: the last participant may have left in between.
        if (!self::isGroup($key)) {
            throw new RuntimeException("nobody takes part in the group of $directory: start a C program first");
        }
        $this->membership = self::call(fn() => sem_get($key));
        if (!self::isGroup($key)) {
            self::call(fn() => sem_remove($this->membership));
            throw new RuntimeException("the group of $directory has just ended");
        }
    }

    public function __destruct()
    {
        $this->leave();
    }

    /** Free what semaphore() and variables() gave before: the last one out removes everything. */
    public function leave(): void
    {
        $this->membership = null;
    }

    public function semaphore(string $name): SysvSemaphore
    {
        $key = $this->existing('sem', $name);
        return self::call(fn() => sem_get($key));
    }

    public function variables(string $name): SysvSharedMemory
    {
        $key = $this->existing('shm', $name);
        return self::call(fn() => shm_attach($key));
    }

    /** Call a function with its warnings made exceptions, so that none goes unnoticed. */
    public static function call(callable $function): mixed
    {
        set_error_handler(fn(int $level, string $text) => throw new RuntimeException($text));
        try {
            return $function();
        } finally {
            restore_error_handler();
        }
    }

    private function key(string $name): int
    {
        return self::call(fn() => ftok("$this->directory/$name", 'y'));
    }

    private function existing(string $kind, string $name): int
    {
        $key = $this->key($name);
        if (self::row($kind, $key) === null) {
            throw new RuntimeException("the group of $this->directory has no object \"$name\"");
        }
        return $key;
    }

    private static function isGroup(int $key): bool
    {
        return (self::row('sem', $key)[3] ?? 0) > self::PHP_MEMBERS;
    }

    /** The object of a key as the kernel lists it: key, id, mode, number of members or size, ... */
    private static function row(string $kind, int $key): ?array
    {
        foreach (file("/proc/sysvipc/$kind") as $line) {
            $row = array_map('intval', preg_split('/ +/', trim($line)));
            if ($row[0] === $key) {
                return $row;
            }
        }
        return null;
    }
}
