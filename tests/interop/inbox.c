/*
 * inbox.c - an inbox without a master: each job is printed as a line, and answered at once.
 *
 *   inbox-peer KEY DIRECTORY
 *
 * level=N delay=MS at=MS timeout=MS unique=TEXT tag=TEXT reply=0xKEY:TYPE size=BYTES payload=TEXT
 *
 * A payload that is a file is printed as file:CONTENTS. The payload "stop" ends the program; "fail" is answered as failed.
 * The result of a job is its payload.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../ipc/key.h"
#include "../../ipc/queue.h"
#include "../../runtime/inbox.h"
#include "../../runtime/reply.h"

static struct inbox *inbox;
static uint64_t jobs;

static void answer(const struct job_request *request, const char *payload, size_t size)
{
	bool failed = size == 4 && memcmp(payload, "fail", 4) == 0;
	struct job_answer answer = {
	    .id = jobs,
	    .tag = request->tag,
	    .state = failed ? "failed" : "done",
	    .result = failed ? NULL : payload,
	    .result_size = size,
	    .error = failed ? "as asked for" : NULL,
	    .attempts = 1,
	};
	struct ym_err err;

	if (reply_send(&request->reply, &answer, &err) != 0)
		printf("not answered: %s\n", err.text);
}

/* The payload with a NUL behind it, and its size; free() it. */
static char *load(const struct job_request *request, size_t *size)
{
	const struct payload_source *source = &request->payload;
	struct stat st;
	char *bytes;

	*size = source->size;
	if (!source->data) {
		if (fstat(source->fd, &st) < 0)
			exit(1);
		*size = (size_t)st.st_size;
	}
	bytes = calloc(1, *size + 1);
	if (!bytes)
		exit(1);
	if (source->data)
		memcpy(bytes, source->data, *size);
	else if (pread(source->fd, bytes, *size, 0) != (ssize_t)*size)
		exit(1);
	return bytes;
}

static int submit(void *arg, const struct job_request *request, struct ym_err *err)
{
	size_t size;
	char *payload = load(request, &size);

	(void)arg, (void)err;
	jobs++;
	printf("level=%d delay=%lld at=%lld timeout=%lld unique=%s tag=%s reply=0x%x:%lld size=%zu payload=%s",
	       request->level, (long long)request->delay_ms, (long long)request->at_ms, (long long)request->timeout_ms,
	       request->unique ? request->unique : "", request->tag ? request->tag : "", (unsigned)request->reply.key,
	       (long long)request->reply.type, size, request->payload.data ? "" : "file:");
	for (size_t i = 0; i < size; i++)
		printf(payload[i] >= ' ' ? "%c" : "\\x%02x", (unsigned char)payload[i]);
	putchar('\n');
	if (request->reply.key)
		answer(request, payload, size);
	if (strcmp(payload, "stop") == 0)
		inbox_close(inbox);
	free(payload);
	return 0;
}

static void lost(void *arg, const struct ym_err *err)
{
	(void)arg;
	printf("lost: %s\n", err->text);
	inbox_close(inbox);
}

int main(int argc, char **argv)
{
	struct inbox_options options = {.loop = uv_default_loop(), .name = "peer", .submit = submit, .lost = lost};
	struct ym_err err;
	key_t key;

	if (argc != 3)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	options.directory = argv[2];
	if (ym_key_parse(argv[1], &key, &err) < 0 || ym_queue_get(key, 0600, &options.queue, &err) < 0 ||
	    !(inbox = inbox_open(&options, &err))) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	uv_run(options.loop, UV_RUN_DEFAULT);
	uv_loop_close(options.loop);
	return 0;
}
