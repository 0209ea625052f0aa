/* command.c - one job: start the command, listen to it until it ends, say what that means. */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../ipc/clock.h"
#include "../runtime/payload.h"
#include "../runtime/transfer.h"
#include "command_process.h"
#include "command_settings.h"
#include "command_streams.h"
#include "command_words.h"
#include "job.h"

/* The wish to end a job early is a flag in shared memory, which nobody can be woken by. */
#define LOOK_MS 50

_Static_assert(JOB_TAG_MAX + sizeof(COMMAND_PREFIX "TAG=") <= COMMAND_VARIABLE_MAX, "a tag fits its variable");

static struct {
	struct command_settings settings;
	unsigned uses; /* of the payload, by all words */
	struct command_streams streams;
	int nothing; /* /dev/null, at COMMAND_FILES or above; -1: not open yet */
} command = {.nothing = -1};

/* ---- the payload ----------------------------------------------------------------------------- */

struct input {
	int fd;              /* stdin */
	bool owned;          /* close it */
	char path[PATH_MAX]; /* of {file} */
	bool temporary;      /* unlink it */
};

static int write_payload(int fd, const void *bytes, size_t size, const char *what, struct ym_err *err)
{
	uint64_t written;

	if (transfer_write(fd, bytes, size, &written) == TRANSFER_DONE)
		return 0;
	return ym_fail_sys(err, errno, "write(%s), %llu of %zu bytes of a payload", what, (unsigned long long)written,
	                   size);
}

/*
 * The file for {file}. One that must be made is named after the row of the worker on the board: no other living worker
 * has it, and what a killed one left there is gone when the next of that row makes its own.
 */
static int make_file(ym_job *job, struct input *input, struct ym_err *err)
{
	const char *there = job_payload_path(job);
	const char *payload;
	size_t size;
	int fd, result;

	if (there) {
		snprintf(input->path, sizeof(input->path), "%s", there);
		return 0;
	}
	snprintf(input->path, sizeof(input->path), "%s/" PAYLOAD_DIRECTORY "/command.%td", job->instance->directory,
	         job->row - job->instance->board->workers);
	unlink(input->path);
	fd = open(input->path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0)
		return ym_fail_sys(err, errno, "open(\"%s\") for a payload", input->path);
	input->temporary = true;
	payload = ym_payload(job, &size);
	result = write_payload(fd, payload, size, input->path, err);
	close(fd);
	return result;
}

/* A file, not a pipe: it takes any size without waiting for a command that does not read. */
static int open_stdin(ym_job *job, struct input *input, struct ym_err *err)
{
	const char *there = job_payload_path(job);
	size_t size;
	const char *payload = ym_payload(job, &size);

	if (size == 0)
		return 0;
	input->fd = there ? open(there, O_RDONLY | O_CLOEXEC) : memfd_create("yardmaster-payload", MFD_CLOEXEC);
	if (input->fd < 0)
		return there ? ym_fail_sys(err, errno, "open(\"%s\") for the stdin of a command", there)
		             : ym_fail_sys(err, errno, "memfd_create() for the stdin of a command");
	input->owned = true;
	if (there)
		return 0;
	if (write_payload(input->fd, payload, size, "memfd", err) < 0)
		return -1;
	if (lseek(input->fd, 0, SEEK_SET) < 0)
		return ym_fail_sys(err, errno, "lseek() to the begin of a payload");
	return 0;
}

static int open_input(ym_job *job, struct input *input, struct ym_err *err)
{
	input->fd = command.nothing;
	if (command.uses & COMMAND_USES_FILE)
		return make_file(job, input, err);
	return command.uses ? 0 : open_stdin(job, input, err);
}

static void close_input(struct input *input)
{
	if (input->owned)
		close(input->fd);
	if (input->temporary)
		unlink(input->path);
}

/* ---- start ----------------------------------------------------------------------------------- */

static void tell_about(ym_job *job)
{
	struct command_settings *settings = &command.settings;

	command_settings_tell(settings, COMMAND_JOB, "%llu", (unsigned long long)ym_job_id(job));
	command_settings_tell(settings, COMMAND_ATTEMPT, "%u", ym_attempt(job));
	command_settings_tell(settings, COMMAND_ATTEMPTS, "%u", ym_attempts(job));
	command_settings_tell(settings, COMMAND_POOL, "%s", settings->pool);
	command_settings_tell(settings, COMMAND_INSTANCE, "%s", job->instance->name);
	command_settings_tell(settings, COMMAND_TAG, "%s", ym_tag(job));
	command_settings_tell(settings, COMMAND_PROGRESS_FD, "%d", STDERR_FILENO + 1);
}

/*
 * Occupy what is free of the lowest descriptors, once and for good: whatever is opened later can then be put on 0 to 3
 * of the child without overwriting what is to be put there next.
 */
static int occupy_lowest(struct ym_err *err)
{
	while (command.nothing < COMMAND_FILES) {
		command.nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (command.nothing < 0)
			return ym_fail_sys(err, errno, "open(\"/dev/null\") for the stdin of a command");
	}
	return 0;
}

static int start_with(ym_job *job, const struct input *input, struct command_process *process, struct ym_err *err)
{
	const struct command_settings *settings = &command.settings;
	struct command_start start = {.paths = settings->paths, .search = settings->search, .envp = settings->envp};
	size_t size;
	const char *payload = ym_payload(job, &size);
	char **argv = command_words_fill(settings->words, settings->nwords, payload, size, input->path, err);
	uint64_t most = job->instance->table->payload_max;
	int result;

	if (!argv)
		return -1;
	if (command_streams_open(&command.streams, job, settings->output_max < most ? settings->output_max : most,
	                         start.files + 1, err) < 0) {
		free(argv);
		return -1;
	}
	start.files[0] = input->fd;
	start.argv = argv;
	tell_about(job);
	result = command_process_start(&start, process, err);
	for (int i = 1; i < COMMAND_FILES; i++)
		close(start.files[i]);
	if (result < 0)
		command_streams_close(&command.streams);
	free(argv);
	return result;
}

/* ---- until it ends --------------------------------------------------------------------------- */

struct stopping {
	uint64_t kill_at; /* 0: not asked to end */
	bool killed;
};

static void look_at_orders(ym_job *job, const struct command_process *process, struct stopping *stopping)
{
	uint64_t now = ym_now_ns();

	if (!stopping->kill_at) {
		if (!ym_cancelled(job))
			return;
		stopping->kill_at = ym_deadline((int64_t)command.settings.stop_ms);
		command_process_signal(process, SIGTERM);
		/* One that somebody stopped shall hear it, too. */
		command_process_signal(process, SIGCONT);
	}
	if (stopping->killed || now < stopping->kill_at)
		return;
	stopping->killed = true;
	command_process_signal(process, SIGKILL);
}

/* Returns when the command itself has ended, whoever else has its pipes. */
static void listen_to(ym_job *job, const struct command_process *process, struct stopping *stopping)
{
	struct command_streams *streams = &command.streams;
	struct pollfd polls[1 + COMMAND_STREAMS] = {{.fd = process->pidfd, .events = POLLIN}};

	for (;;) {
		for (int i = 0; i < COMMAND_STREAMS; i++)
			polls[i + 1] = (struct pollfd){.fd = streams->fds[i], .events = POLLIN};
		look_at_orders(job, process, stopping);
		/* A signal to the worker ends it early, which does no harm. */
		if (poll(polls, 1 + COMMAND_STREAMS, LOOK_MS) <= 0)
			continue;
		if (polls[0].revents)
			return;
		for (int i = 0; i < COMMAND_STREAMS; i++)
			if (polls[i + 1].revents)
				command_streams_read(streams, i);
	}
}

/* ---- what it means --------------------------------------------------------------------------- */

static int say_code(ym_job *job, int code)
{
	const char *last = command_streams_last(&command.streams);

	ym_error(job, "exited with code %d%s%s", code, *last ? ": " : "", last);
	return command.settings.retry[code] ? YM_RETRY : YM_FAIL;
}

static int say_signal(ym_job *job, int status)
{
	const char *last = command_streams_last(&command.streams);

	ym_error(job, "was killed by signal %d (%s)%s%s", WTERMSIG(status), strsignal(WTERMSIG(status)),
	         *last ? ": " : "", last);
	return YM_FAIL;
}

static int judge(ym_job *job, int status, const struct rusage *usage, bool stopped)
{
	const struct command_streams *streams = &command.streams;

	job_output(job, streams->tail, streams->tail_size);
	if (WIFSIGNALED(status) && !stopped) {
		job_crashed(job, status, usage);
		return say_signal(job, status);
	}
	job_ended(job, status, usage);
	if (stopped)
		return YM_CANCELLED;
	if (WEXITSTATUS(status) != 0)
		return say_code(job, WEXITSTATUS(status));
	if (ym_result(job, streams->output ? streams->output : "", streams->output_size) == 0)
		return YM_OK;
	ym_error(job, "out of memory for the %zu bytes of the result", streams->output_size);
	return YM_RETRY;
}

static int attend(ym_job *job, struct command_process *process)
{
	struct stopping stopping = {0};
	struct rusage usage;
	struct ym_err err;
	int status;

	listen_to(job, process, &stopping);
	/* First nobody of its group writes any more, then the pipes are emptied; the pid is ours until it is reaped. */
	command_process_clear_up(process);
	command_streams_finish(&command.streams);
	job_group(job, 0);
	if (command_process_reap(process, &status, &usage, &err) == 0)
		return judge(job, status, &usage, stopping.kill_at != 0);
	ym_error(job, "%s", err.text);
	return YM_FAIL;
}

/* Could the same start succeed a little later? */
static bool may_pass(int sys)
{
	return sys == EAGAIN || sys == ENOMEM || sys == EMFILE || sys == ENFILE || sys == ENOSPC || sys == ETXTBSY;
}

static int run(ym_job *job)
{
	struct command_process process;
	struct input input = {.fd = -1};
	struct ym_err err = {0};
	int outcome = YM_FAIL;

	if (occupy_lowest(&err) == 0 && open_input(job, &input, &err) == 0 &&
	    start_with(job, &input, &process, &err) == 0) {
		job_group(job, process.pid);
		outcome = attend(job, &process);
	} else {
		ym_error(job, "%s", err.text);
		if (may_pass(err.sys))
			outcome = YM_RETRY;
	}
	close_input(&input);
	return outcome;
}

static int open_command(const struct ym_plugin_config *config, char *error, size_t size)
{
	struct ym_err err;

	if (command_settings_read(&command.settings, config, &err) < 0) {
		snprintf(error, size, "%s", err.text);
		return -1;
	}
	command.uses = 0;
	for (size_t i = 0; i < command.settings.nwords; i++)
		command.uses |= command_word_uses(command.settings.words[i]);
	return 0;
}

static void close_command(void)
{
	command_settings_free(&command.settings);
	free(command.streams.output);
	command.streams.output = NULL;
	command.streams.output_room = 0;
}

const struct ym_plugin command_task = {
    .abi = YM_PLUGIN_ABI,
    .size = sizeof(struct ym_plugin),
    .name = "command",
    .open = open_command,
    .run = run,
    .close = close_command,
};
