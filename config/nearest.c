/* nearest.c - edit distance with swapped neighbours (Damerau-Levenshtein, optimal string alignment). */
#include "nearest.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define ROW (CFG_NEAREST_MAX + 1)

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Upper and lower case count as equal: a wrong case is the likeliest slip of all. */
static int same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

static size_t distance(const char *a, size_t alen, const char *b, size_t blen)
{
	size_t rows[3][ROW];

	for (size_t j = 0; j <= blen; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= alen; i++) {
		size_t *row = rows[i % 3], *above = rows[(i - 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= blen; j++) {
			size_t cost = same(a[i - 1], b[j - 1]) ? 0 : 1;

			row[j] = smaller(smaller(above[j], row[j - 1]) + 1, above[j - 1] + cost);
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
				row[j] = smaller(row[j], rows[(i - 2) % 3][j - 2] + 1);
		}
	}
	return rows[alen % 3][blen];
}

void cfg_nearest_offer(struct cfg_nearest *nearest, const char *name)
{
	size_t alen = strlen(nearest->word), blen = strlen(name), shorter = smaller(alen, blen), d;
	size_t longer = alen + blen - shorter;
	int prefix = shorter >= 3 && !strncasecmp(nearest->word, name, shorter);

	if (longer > CFG_NEAREST_MAX)
		return;
	d = distance(nearest->word, alen, name, blen);
	/* Close: at most one slip in three characters, or one name is the beginning of the other. */
	if (d * 3 > longer && !prefix)
		return;
	if (!nearest->best || d < nearest->distance) {
		nearest->best = name;
		nearest->distance = d;
	}
}
