/* bar.c - an eighth of a column is the smallest step where the terminal has the characters. */
#include "bar.h"

#include <langinfo.h>
#include <locale.h>
#include <string.h>

#define EIGHTHS 8

bool bar_utf8(void)
{
	return setlocale(LC_CTYPE, "") && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

static char *put(char *to, const char *text)
{
	size_t length = strlen(text);

	memcpy(to, text, length + 1);
	return to + length;
}

char *bar_draw(char *out, unsigned columns, uint64_t done, uint64_t total, bool utf8)
{
	static const char *const parts[EIGHTHS] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
	double share = total ? (double)done / (double)total : 0;
	unsigned eighths = (unsigned)((share > 1 ? 1 : share) * columns * EIGHTHS), full = eighths / EIGHTHS;
	const char *part = utf8 ? parts[eighths % EIGHTHS] : "";
	char *at = out;

	*at = '\0';
	for (unsigned i = 0; i < full; i++)
		at = put(at, utf8 ? "█" : "#");
	at = put(at, part);
	for (unsigned i = full + (*part != '\0'); i < columns; i++)
		at = put(at, total == 0 ? " " : utf8 ? "·" : "-");
	return out;
}

char *bar_spark(char *out, const uint32_t *values, unsigned columns, bool utf8)
{
	static const char *const steps[EIGHTHS] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	static const char *const plain[EIGHTHS] = {".", ".", ":", ":", "|", "|", "#", "#"};
	uint32_t most = 1;
	char *at = out;

	for (unsigned i = 0; i < columns; i++)
		most = values[i] > most ? values[i] : most;
	*at = '\0';
	for (unsigned i = 0; i < columns; i++) {
		unsigned step = (unsigned)((uint64_t)values[i] * (EIGHTHS - 1) / most);

		at = put(at, values[i] == 0 ? " " : utf8 ? steps[step] : plain[step]);
	}
	return out;
}
