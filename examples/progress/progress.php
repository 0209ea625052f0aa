<?php
// progress.php DIRECTORY - show how far `progress DIRECTORY ...` is; ends with it.
declare(strict_types=1);

require __DIR__ . '/../shared_memory/Group.php';

const PERCENT = 1;
const LOOK_US = 50000;
const STALLED_S = 10; // longer than that: parent and child have both been killed, or stopped

if ($argc !== 2) {
    fwrite(STDERR, "usage: php progress.php DIRECTORY\n");
    exit(2);
}
try {
    $group = new Group($argv[1]);
    $variables = $group->variables('percent');
    $moved = time();
    for ($last = null; $last !== 100 && $last !== -1; usleep(LOOK_US)) {
        if (time() > $moved + STALLED_S) {
            throw new RuntimeException('nothing has moved for ' . STALLED_S . ' seconds');
        }
        // Not there before the child has begun. A small integer is read whole or not at all, so no semaphore is needed.
        $percent = @shm_get_var($variables, PERCENT);
        if ($percent !== $last && is_int($percent)) {
            echo $percent === -1 ? "failed\n" : "$percent %\n";
            $last = $percent;
            $moved = time();
        }
    }
    unset($variables);
    $group->leave();
    exit($last === 100 ? 0 : 1);
} catch (RuntimeException $error) {
    fwrite(STDERR, "progress.php: {$error->getMessage()}\n");
    exit(4);
}
