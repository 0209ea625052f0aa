/*
 * document.c - reading an INI file through libinih without meeting its fixed sizes.
 *
 * The library copies each line into 200 bytes and cuts section and option names to 49 silently, ends values at
 * " ;", joins indented lines, tells the handler no line number and never mentions a section without options.
 * So it is not given the file's lines. Our reader walks over the text, counts lines, and hands over short
 * stand-ins: `name=OFFSET.` where OFFSET says at which byte of the text the value is, and after each header a
 * line without a name, which no file can contain, to announce the section. The library divides and groups; the
 * bytes stay here. Every line handed over must come back through the handler: one that does not is reported.
 */
#include "document.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "array.h"
#include "kinds.h"

#define FILE_MAX     (16u << 20) /* bytes; a larger file is surely something else */
#define NAME_MAX_INI 49          /* bytes of a section or option name that libinih keeps */
#define BLANK        " \t\v\f\r"
#define MARK         "\xEF\xBB\xBF" /* of UTF-8; also in front of a later line, when files were joined */

struct reader {
	struct cfg_document *document;
	struct cfg_problems *problems;
	struct cfg_place at; /* the line read last */
	char *next;          /* first byte not yet read */
	const char *header;  /* section that was handed over and is still to be announced, or NULL */
	size_t handed, taken;
	/* Of the section that is open, if it is supervisord's: */
	enum cfg_dialect dialect;
	bool option;     /* there was an option, which a line may continue */
	size_t indented; /* how far that was */
	char *tail;      /* the NUL behind its value; NULL: it was refused */
};

static struct cfg_section *current(const struct cfg_document *document)
{
	return document->count ? &document->sections[document->count - 1] : NULL;
}

/* A line that is left out, with the reason. Returns NULL, like a function that found no line. */
static char *refuse(struct reader *reader, const char *text, const char *why)
{
	struct cfg_section *section = current(reader->document);
	char excerpt[CFG_EXCERPT_MAX];

	if (section)
		section->damaged = true;
	cfg_problems_add(reader->problems, reader->at, "`%s`: %s", cfg_excerpt(text, excerpt), why);
	return NULL;
}

/* What takes the place of a comment behind something: white space, then one of these. */
static void cut_comment(char *text)
{
	for (char *at = text; *at; at++) {
		if (strchr(";#", *at) && at > text && strchr(BLANK, at[-1])) {
			*at = '\0';
			break;
		}
	}
}

static char *trim(char *text)
{
	char *end;

	text += strspn(text, BLANK);
	for (end = text + strlen(text); end > text && strchr(BLANK, end[-1]); end--)
		;
	*end = '\0';
	return text;
}

/* One more line of the value that was read last. There is room: at least a line end lies between the two. */
static void continue_value(struct reader *reader, const char *text)
{
	size_t length = strlen(text);

	if (!reader->tail || !length)
		return;
	*reader->tail++ = '\n';
	memmove(reader->tail, text, length + 1);
	reader->tail += length;
}

/* What to do with a line that is no comment: NULL to go on with the next one. */
static char *take_text(struct reader *reader, char *start, char *text)
{
	size_t indented = (size_t)(text - start);

	if (reader->dialect == CFG_DIALECT_SUPERVISORD) {
		bool more = reader->option && indented > reader->indented;

		if (more || *text != '[')
			cut_comment(text);
		text = trim(text);
		if (more) {
			continue_value(reader, text);
			return NULL;
		}
		reader->indented = indented;
		return text;
	}
	if (!indented)
		return text;
	return refuse(
	    reader, text,
	    "starts with white space: sections and options start in the first column, and a value ends with its "
	    "line");
}

/* The next line that says something, terminated and without trailing white space; NULL at the end. */
static char *next_line(struct reader *reader)
{
	char *limit = reader->document->text + reader->document->size;

	while (reader->next < limit) {
		char *start = reader->next, *end = memchr(start, '\n', (size_t)(limit - start)), *text;

		if (!end)
			end = limit;
		reader->next = end + 1;
		reader->at.line++;
		*end = '\0';
		if (strlen(start) != (size_t)(end - start)) {
			refuse(reader, start, "a NUL byte follows: an INI file is plain text, saved as UTF-8");
			continue;
		}
		while (!strncmp(start, MARK, strlen(MARK)))
			start += strlen(MARK);
		text = trim(start);
		if (strchr(text, '\r'))
			text = refuse(reader, text, "a carriage return inside the line: end lines with LF or CRLF");
		else if (*text && !strchr(";#", *text))
			text = take_text(reader, start, text);
		else
			text = NULL;
		if (text)
			return text;
	}
	return NULL;
}

/* A byte that would end or change a name on its way through the library, or could not be seen in a message. */
static bool unfit(const char *name, const char *refused)
{
	for (; *name; name++) {
		if (iscntrl((unsigned char)*name) || strchr(refused, *name))
			return true;
	}
	return false;
}

static enum cfg_dialect header_dialect(const char *name, char *end)
{
	enum cfg_dialect dialect;

	*end = '\0';
	dialect = cfg_dialect_of(name);
	*end = ']';
	return dialect;
}

/* `[section]` to its name, "" with a problem if it is none. The caller goes on: its options must go somewhere. */
static const char *header_name(struct reader *reader, char *text)
{
	char *end = strchr(text, ']'), *name = text + 1;
	const char *why = NULL;

	if (end && header_dialect(name, end) == CFG_DIALECT_SUPERVISORD) {
		cut_comment(end + 1);
		trim(end);
	}
	if (!end)
		why = "no `]` closes the section name";
	else if (end[1])
		why = "nothing may follow the `]`, not even a comment";
	else if (end == name)
		why = "the section has no name: write [pool:NAME] or [limit:NAME]";
	else if (end - name > NAME_MAX_INI)
		why = "the section name is too long: at most 49 characters, the word and the colon included";
	if (!why) {
		*end = '\0';
		if (!unfit(name, " "))
			return name;
		*end = ']';
		why = "white space or a control character in a section name";
	}
	refuse(reader, text, why);
	return reader->document->text + reader->document->size;
}

static char *hand_header(struct reader *reader, char *text, char *out, size_t size)
{
	reader->header = header_name(reader, text);
	reader->dialect = cfg_dialect_of(reader->header);
	reader->option = false;
	snprintf(out, size, "[%s]", reader->header);
	return out;
}

static char *hand_option(struct reader *reader, char *text, char *out, size_t size)
{
	char *equals = strpbrk(text, reader->dialect == CFG_DIALECT_SUPERVISORD ? "=:" : "="), *name, *value;

	reader->option = true;
	reader->tail = NULL;
	if (!equals)
		return refuse(reader, text, "no `=`: write NAME = VALUE, [SECTION] or ; comment");
	if (equals == text)
		return refuse(reader, text, "no name before the `=`");
	value = trim(equals + 1);
	*equals = '\0';
	name = trim(text);
	if (strlen(name) > NAME_MAX_INI)
		return refuse(reader, name, "the option name is too long: at most 49 characters");
	if (unfit(name, ":") || strstr(name, " ;"))
		return refuse(reader, name, "an option name has no `:`, no ` ;` and no control character");
	reader->tail = value + strlen(value);
	snprintf(out, size, "%s=%zu.", name, (size_t)(value - reader->document->text));
	reader->handed++;
	return out;
}

/* ini_reader: the next line for the library. The line before has been through the handler when this is called. */
static char *hand_line(char *out, int size, void *stream)
{
	struct reader *reader = stream;
	char *text, *handed = NULL;

	if (reader->handed != reader->taken) {
		reader->taken = reader->handed;
		refuse(reader, "this line", "libinih does not take it; please report the line");
	}
	if (reader->header) {
		snprintf(out, (size_t)size, "=%zu.", (size_t)(reader->header - reader->document->text));
		reader->header = NULL;
		reader->handed++;
		return out;
	}
	while (!handed && (text = next_line(reader)))
		handed = *text == '[' ? hand_header(reader, text, out, (size_t)size)
		                      : hand_option(reader, text, out, (size_t)size);
	return handed;
}

static bool add_section(struct reader *reader, const char *name)
{
	struct cfg_document *document = reader->document;
	struct cfg_section *sections = cfg_room(document->sections, document->count, sizeof(*sections));

	if (!sections)
		return false;
	document->sections = sections;
	sections[document->count++] = (struct cfg_section){.name = name, .at = reader->at};
	return true;
}

static bool add_entry(struct cfg_section *section, const char *name, const char *value, struct cfg_place at)
{
	struct cfg_entry *entries = cfg_room(section->entries, section->count, sizeof(*entries));
	char *copy = entries ? strdup(name) : NULL;

	if (entries)
		section->entries = entries;
	if (!copy)
		return false;
	entries[section->count++] = (struct cfg_entry){.name = copy, .value = value, .at = at};
	return true;
}

/* ini_handler: takes one stand-in back. 0 tells the library that the line was wrong. */
static int take_line(void *user, const char *section, const char *name, const char *value)
{
	struct reader *reader = user;
	struct cfg_section *open = current(reader->document);
	const char *text;
	char *end;
	unsigned long offset = strtoul(value, &end, 10);
	bool added = true;

	if (strcmp(end, ".") || offset > reader->document->size)
		return 0;
	text = reader->document->text + offset;
	if (strcmp(section, *name ? (open ? open->name : "") : text))
		return 0;
	reader->taken++;
	/* hand_line() has not moved on yet, so reader->at is still the line that this stands for. */
	if (!*name)
		added = add_section(reader, text);
	else if (open)
		added = add_entry(open, name, text, reader->at);
	else
		refuse(reader, name, "no section is open: put [yardmaster], [pool:NAME] or [limit:NAME] above");
	if (!added)
		cfg_problems_no_memory(reader->problems);
	return 1;
}

/* The whole file into document->text, with a NUL behind it. 0, or -1 with errno. */
static int slurp(int fd, struct cfg_document *document)
{
	size_t room = 0;
	ssize_t got;

	do {
		if (document->size == room) {
			char *text = realloc(document->text, (room ? room * 2 : 4096) + 1);

			if (!text)
				return -1;
			document->text = text;
			room = room ? room * 2 : 4096;
		}
		got = read(fd, document->text + document->size, room - document->size);
		if (got > 0)
			document->size += (size_t)got;
	} while ((got > 0 && document->size <= FILE_MAX) || (got < 0 && errno == EINTR));
	document->text[document->size] = '\0';
	return got < 0 ? -1 : 0;
}

/* A descriptor for reading, or -1 with a problem. What is included is not waited for: a pipe would not end. */
static int open_file(struct cfg_place whole, bool included, struct cfg_problems *problems)
{
	int fd = open(whole.file->path, O_RDONLY | O_CLOEXEC | (included ? O_NONBLOCK : 0));
	const char *why = NULL;
	struct ym_err err;
	struct stat st;

	if (fd < 0) {
		ym_fail_sys(&err, errno, "open(O_RDONLY) to read the configuration");
		why = err.text;
	} else if (!fstat(fd, &st) && S_ISDIR(st.st_mode)) {
		why = included ? "a directory: name the files in it, `files = DIRECTORY/*.conf`"
		               : "a directory: name the INI file in it";
	} else if (included && !S_ISREG(st.st_mode)) {
		why = "not a regular file: only those can be included";
	}
	if (!why)
		return fd;
	cfg_problems_add(problems, whole, "%s", why);
	if (fd >= 0)
		close(fd);
	return -1;
}

/* 0, or -1 with a problem when there are no lines to look at. */
static int load_text(struct cfg_place whole, bool included, struct cfg_document *document,
                     struct cfg_problems *problems)
{
	int fd = open_file(whole, included, problems), failed;
	struct ym_err err;

	if (fd < 0)
		return -1;
	failed = slurp(fd, document);
	if (failed) {
		ym_fail_sys(&err, errno, "read() of the configuration");
		cfg_problems_add(problems, whole, "%s", err.text);
	} else if (document->size > FILE_MAX) {
		cfg_problems_add(problems, whole, "larger than %u MiB: surely not a configuration", FILE_MAX >> 20);
		failed = -1;
	} else if (!included && strspn(document->text, BLANK "\n") == document->size) {
		cfg_problems_add(problems, whole,
		                 "the file is empty: it needs a [pool:NAME] section with `plugin = PATH` or "
		                 "`command = WORDS`");
		failed = -1;
	}
	close(fd);
	return failed;
}

struct cfg_entry *cfg_entry_find(const struct cfg_section *section, const char *name)
{
	struct cfg_entry *found = NULL;

	for (size_t i = 0; i < section->count; i++) {
		if (!strcasecmp(section->entries[i].name, name))
			found = &section->entries[i];
	}
	return found;
}

int cfg_document_read(const struct cfg_file *file, bool included, struct cfg_document *document,
                      struct cfg_problems *problems)
{
	struct reader reader = {.document = document, .problems = problems, .at.file = file};

	*document = (struct cfg_document){0};
	if (load_text(reader.at, included, document, problems))
		return -1;
	reader.next = document->text;
	ini_parse_stream(hand_line, &reader, take_line, &reader);
	return 0;
}

void cfg_document_free(struct cfg_document *document)
{
	for (size_t i = 0; i < document->count; i++) {
		for (size_t j = 0; j < document->sections[i].count; j++)
			free(document->sections[i].entries[j].name);
		free(document->sections[i].entries);
	}
	free(document->sections);
	free(document->text);
	*document = (struct cfg_document){0};
}
