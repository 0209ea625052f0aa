/*
 * ftp_upload.c - a Yardmaster plugin that uploads one file by FTP with libcurl.
 *
 * Payload: the absolute path of the file, optionally a tab and the name it gets on the server (without it: the
 * last part of the path). A newline at the end is ignored.
 *
 * Options of the pool: see known_options below.
 *
 * The bytes go to NAME.JOB.part first and get their final name by one rename when all of them have arrived, so
 * nobody ever sees half a file under NAME, a second run of the same job simply starts again, and two jobs for
 * the same NAME never write into each other's file. A job that ends early leaves its .part behind.
 */
#define _GNU_SOURCE 1 /* asprintf */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <curl/curl.h>
#include <yardmaster/plugin.h>

#define CONNECT_TIMEOUT_DEFAULT 10  /* seconds */
#define STALL_TIMEOUT           30L /* seconds without a byte, or without an answer to a command */
#define BREATH                  100 /* milliseconds between two looks at ym_cancelled() when nothing moves */

/*
 * One per worker process. The handles stay open from job to job, and with them the connection to the server;
 * the strings belong to the worker program and are valid until close_worker() returns.
 */
static struct {
	CURL *easy;
	CURLM *multi;
	curl_socket_t connection; /* to the server, kept for the next job; CURL_SOCKET_BAD: none */
	const char *url;
	const char *user;
	const char *password;
	curl_off_t rate; /* bytes per second, 0: as fast as it goes */
	long connect_timeout;
} worker;

/* One run of one job. */
struct upload {
	ym_job *job;
	char *path;
	char *name; /* on the server, without a directory */
	char *part; /* the name until all bytes are there */
	int fd;
	struct stat st;                   /* the file as it was when the upload began */
	curl_off_t given;                 /* bytes handed to libcurl */
	curl_off_t took;                  /* microseconds, once it is done */
	bool cancelled;                   /* on_progress() stopped the transfer */
	char fault[YM_ERROR_MAX];         /* why on_read() stopped the transfer, "" if it did not */
	char reply[YM_ERROR_MAX];         /* the server's last reply, "" before the first */
	char curl_error[CURL_ERROR_SIZE]; /* libcurl's words */
};

/* ---- options --------------------------------------------------------------------------------- */

static int parse_number(const char *text, unsigned long long max, unsigned long long *out, const char **rest)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return -1;
	errno = 0;
	*out = strtoull(text, &end, 10);
	*rest = end;
	return errno || *out > max ? -1 : 0;
}

static int set_url(const char *value)
{
	CURLU *parsed = curl_url();
	char *scheme = NULL;
	int rc = -1;

	if (parsed && curl_url_set(parsed, CURLUPART_URL, value, 0) == CURLUE_OK &&
	    curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	    (strcmp(scheme, "ftp") == 0 || strcmp(scheme, "ftps") == 0)) {
		worker.url = value;
		rc = 0;
	}
	curl_free(scheme);
	curl_url_cleanup(parsed);
	return rc;
}

static int set_user(const char *value)
{
	worker.user = value;
	return 0;
}

static int set_password(const char *value)
{
	worker.password = value;
	return 0;
}

static int set_rate(const char *value)
{
	static const struct {
		const char *suffix;
		unsigned long long bytes;
	} units[] = {{"", 1},          {"b", 1},       {"k", 1 << 10},  {"kb", 1 << 10},
	             {"kib", 1 << 10}, {"m", 1 << 20}, {"mb", 1 << 20}, {"mib", 1 << 20}};
	unsigned long long number;
	const char *suffix;

	if (parse_number(value, INT32_MAX, &number, &suffix) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcasecmp(suffix, units[i].suffix) == 0) {
			worker.rate = (curl_off_t)(number * units[i].bytes);
			return 0;
		}
	}
	return -1;
}

static int set_connect_timeout(const char *value)
{
	unsigned long long number;
	const char *rest;

	if (parse_number(value, 3600, &number, &rest) < 0 || *rest || number == 0)
		return -1;
	worker.connect_timeout = (long)number;
	return 0;
}

/* The options: name, how it is taken in, what it must be. */
static const struct {
	const char *key;
	int (*set)(const char *value);
	const char *expected;
} known_options[] = {
    {"url", set_url, "where the files go, such as ftp://host:21/incoming/"},
    {"user", set_user, "the user to log in as"},
    {"password", set_password, "the user's password"},
    {"rate", set_rate, "bytes per second for one upload, such as 500kb or 2mb, 0 for no limit"},
    {"connect_timeout", set_connect_timeout, "seconds, 1 to 3600"},
};
#define NKNOWN (sizeof(known_options) / sizeof(known_options[0]))

static int refuse_unknown(const char *key, char *error, size_t size)
{
	FILE *text = fmemopen(error, size, "w");

	if (!text)
		return -1;
	fprintf(text, "option.%s is unknown; ftp_upload takes", key);
	for (size_t i = 0; i < NKNOWN; i++)
		fprintf(text, "%s option.%s", i ? "," : "", known_options[i].key);
	fclose(text);
	return -1;
}

static int take_option(const struct ym_option *option, char *error, size_t size)
{
	for (size_t i = 0; i < NKNOWN; i++) {
		if (strcmp(option->key, known_options[i].key) != 0)
			continue;
		if (known_options[i].set(option->value) == 0)
			return 0;
		snprintf(error, size, "option.%s = %s: expected %s", option->key, option->value,
		         known_options[i].expected);
		return -1;
	}
	return refuse_unknown(option->key, error, size);
}

/* ---- the worker's life ----------------------------------------------------------------------- */

static void close_worker(void)
{
	/* The cleanup says QUIT and would wait for an answer: a dead server must not hold up the worker's end. */
	if (worker.connection != CURL_SOCKET_BAD)
		shutdown(worker.connection, SHUT_RD);
	curl_easy_cleanup(worker.easy);
	curl_multi_cleanup(worker.multi);
	curl_global_cleanup();
}

static int open_worker(const struct ym_plugin_config *config, char *error, size_t size)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		snprintf(error, size, "libcurl cannot be initialised");
		return -1;
	}
	worker.connection = CURL_SOCKET_BAD;
	worker.connect_timeout = CONNECT_TIMEOUT_DEFAULT;
	for (size_t i = 0; i < config->noptions; i++) {
		if (take_option(&config->options[i], error, size) < 0)
			goto refuse;
	}
	if (!worker.url) {
		snprintf(error, size, "option.url is missing: say %s", known_options[0].expected);
		goto refuse;
	}
	worker.easy = curl_easy_init();
	worker.multi = curl_multi_init();
	if (worker.easy && worker.multi)
		return 0;
	curl_easy_cleanup(worker.easy);
	curl_multi_cleanup(worker.multi);
	snprintf(error, size, "no memory for a libcurl handle");
refuse:
	curl_global_cleanup();
	return -1;
}

/* ---- what libcurl calls during a transfer ---------------------------------------------------- */

static size_t on_read(char *buffer, size_t size, size_t nitems, void *data)
{
	struct upload *up = data;
	curl_off_t left = up->st.st_size - up->given;
	size_t want = size * nitems;
	struct stat now;
	ssize_t n;

	if ((curl_off_t)want > left)
		want = (size_t)left;
	if (want == 0)
		return 0;
	do
		n = read(up->fd, buffer, want);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		snprintf(up->fault, sizeof(up->fault), "cannot read %.120s: %s", up->path, strerror(errno));
		return CURL_READFUNC_ABORT;
	}
	up->given += n;
	/* Before the last byte leaves: is it still the file that was measured? If not, the server gets no whole one. */
	if (n == 0 || (up->given == up->st.st_size && (fstat(up->fd, &now) < 0 || now.st_size != up->st.st_size ||
	                                               now.st_mtim.tv_sec != up->st.st_mtim.tv_sec ||
	                                               now.st_mtim.tv_nsec != up->st.st_mtim.tv_nsec))) {
		snprintf(up->fault, sizeof(up->fault), "%.120s changed while it was uploaded", up->path);
		return CURL_READFUNC_ABORT;
	}
	return (size_t)n;
}

static int on_progress(void *data, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal, curl_off_t ulnow)
{
	struct upload *up = data;

	(void)dltotal, (void)dlnow, (void)ultotal;
	ym_progress(up->job, (uint64_t)ulnow, (uint64_t)up->st.st_size, NULL);
	up->cancelled = ym_cancelled(up->job);
	return up->cancelled;
}

/* For FTP libcurl's "headers" are the replies on the control connection, one line a call. */
static size_t on_reply(char *line, size_t size, size_t nitems, void *data)
{
	struct upload *up = data;
	size_t length = size * nitems, used = length;

	while (used && (line[used - 1] == '\r' || line[used - 1] == '\n'))
		used--;
	if (used < 4 || line[3] != ' ' || strspn(line, "0123456789") != 3)
		return length; /* an inner line of a long reply: the one that counts is still to come */
	if (used >= sizeof(up->reply))
		used = sizeof(up->reply) - 1;
	for (size_t i = 0; i < used; i++) /* goes to terminals later: no control characters of a stranger */
		up->reply[i] = (unsigned char)line[i] < ' ' ? '?' : line[i];
	up->reply[used] = '\0';
	if (strncmp(up->reply, "150", 3) == 0 || strncmp(up->reply, "125", 3) == 0)
		ym_progress(up->job, 0, (uint64_t)up->st.st_size, "uploading %s", up->name);
	else if (strncmp(up->reply, "350", 3) == 0)
		ym_progress(up->job, (uint64_t)up->st.st_size, (uint64_t)up->st.st_size, "renaming");
	return length;
}

/* ---- one job --------------------------------------------------------------------------------- */

static int fail(struct upload *up, int outcome, const char *text)
{
	ym_error(up->job, "%s", text);
	return outcome;
}

/* Take the payload apart. YM_OK, or the outcome with the reason said. */
static int read_payload(struct upload *up)
{
	size_t size;
	const char *payload = ym_payload(up->job, &size);
	const char *tab, *base;

	if (size && payload[size - 1] == '\n')
		size--;
	if (size == 0 || payload[0] == '\t' || memchr(payload, '\0', size))
		return fail(up, YM_FAIL, "the payload must be PATH or PATH<tab>REMOTE NAME");
	tab = memchr(payload, '\t', size);
	up->path = strndup(payload, tab ? (size_t)(tab - payload) : size);
	if (!up->path)
		return fail(up, YM_RETRY, strerror(errno));
	base = strrchr(up->path, '/');
	base = base ? base + 1 : up->path;
	up->name = tab ? strndup(tab + 1, size - (size_t)(tab + 1 - payload)) : strdup(base);
	if (!up->name)
		return fail(up, YM_RETRY, strerror(errno));
	/* The name becomes part of FTP commands, where a line end would start a command of its own. */
	for (const char *c = up->name; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 127 || *c == '/')
			return fail(up, YM_FAIL, "the remote name may hold no slash and no control character");
	}
	if (!*up->name || strcmp(up->name, ".") == 0 || strcmp(up->name, "..") == 0)
		return fail(up, YM_FAIL, "the remote name is empty: give PATH<tab>REMOTE NAME");
	if (asprintf(&up->part, "%s.%llu.part", up->name, (unsigned long long)ym_job_id(up->job)) < 0) {
		up->part = NULL;
		return fail(up, YM_RETRY, "no memory");
	}
	return YM_OK;
}

static int open_file(struct upload *up)
{
	/* O_NONBLOCK: a FIFO must be refused below, not waited for here. */
	up->fd = open(up->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (up->fd < 0 || fstat(up->fd, &up->st) < 0) {
		ym_error(up->job, "cannot open %s: %s", up->path, strerror(errno));
		return YM_FAIL;
	}
	if (!S_ISREG(up->st.st_mode)) {
		ym_error(up->job, "cannot upload %s: not a regular file", up->path);
		return YM_FAIL;
	}
	return YM_OK;
}

/* Everything is set anew for each job, so nothing of an earlier one can linger. 0, or -1 without memory. */
static int configure(struct upload *up, const char *url, struct curl_slist *rename)
{
	CURL *easy = worker.easy;
	bool ok = true;

	ok &= curl_easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK;
	ok &= !worker.user || curl_easy_setopt(easy, CURLOPT_USERNAME, worker.user) == CURLE_OK;
	ok &= !worker.password || curl_easy_setopt(easy, CURLOPT_PASSWORD, worker.password) == CURLE_OK;
	/* A proxy from the environment may turn FTP into HTTP, which knows no rename. */
	ok &= curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK;
	curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(easy, CURLOPT_POSTQUOTE, rename);
	curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)up->st.st_size);
	curl_easy_setopt(easy, CURLOPT_MAX_SEND_SPEED_LARGE, worker.rate);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, worker.connect_timeout);
	curl_easy_setopt(easy, CURLOPT_SERVER_RESPONSE_TIMEOUT, STALL_TIMEOUT);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, STALL_TIMEOUT);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L); /* the signals of a worker are not ours */
	curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(easy, CURLOPT_READDATA, up);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_reply);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, up);
	curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(easy, CURLOPT_XFERINFODATA, up);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, up->curl_error);
	return ok ? 0 : -1;
}

/* curl_easy_perform() with a shorter breath: that one may not look up, and see a cancellation, for a second. */
static CURLcode perform(void)
{
	CURLcode rc = CURLE_FAILED_INIT;
	CURLMcode status = curl_multi_add_handle(worker.multi, worker.easy);
	int running = status == CURLM_OK, left;
	CURLMsg *message;

	while (status == CURLM_OK && running) {
		status = curl_multi_perform(worker.multi, &running);
		if (status == CURLM_OK && running)
			status = curl_multi_poll(worker.multi, NULL, 0, BREATH, NULL);
	}
	while ((message = curl_multi_info_read(worker.multi, &left)))
		if (message->msg == CURLMSG_DONE)
			rc = message->data.result;
	worker.connection = CURL_SOCKET_BAD;
	curl_easy_getinfo(worker.easy, CURLINFO_ACTIVESOCKET, &worker.connection);
	if (rc != CURLE_OK && worker.connection != CURL_SOCKET_BAD) {
		/* A late reply to this job must not be taken for one to the next: make libcurl drop the connection. */
		shutdown(worker.connection, SHUT_RDWR);
		worker.connection = CURL_SOCKET_BAD;
	}
	curl_multi_remove_handle(worker.multi, worker.easy);
	return rc;
}

/* Addresses and commands for one transfer, then the transfer. */
static CURLcode transfer(struct upload *up)
{
	const char *slash = worker.url[strlen(worker.url) - 1] == '/' ? "" : "/";
	char *escaped = curl_easy_escape(worker.easy, up->part, 0);
	struct curl_slist *list = NULL, *longer = NULL;
	char *url = NULL, *from = NULL, *to = NULL;
	CURLcode rc = CURLE_OUT_OF_MEMORY;

	if (escaped && asprintf(&url, "%s%s%s", worker.url, slash, escaped) < 0)
		url = NULL;
	if (asprintf(&from, "RNFR %s", up->part) < 0)
		from = NULL;
	if (asprintf(&to, "RNTO %s", up->name) < 0)
		to = NULL;
	if (url && from && to && (list = curl_slist_append(NULL, from)) && (longer = curl_slist_append(list, to)) &&
	    configure(up, url, longer) == 0)
		rc = perform();
	if (rc == CURLE_OK)
		curl_easy_getinfo(worker.easy, CURLINFO_TOTAL_TIME_T, &up->took);
	/* Keeps the connection, forgets `up`: closing the handle later must not call back into a job of the past. */
	curl_easy_reset(worker.easy);
	curl_slist_free_all(list);
	curl_free(escaped);
	free(url);
	free(from);
	free(to);
	return rc;
}

/* Did the line or the server break, as opposed to the server saying no? Then an earlier 5xx is not the reason. */
static bool broke_off(CURLcode rc)
{
	return rc == CURLE_COULDNT_CONNECT || rc == CURLE_OPERATION_TIMEDOUT || rc == CURLE_SEND_ERROR ||
	       rc == CURLE_RECV_ERROR || rc == CURLE_GOT_NOTHING || rc == CURLE_PARTIAL_FILE;
}

static int succeed(struct upload *up)
{
	char text[512];
	int length = snprintf(text, sizeof(text), "uploaded %.400s, %lld bytes, in %.1f s", up->name,
	                      (long long)up->st.st_size, (double)up->took / 1e6);

	ym_progress(up->job, (uint64_t)up->st.st_size, (uint64_t)up->st.st_size, "uploaded");
	if (ym_result(up->job, text, (size_t)length) < 0)
		return fail(up, YM_RETRY, "no room for the result");
	return YM_OK;
}

/* What the transfer's end means for the job: a "no" of the server (5xx) is final, everything else may pass. */
static int conclude(struct upload *up, CURLcode rc)
{
	const char *why;

	if (rc == CURLE_OK)
		return succeed(up);
	if (up->cancelled)
		return YM_CANCELLED;
	if (up->fault[0])
		return fail(up, YM_RETRY, up->fault);
	if (up->reply[0] == '4' || (up->reply[0] == '5' && !broke_off(rc))) {
		ym_error(up->job, "ftp server said: %s", up->reply);
		return up->reply[0] == '5' ? YM_FAIL : YM_RETRY;
	}
	why = up->curl_error[0] ? up->curl_error : curl_easy_strerror(rc);
	if (up->given)
		ym_error(up->job, "ftp upload broke off after %lld of %lld bytes: %s", (long long)up->given,
		         (long long)up->st.st_size, why);
	else
		ym_error(up->job, "ftp: %s", why);
	return YM_RETRY;
}

static int run_upload(ym_job *job)
{
	struct upload up = {.job = job, .fd = -1};
	int outcome = read_payload(&up);

	if (outcome == YM_OK)
		outcome = open_file(&up);
	if (outcome == YM_OK) {
		fprintf(stderr, "uploading %s\n", up.name);
		ym_unit(job, "bytes");
		ym_progress(job, 0, (uint64_t)up.st.st_size, "connecting");
		outcome = conclude(&up, transfer(&up));
	}
	if (up.fd >= 0)
		close(up.fd);
	free(up.path);
	free(up.name);
	free(up.part);
	return outcome;
}

YM_PLUGIN("ftp_upload", .open = open_worker, .run = run_upload, .close = close_worker);
