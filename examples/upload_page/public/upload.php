<?php
// upload.php - takes one file, and submits its way to the FTP server as a job. The answer has the tag of the job.
require __DIR__ . '/../settings.php';

$file = $_FILES['file'] ?? null;
if (!is_array($file) || !is_string($file['name'] ?? null)) {
	answer(400, ['error' => 'no file']);
}
if ($file['error'] !== UPLOAD_ERR_OK) {
	answer(400, ['error' => 'the file did not arrive whole; is it larger than ' . ini_get('upload_max_filesize') . '?']);
}
$tag = 'page-' . bin2hex(random_bytes(8));
// The name on the server: a payload is a path, perhaps a tab and a name, and a line.
$name = preg_replace('/[^A-Za-z0-9._-]+/', '_', basename($file['name']));
$name = ltrim(substr($name, -100), '.') ?: 'file';
if (!@mkdir("$spool/$tag", 0700, true) || !move_uploaded_file($file['tmp_name'], "$spool/$tag/$name")) {
	answer(500, ['error' => 'the file cannot be kept']);
}
if (!$yard->submit('upload', ['payload' => "$spool/$tag/$name", 'tag' => $tag])) {
	unlink("$spool/$tag/$name");
	rmdir("$spool/$tag");
	answer(503, ['error' => 'nobody takes jobs just now']);
}
answer(200, ['tag' => $tag]);
