/* test_number.c - floats and integers as PHP writes and reads them, in any locale. */
#include <locale.h>
#include <math.h>

#include "../../ipc/number.h"
#include "support.h"

static double of_bits(uint64_t bits)
{
	double real;

	memcpy(&real, &bits, sizeof(real));
	return real;
}

/* What php -r 'echo serialize(...)' prints for these. */
static const struct {
	double real;
	const char *text;
} floats[] = {
    {0.0, "0"},
    {-0.0, "-0"},
    {1.0, "1"},
    {-1.5, "-1.5"},
    {0.1, "0.1"},
    {100.0, "100"},
    {123456789.12345678, "123456789.12345678"},
    {999999999999999.0, "999999999999999"},
    {1e15, "1000000000000000"},
    {12345678901234567.0, "12345678901234568"},
    {123456789012345680.0, "1.2345678901234568E+17"},
    {1e16, "10000000000000000"},
    {99999999999999980.0, "99999999999999980"},
    {1e17, "1.0E+17"},
    {1.5e25, "1.5E+25"},
    {0.0001, "0.0001"},
    {0.00001, "1.0E-5"},
    {-1.5e-7, "-1.5E-7"},
    {0.00012345, "0.00012345"},
    {5e-324, "5.0E-324"},
    {1e-323, "1.0E-323"},
    {2.2250738585072014e-308, "2.2250738585072014E-308"},
    {2.2250738585072009e-308, "2.225073858507201E-308"},
    {1.7976931348623157e308, "1.7976931348623157E+308"},
    {0x1p-44, "5.684341886080802E-14"}, /* the nearest decimal of 16 digits, ...801, reads as its neighbour */
    {9007199254740993.0, "9007199254740992"},
    {INFINITY, "INF"},
    {-INFINITY, "-INF"},
    {NAN, "NAN"},
};

START_TEST(floats_as_php_writes_them)
{
	char text[YM_NUMBER_MAX];

	for (size_t i = 0; i < COUNT(floats); i++) {
		ck_assert_uint_eq(ym_format_float(floats[i].real, text), strlen(text));
		ck_assert_str_eq(text, floats[i].text);
	}
}
END_TEST

/* Powers of two and of ten with their neighbours, and random bits: what is written reads back to the same bits. */
static void assert_round_trip(double real)
{
	char text[YM_NUMBER_MAX], *end;
	double back;

	ck_assert_uint_lt(ym_format_float(real, text), YM_NUMBER_MAX);
	back = ym_parse_float(text, &end);
	ck_assert_msg(*end == '\0' && memcmp(&back, &real, sizeof(real)) == 0, "%a is written as %s, which reads as %a",
	              real, text, back);
}

static size_t count_digits(const char *text)
{
	size_t digits = 0, zeros = 0;

	for (; *text && *text != 'E'; text++) {
		if (*text == '0' && digits > 0)
			zeros++;
		if (*text >= '1' && *text <= '9') {
			digits += zeros + 1;
			zeros = 0;
		}
	}
	return digits;
}

START_TEST(every_float_reads_back)
{
	for (uint64_t exponent = 0; exponent < 2047; exponent++) {
		for (uint64_t bits = (exponent << 52) - (exponent ? 2 : 0); bits <= (exponent << 52) + 2; bits++)
			assert_round_trip(of_bits(bits));
	}
	for (int i = 0; i < 50000; i++) {
		uint64_t bits = (uint64_t)random_below(UINT32_MAX) << 32 | random_below(UINT32_MAX);

		if (isfinite(of_bits(bits)))
			assert_round_trip(of_bits(bits));
	}
}
END_TEST

/* Decimals of up to 15 digits come back as they were written, not longer. */
START_TEST(floats_have_no_digit_too_many)
{
	char text[YM_NUMBER_MAX], decimal[64];

	for (int i = 0; i < 20000; i++) {
		int digits = 1 + (int)random_below(9);

		snprintf(decimal, sizeof(decimal), "%u.%0*u1e%d", 1 + random_below(9), digits, random_below(10),
		         (int)random_below(600) - 300);
		ym_format_float(strtod(decimal, NULL), text);
		ck_assert_msg(count_digits(text) == (size_t)digits + 2, "%s became %s", decimal, text);
	}
}
END_TEST

START_TEST(integers)
{
	static const struct {
		int64_t integer;
		const char *text;
	} rows[] = {
	    {0, "0"},
	    {7, "7"},
	    {-1, "-1"},
	    {10, "10"},
	    {-1000, "-1000"},
	    {INT64_MAX, "9223372036854775807"},
	    {INT64_MIN, "-9223372036854775808"},
	};
	char text[YM_NUMBER_MAX];

	for (size_t i = 0; i < COUNT(rows); i++) {
		ck_assert_uint_eq(ym_format_int(rows[i].integer, text), strlen(rows[i].text));
		ck_assert_str_eq(text, rows[i].text);
	}
}
END_TEST

/*
 * A locale whose decimal point is a comma: the C library's own file of the numbers (localedef makes such), as no other
 * locale may be installed. A head, six offsets, then ",", "", "", "," and 0 as wide letters, "C".
 */
START_TEST(the_locale_does_not_matter)
{
	static const uint32_t head[] = {0x20031114, 6, 0x20, 0x22, 0x23, 0x24, 0x28, 0x2c};
	static const char strings[] = ",\0\0\0,\0\0\0\0\0\0\0C";
	char path[PATH_MAX], file[sizeof(head) + sizeof(strings)], text[YM_NUMBER_MAX], comma[16], *end;

	memcpy(file, head, sizeof(head));
	memcpy(file + sizeof(head), strings, sizeof(strings));
	join_path(path, "comma");
	ck_assert_int_eq(mkdir(path, 0755), 0);
	write_file("comma/LC_NUMERIC", file, sizeof(file));
	ck_assert_int_eq(setenv("LOCPATH", directory, 1), 0);
	ck_assert_ptr_nonnull(setlocale(LC_NUMERIC, "comma"));
	snprintf(comma, sizeof(comma), "%.1f", 0.5);
	ck_assert_str_eq(comma, "0,5");
	for (size_t i = 0; i < COUNT(floats); i++) {
		ym_format_float(floats[i].real, text);
		ck_assert_str_eq(text, floats[i].text);
	}
	ck_assert(ym_parse_float("1234.5;", &end) == 1234.5);
	ck_assert_str_eq(end, ";");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("number");
	TCase *tcase = add_case(suite, "number");

	tcase_add_test(tcase, floats_as_php_writes_them);
	tcase_add_test(tcase, every_float_reads_back);
	tcase_add_test(tcase, floats_have_no_digit_too_many);
	tcase_add_test(tcase, integers);
	tcase_add_test(tcase, the_locale_does_not_matter);
	return run_suite(suite);
}
