<?php
// vars.php N CALLS - what PHP's own functions cost with N variables in the segment: nanoseconds of a put and of a get.
[, $n, $calls] = $argv;
$shm = shm_attach(0x5e4b, $n * 40 + 200);
for ($key = 1; $key <= $n; $key++) {
    shm_put_var($shm, $key, 42);
}
$key = (int) $n;
$since = hrtime(true);
for ($i = 0; $i < $calls; $i++) {
    shm_put_var($shm, $key, 42);
}
$put = (hrtime(true) - $since) / $calls;
$since = hrtime(true);
for ($i = 0; $i < $calls; $i++) {
    shm_get_var($shm, $key);
}
$get = (hrtime(true) - $since) / $calls;
// The loop itself is not PHP's shared memory.
$since = hrtime(true);
for ($i = 0; $i < $calls; $i++) {
    is_object($shm);
}
$loop = (hrtime(true) - $since) / $calls;
shm_remove($shm);
printf("%.1f %.1f\n", $put - $loop, $get - $loop);
