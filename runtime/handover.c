/* handover.c - children to JSON and back. */
#include "handover.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "text.h"

/* ---- a child --------------------------------------------------------------------------------- */

/* Bytes as digits: a child prints what it likes, JSON takes text only. */
static char *to_digits(const char *bytes, size_t length)
{
	char *digits = malloc(2 * length + 1);

	if (!digits)
		return NULL;
	for (size_t i = 0; i < length; i++)
		snprintf(digits + 2 * i, 3, "%02x", (unsigned char)bytes[i]);
	digits[2 * length] = '\0';
	return digits;
}

static size_t from_digits(const char *digits, char *bytes, size_t size)
{
	char two[3] = "";
	size_t n = 0;

	for (; n < size && digits[2 * n] && digits[2 * n + 1]; n++) {
		memcpy(two, digits + 2 * n, 2);
		bytes[n] = (char)strtoul(two, NULL, 16);
	}
	return n;
}

bool handover_take(const struct child *child, struct handed *handed)
{
	handed->pid = child_pid(child);
	handed->fds = (struct process_fds)PROCESS_FDS_INIT;
	text_copy(handed->reason, sizeof(handed->reason), child->life.reason);
#define X(name, from) handed->name = (int64_t)child->from;
	HANDED_MAP(X)
#undef X
	if (!child->process)
		return true;
	process_peek(child->process, &handed->fds);
	for (enum process_stream i = 0; i < PROCESS_STREAMS; i++) {
		const char *part;
		size_t length = process_part(child->process, i, &part);

		if (length > 0 && !(handed->parts[i] = to_digits(part, length)))
			return false;
	}
	return true;
}

bool handover_give(struct handed *handed, struct child *child)
{
	struct life *life = &child->life;
	char part[PROCESS_LINE_MAX];

	if (handed->pid && !child_adopt(child, (pid_t)handed->pid, &handed->fds))
		return false;
	for (enum process_stream i = 0; handed->pid && i < PROCESS_STREAMS; i++)
		if (handed->parts[i])
			process_take_part(child->process, i, part, from_digits(handed->parts[i], part, sizeof(part)));
	/* They are the child's now. */
	handed->fds = (struct process_fds)PROCESS_FDS_INIT;
	text_copy(life->reason, sizeof(life->reason), handed->reason);
#define X(name, from) child->from = (__typeof__(child->from))handed->name;
	HANDED_MAP(X)
#undef X
	life_rearm(life);
	return true;
}

/* ---- lists ----------------------------------------------------------------------------------- */

static void *another(void **list, size_t *n, size_t size)
{
	void *grown = realloc(*list, (*n + 1) * size), *entry;

	if (!grown)
		return NULL;
	*list = grown;
	entry = (char *)grown + *n * size;
	memset(entry, 0, size);
	(*n)++;
	return entry;
}

struct handed *handover_child(struct handover *handover)
{
	void *list = handover->children;
	struct handed *handed = another(&list, &handover->nchildren, sizeof(*handed));

	handover->children = list;
	if (handed)
		handed->fds = (struct process_fds)PROCESS_FDS_INIT;
	return handed;
}

struct handed_unit *handover_unit(struct handover *handover)
{
	void *list = handover->units;
	struct handed_unit *unit = another(&list, &handover->nunits, sizeof(*unit));

	handover->units = list;
	return unit;
}

const struct handed_unit *handover_find_unit(const struct handover *handover, const char *name)
{
	for (size_t i = 0; handover && i < handover->nunits; i++)
		if (strcmp(handover->units[i].name, name) == 0)
			return &handover->units[i];
	return NULL;
}

static void set_cloexec(int fd, bool on)
{
	if (fd >= 0)
		fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0);
}

void handover_cloexec(const struct handover *handover, bool on)
{
	for (size_t i = 0; i < handover->nchildren; i++) {
		set_cloexec(handover->children[i].fds.pidfd, on);
		for (size_t j = 0; j < PROCESS_STREAMS; j++)
			set_cloexec(handover->children[i].fds.streams[j], on);
	}
	set_cloexec((int)handover->pidfile_fd, on);
}

void handover_free(struct handover *handover)
{
	for (size_t i = 0; i < handover->nchildren; i++)
		for (size_t j = 0; j < PROCESS_STREAMS; j++)
			free(handover->children[i].parts[j]);
	free(handover->children);
	free(handover->units);
	free(handover->pidfile);
	*handover = (struct handover){0};
}

/* ---- to JSON --------------------------------------------------------------------------------- */

/* A reason may hold what a child has printed: bytes that are no UTF-8 become question marks. */
static json_t *text_json(const char *text)
{
	char clean[LIFE_REASON_MAX];
	size_t length, n;

	text_copy(clean, sizeof(clean), text);
	length = strlen(clean);
	for (size_t at = 0; at < length; at += n) {
		n = text_utf8((const unsigned char *)clean + at, length - at);
		if (n == 0) {
			clean[at] = '?';
			n = 1;
		}
	}
	return json_string(clean);
}

static json_t *child_json(const struct handed *handed)
{
	json_t *json = json_object();

	json_object_set_new(json, "unit", json_string(handed->unit));
	json_object_set_new(json, "number", json_integer(handed->number));
	json_object_set_new(json, "pid", json_integer(handed->pid));
	json_object_set_new(json, "reason", text_json(handed->reason));
	json_object_set_new(json, "fds",
	                    json_pack("[iiii]", handed->fds.pidfd, handed->fds.streams[PROCESS_OUTPUT],
	                              handed->fds.streams[PROCESS_ERRORS], handed->fds.streams[PROCESS_READY]));
	json_object_set_new(json, "parts",
	                    json_pack("[s?s?s?]", handed->parts[PROCESS_OUTPUT], handed->parts[PROCESS_ERRORS],
	                              handed->parts[PROCESS_READY]));
#define X(name, ...) json_object_set_new(json, #name, json_integer(handed->name));
	HANDED_MAP(X)
	HANDED_OWNER_MAP(X)
#undef X
	return json;
}

static json_t *to_json(const struct handover *handover)
{
	json_t *children = json_array(), *units = json_array();

	for (size_t i = 0; i < handover->nchildren; i++)
		json_array_append_new(children, child_json(&handover->children[i]));
	for (size_t i = 0; i < handover->nunits; i++)
		json_array_append_new(units, json_pack("{s:s, s:I, s:I, s:I}", "name", handover->units[i].name,
		                                       "wanted", (json_int_t)handover->units[i].wanted, "up",
		                                       (json_int_t)handover->units[i].up, "workers",
		                                       (json_int_t)handover->units[i].workers));
	return json_pack("{s:i, s:I, s:I, s:I, s:I, s:s?, s:I, s:o, s:o}", "version", HANDOVER_VERSION, "semid",
	                 (json_int_t)handover->semid, "slot", (json_int_t)handover->slot, "registry",
	                 (json_int_t)handover->registry, "keeper", (json_int_t)handover->keeper, "pidfile",
	                 handover->pidfile, "pidfile_fd", (json_int_t)handover->pidfile_fd, "children", children,
	                 "units", units);
}

int handover_write(const struct handover *handover, struct ym_err *err)
{
	int fd = memfd_create("yardmaster-handover", 0);
	json_t *json;
	int result;

	if (fd < 0)
		return ym_fail_sys(err, errno, "memfd_create() for what the next image needs");
	json = to_json(handover);
	result = json ? json_dumpfd(json, fd, JSON_COMPACT) : -1;
	json_decref(json);
	if (result == 0 && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	close(fd);
	return ym_fail(err, YM_ERR_LIMIT, "what the next image needs cannot be written: no memory");
}

/* ---- from JSON ------------------------------------------------------------------------------- */

static int64_t number(const json_t *json, const char *key)
{
	return json_integer_value(json_object_get(json, key));
}

static const char *text(const json_t *json, const char *key)
{
	const char *value = json_string_value(json_object_get(json, key));

	return value ? value : "";
}

static int fd_at(const json_t *list, size_t index)
{
	const json_t *json = json_array_get(list, index);

	return json_is_integer(json) ? (int)json_integer_value(json) : -1;
}

static bool read_child(const json_t *json, struct handover *handover)
{
	struct handed *handed = handover_child(handover);
	const json_t *fds = json_object_get(json, "fds"), *parts = json_object_get(json, "parts");

	if (!handed)
		return false;
	text_copy(handed->unit, sizeof(handed->unit), text(json, "unit"));
	text_copy(handed->reason, sizeof(handed->reason), text(json, "reason"));
	handed->number = number(json, "number");
	handed->pid = number(json, "pid");
	handed->fds.pidfd = fd_at(fds, 0);
	for (size_t i = 0; i < PROCESS_STREAMS; i++) {
		const char *part = json_string_value(json_array_get(parts, i));

		handed->fds.streams[i] = fd_at(fds, 1 + i);
		if (part && !(handed->parts[i] = strdup(part)))
			return false;
	}
#define X(name, ...) handed->name = number(json, #name);
	HANDED_MAP(X)
	HANDED_OWNER_MAP(X)
#undef X
	return handed->state >= 0 && handed->state < LIFE_STATES;
}

static bool read_unit(const json_t *json, struct handover *handover)
{
	struct handed_unit *unit = handover_unit(handover);

	if (!unit)
		return false;
	text_copy(unit->name, sizeof(unit->name), text(json, "name"));
	unit->wanted = number(json, "wanted");
	unit->up = number(json, "up");
	unit->workers = number(json, "workers");
	return true;
}

static bool from_json(const json_t *json, struct handover *handover)
{
	const json_t *entry, *pidfile = json_object_get(json, "pidfile");
	size_t i;

	if (number(json, "version") != HANDOVER_VERSION)
		return false;
	handover->semid = number(json, "semid");
	handover->slot = number(json, "slot");
	handover->registry = number(json, "registry");
	handover->keeper = number(json, "keeper");
	handover->pidfile_fd = number(json, "pidfile_fd");
	if (json_is_string(pidfile))
		handover->pidfile = strdup(json_string_value(pidfile));
	json_array_foreach(json_object_get(json, "children"), i, entry) if (!read_child(entry, handover)) return false;
	json_array_foreach(json_object_get(json, "units"), i, entry) if (!read_unit(entry, handover)) return false;
	return true;
}

int handover_read(int fd, struct handover *handover, struct ym_err *err)
{
	json_error_t error;
	json_t *json = json_loadfd(fd, 0, &error);
	bool good;

	*handover = (struct handover){0};
	close(fd);
	good = json && from_json(json, handover);
	json_decref(json);
	if (good) {
		handover_cloexec(handover, true);
		return 0;
	}
	handover_free(handover);
	return ym_fail(err, YM_ERR_BUG, "what the last image of this program has left cannot be read: %s",
	               json ? "another version" : error.text);
}
