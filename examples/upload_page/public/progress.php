<?php
// progress.php?tags=TAG,TAG - how far these uploads are. What is over is not kept here any longer.
require __DIR__ . '/../settings.php';

$tags = is_string($_GET['tags'] ?? null) ? explode(',', $_GET['tags']) : [];
$tags = preg_grep(TAG, array_slice($tags, 0, 100));
$jobs = $yard->progress($tags);
foreach ($jobs ?? [] as $tag => $job) {
	if ($job['finished'] !== null && is_dir("$spool/$tag")) {
		array_map('unlink', glob("$spool/$tag/*"));
		rmdir("$spool/$tag");
	}
}
answer(200, ['runs' => $jobs !== null, 'jobs' => $jobs ?? []]);
