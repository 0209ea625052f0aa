<?php
// settings.php - what start.sh says: the directory of the instance, and where files wait until they are sent on.
require __DIR__ . '/Yard.php';

$yard = new Yard(getenv('YARD_DIRECTORY') ?: '/run/yardmaster/upload-page');
$spool = getenv('YARD_SPOOL') ?: sys_get_temp_dir() . '/upload-page';

// What upload.php gives out, and nothing else: tags become names of directories.
const TAG = '/^page-[0-9a-f]{16}$/D';

function answer(int $status, array $answer): never
{
	http_response_code($status);
	header('Content-Type: application/json');
	header('Cache-Control: no-store');
	echo json_encode($answer, JSON_INVALID_UTF8_SUBSTITUTE | JSON_FORCE_OBJECT), "\n";
	exit;
}
