/* expand.c - find the expressions, look the names up, print them as their format says. */
#include "expand.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "nearest.h"
#include "problems.h"

#define ENV       "ENV_"
#define WIDTH_MAX 200 /* of a field: a longer one is a slip */
#define NAMES(X)                                                                                                       \
	X("here")                                                                                                      \
	X("program_name")                                                                                              \
	X("group_name")                                                                                                \
	X("host_node_name")                                                                                            \
	X("process_num")                                                                                               \
	X("numprocs")

/* One %(NAME)FORMAT: where its parts are in the text. */
struct expression {
	const char *start;
	char name[128];
	bool left, zero;
	int width, precision; /* -1: none */
	char letter;
	const char *end;
};

struct found {
	const char *text; /* NULL: a number */
	int64_t number;
	char buffer[sizeof(((struct utsname *)NULL)->nodename)];
};

/* At most three digits at *at; -1 if there are none. */
static int digits(const char **at)
{
	int value = -1;

	for (int i = 0; i < 3 && isdigit((unsigned char)**at); i++, (*at)++)
		value = (value < 0 ? 0 : value * 10) + (**at - '0');
	return value;
}

/* 0, or -1 when it is no expression. */
static int parse(const char *text, struct expression *out)
{
	const char *close = text[1] == '(' ? strchr(text, ')') : NULL, *at;

	if (!close || close - text - 2 >= (ptrdiff_t)sizeof(out->name))
		return -1;
	*out = (struct expression){.start = text, .precision = -1};
	snprintf(out->name, sizeof(out->name), "%.*s", (int)(close - text - 2), text + 2);
	for (at = close + 1; *at && strchr("-0 +#", *at); at++) {
		out->left = out->left || *at == '-';
		out->zero = out->zero || *at == '0';
	}
	out->width = digits(&at);
	if (*at == '.') {
		at++;
		out->precision = digits(&at);
	}
	out->letter = *at;
	out->end = at + 1;
	return *at && strchr("sdixXo", *at) && out->width <= WIDTH_MAX && out->precision <= WIDTH_MAX ? 0 : -1;
}

static const char *variable(const struct cfg_expansion *values, const char *name)
{
	for (size_t i = 0; i < values->nenvironment; i++) {
		if (!strcmp(values->environment[i].key, name))
			return values->environment[i].value;
	}
	return getenv(name);
}

static int unknown(const char *name, char why[CFG_WHY_MAX])
{
	struct cfg_nearest nearest = {.word = name};
	char excerpt[CFG_EXCERPT_MAX];

#define X(known) cfg_nearest_offer(&nearest, known);
	NAMES(X)
#undef X
	cfg_excerpt(name, excerpt);
	if (nearest.best && !strcmp(nearest.best, name))
		snprintf(why, CFG_WHY_MAX,
		         "`%%(%s)` has no value here: only options that differ from process to process know it", name);
	else if (nearest.best)
		snprintf(why, CFG_WHY_MAX, "unknown name in `%%(%s)`: did you mean `%%(%s)`?", excerpt, nearest.best);
	else
		snprintf(why, CFG_WHY_MAX,
		         "unknown name in `%%(%s)`: there are"
#define X(known) " " known
		         NAMES(X)
#undef X
		             " and ENV_X for the variable X",
		         excerpt);
	return -1;
}

static int look_up(const struct cfg_expansion *values, const char *name, struct found *out, char why[CFG_WHY_MAX])
{
	struct utsname host;

	*out = (struct found){0};
	if (!strncmp(name, ENV, strlen(ENV))) {
		out->text = variable(values, name + strlen(ENV));
		if (out->text)
			return 0;
		snprintf(why, CFG_WHY_MAX, "the variable `%.100s` is not set in the environment of the master",
		         name + strlen(ENV));
		return -1;
	}
	if (!strcmp(name, "here") && values->here) {
		out->text = values->here;
	} else if (!strcmp(name, "host_node_name") && !uname(&host)) {
		snprintf(out->buffer, sizeof(out->buffer), "%s", host.nodename);
		out->text = out->buffer;
	} else if (values->program_name && (!strcmp(name, "program_name") || !strcmp(name, "group_name"))) {
		out->text = values->program_name;
	} else if (values->program_name && !strcmp(name, "numprocs")) {
		out->number = values->numprocs;
	} else if (values->program_name && !values->no_process_num && !strcmp(name, "process_num")) {
		out->number = values->process_num;
	} else {
		return unknown(name, why);
	}
	return 0;
}

/* Text, its percent signs doubled if it is going to be expanded once more. */
static void put(FILE *to, const char *text, size_t length, bool again)
{
	for (size_t i = 0; i < length; i++) {
		if (again && text[i] == '%')
			fputc('%', to);
		fputc(text[i], to);
	}
}

static int put_found(FILE *to, const struct expression *expression, const struct found *found, bool again,
                     char why[CFG_WHY_MAX])
{
	const char *text = found->text;
	char digits_text[72];
	size_t length, width = expression->width > 0 ? (size_t)expression->width : 0;
	bool zeros = expression->zero && !expression->left && !text && expression->letter != 's';

	if (text && expression->letter != 's') {
		snprintf(why, CFG_WHY_MAX, "`%%(%s)` is a text: write %%(%s)s", expression->name, expression->name);
		return -1;
	}
	if (!text) {
		const char *format = expression->letter == 'x'   ? "%llx"
		                     : expression->letter == 'X' ? "%llX"
		                     : expression->letter == 'o' ? "%llo"
		                                                 : "%lld";

		snprintf(digits_text, sizeof(digits_text), format, (long long)found->number);
		text = digits_text;
	}
	length = strlen(text);
	if (expression->precision >= 0 && expression->letter == 's' && length > (size_t)expression->precision)
		length = (size_t)expression->precision;
	for (size_t i = length; !expression->left && i < width; i++)
		fputc(zeros ? '0' : ' ', to);
	put(to, text, length, again);
	for (size_t i = length; expression->left && i < width; i++)
		fputc(' ', to);
	return 0;
}

static int expand(const char *text, const struct cfg_expansion *values, FILE *to, char why[CFG_WHY_MAX])
{
	bool again = !values->no_process_num && values->process_num == CFG_EXPAND_LATER;
	char excerpt[CFG_EXCERPT_MAX];

	while (*text) {
		size_t plain = strcspn(text, "%");
		struct expression expression;
		struct found found;

		fwrite(text, 1, plain, to);
		text += plain;
		if (text[0] == '%' && text[1] == '%') {
			put(to, "%", 1, again);
			text += 2;
		} else if (*text) {
			if (parse(text, &expression)) {
				snprintf(why, CFG_WHY_MAX,
				         "`%s`: write %%%% for a percent sign, or %%(NAME)s, such as %%(here)s",
				         cfg_excerpt(text, excerpt));
				return -1;
			}
			if (look_up(values, expression.name, &found, why))
				return -1;
			if (again && !strcmp(expression.name, "process_num"))
				fwrite(text, 1, (size_t)(expression.end - text), to);
			else if (put_found(to, &expression, &found, again, why))
				return -1;
			text = expression.end;
		}
	}
	return 0;
}

int cfg_expand(const char *text, const struct cfg_expansion *values, char **out, char why[CFG_WHY_MAX])
{
	size_t size;
	FILE *to = open_memstream(out, &size);
	int result;

	if (!to) {
		snprintf(why, CFG_WHY_MAX, "out of memory");
		return -1;
	}
	result = expand(text, values, to, why);
	if (fclose(to) && !result) {
		snprintf(why, CFG_WHY_MAX, "out of memory");
		result = -1;
	}
	if (result) {
		free(*out);
		*out = NULL;
	}
	return result;
}

int cfg_expand_process(const char *text, const struct cfg_program *program, int64_t process_num, char **out,
                       char why[CFG_WHY_MAX])
{
	struct cfg_expansion values = {
	    .program_name = program->name, .numprocs = program->numprocs, .process_num = process_num};

	return cfg_expand(text, &values, out, why);
}
