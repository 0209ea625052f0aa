<?php
declare(strict_types=1);

require_once __DIR__ . '/Group.php';

/**
 * The values of shared_memory.h, for PHP; the layout is described there. A timeout is in seconds, null waits for ever: a
 * killed process holds the mutex no longer.
 */
final class SharedMemory
{
    private const COPIES = ['copy0', 'copy1'];
    private const CONTENTS = 1; // the variable in a copy
    private const LOOK_US = 1000;

    private Group $group;
    private ?SysvSemaphore $mutex;
    private array $copies = [];

    public function __construct(string $directory)
    {
        $this->group = new Group($directory);
        $this->mutex = $this->group->semaphore('mutex');
        foreach (self::COPIES as $name) {
            $this->copies[] = $this->group->variables($name);
        }
    }

    public function __destruct()
    {
        $this->close();
    }

    public function close(): void
    {
        $this->copies = [];
        $this->mutex = null;
        $this->group->leave();
    }

    /** null: there is no such value. */
    public function get(string $name, ?float $timeout = null): mixed
    {
        return $this->locked($timeout, fn() => $this->load()[1][$name] ?? null);
    }

    public function set(string $name, mixed $value, ?float $timeout = null): void
    {
        $this->update($name, fn() => $value, $timeout);
    }

    public function delete(string $name, ?float $timeout = null): void
    {
        $this->update($name, fn() => null, $timeout);
    }

    public function increment(string $name, int $by = 1, ?float $timeout = null): int
    {
        return $this->update($name, fn(mixed $old): int => ($old ?? 0) + $by, $timeout);
    }

    /** Set a value if it is $expected (null: if there is none); was it? */
    public function compareAndSet(string $name, mixed $expected, mixed $value, ?float $timeout = null): bool
    {
        $same = false;
        $change = function (mixed $old) use ($expected, $value, &$same): mixed {
            $same = $old === $expected;
            return $same ? $value : $old;
        };
        $this->update($name, $change, $timeout);
        return $same;
    }

    /** Let $change make the new value of the old one while nobody else does; null for no value. Returns the new one. */
    public function update(string $name, callable $change, ?float $timeout = null): mixed
    {
        return $this->locked($timeout, function () use ($name, $change): mixed {
            [$version, $values] = $this->load();
            $old = $values[$name] ?? null;
            $new = $change($old);
            if ($new === null) {
                unset($values[$name]);
            } else {
                $values[$name] = $new;
            }
            if ($new !== $old) {
                $this->store($version + 1, $values);
            }
            return $new;
        });
    }

    private function locked(?float $timeout, callable $work): mixed
    {
        $this->acquire($timeout);
        try {
            return $work();
        } finally {
            Group::call(fn() => sem_release($this->mutex));
        }
    }

    private function acquire(?float $timeout): void
    {
        if ($timeout === null) {
            Group::call(fn() => sem_acquire($this->mutex));
            return;
        }
        // PHP can wait for a semaphore for ever or not at all.
        $deadline = hrtime(true) + $timeout * 1e9;
        while (!Group::call(fn() => sem_acquire($this->mutex, true))) {
            if (hrtime(true) >= $deadline) {
                throw new RuntimeException("the mutex of the shared memory did not become free in $timeout s");
            }
            usleep(self::LOOK_US);
        }
    }

    /** [version, values] of the copy that counts. */
    private function load(): array
    {
        $best = [0, []];
        $unreadable = 0;
        foreach ($this->copies as $copy) {
            if (!shm_has_var($copy, self::CONTENTS)) {
                continue;
            }
            // A warning if its writer was killed: then the other copy counts.
            $contents = @shm_get_var($copy, self::CONTENTS);
            if (!is_array($contents)) {
                $unreadable++;
            } elseif ($contents[0] > $best[0]) {
                $best = $contents;
            }
        }
        if ($best[0] === 0 && $unreadable > 0) {
            throw new RuntimeException('no copy of the values is whole');
        }
        return $best;
    }

    /** Into the other copy: if it does not fit, or we are killed, the one that counts is still there. */
    private function store(int $version, array $values): void
    {
        $copy = $this->copies[$version % count($this->copies)];
        Group::call(fn() => shm_put_var($copy, self::CONTENTS, [$version, $values]));
    }
}
