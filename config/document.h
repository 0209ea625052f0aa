/*
 * document.h - an INI file as sections of names and values, nothing interpreted yet.
 *
 * The dialect:
 *
 *     [section]        in the first column, nothing behind the bracket
 *     name = value     in the first column; the first `=` divides, white space around both sides is dropped
 *     ; comment        a whole line; `#` works too, and both may be indented
 *
 * A value is everything up to the end of its line, of any length: quotes, `;` and `#` in it are plain
 * characters, so there are no comments behind a value. A value ends with its line: an indented line is refused,
 * because half of the programs that read INI files would take it as more of the value above, the other half as
 * an option of its own. UTF-8 byte order marks and CRLF line ends are accepted, NUL bytes are not.
 *
 * Sections that supervisord has, too, are read as it reads them, so that its files can be used as they are: `:` divides
 * as well as `=`, white space and then `;` or `#` start a comment behind a value or header, and a line that is indented
 * more than its option continues the value, in which it stands behind a newline. Which sections those are is said in
 * kinds.h.
 */
#ifndef YM_CONFIG_DOCUMENT_H
#define YM_CONFIG_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "problems.h"

struct cfg_entry {
	char *name;
	const char *value; /* in the document's text */
	struct cfg_place at;
	bool refused; /* said by who reads the value: what it should have been is not known */
};

struct cfg_section {
	const char *name; /* in the document's text; "" for a header that was refused */
	struct cfg_place at;
	bool damaged; /* a line of it was refused: what seems to be missing may have stood there */
	struct cfg_entry *entries;
	size_t count;
};

struct cfg_document {
	char *text;
	size_t size;
	struct cfg_section *sections;
	size_t count;
};

/* The entry of this name, the last one if there are several; NULL if there is none. */
struct cfg_entry *cfg_entry_find(const struct cfg_section *section, const char *name);

/*
 * Read a file: `file` is what places in it refer to, and must live as long as the document; `included` ones must be
 * regular files. 0; mistakes in single lines are in `problems` then, the rest is in the document. -1 when there is
 * nothing to look at (no such file, empty), with a problem that says why. Free the document in any case.
 */
int cfg_document_read(const struct cfg_file *file, bool included, struct cfg_document *document,
                      struct cfg_problems *problems);
void cfg_document_free(struct cfg_document *document);

#endif
