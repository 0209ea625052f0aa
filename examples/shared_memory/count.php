<?php
// count.php DIRECTORY NAME TIMES - the same as `shared_memory DIRECTORY count NAME TIMES`.
declare(strict_types=1);

require __DIR__ . '/SharedMemory.php';

if ($argc !== 4 || !is_numeric($argv[3])) {
    fwrite(STDERR, "usage: php count.php DIRECTORY NAME TIMES\n");
    exit(2);
}
try {
    $memory = new SharedMemory($argv[1]);
    for ($i = 0; $i < (int) $argv[3]; $i++) {
        // One write for all of it: a process that is killed leaves no half line.
        echo $memory->increment($argv[2]) . "\n";
    }
} catch (RuntimeException $error) {
    fwrite(STDERR, "count.php: {$error->getMessage()}\n");
    exit(4);
}
