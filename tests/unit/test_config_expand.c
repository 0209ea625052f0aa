/* test_config_expand.c - %(NAME)s in texts: at once, and in two steps. */
#include <string.h>
#include <sys/utsname.h>

#include "../../config/expand.h"
#include "suite.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static struct cfg_pair own[] = {{(char[]){"OWN"}, (char[]){"100%"}}, {(char[]){"YM_BOTH"}, (char[]){"mine"}}};

static struct cfg_expansion values = {
    .here = "/etc/y", .program_name = "web", .numprocs = 12, .process_num = 7, .environment = own, .nenvironment = 2};

/* A text, what it becomes at once, and what of it is left when the number is not known yet. */
static const struct {
	const char *text, *whole, *later;
} good[] = {
    {"", "", ""},
    {"plain", "plain", "plain"},
    {"%%", "%", "%%"},
    {"100%%d", "100%d", "100%%d"},
    {"%(here)s/x", "/etc/y/x", "/etc/y/x"},
    {"%(program_name)s_%(process_num)02d", "web_07", "web_%(process_num)02d"},
    {"%(group_name)s:%(process_num)s", "web:7", "web:%(process_num)s"},
    {"%(process_num)d of %(numprocs)d", "7 of 12", "%(process_num)d of 12"},
    {"[%(process_num)3d]", "[  7]", "[%(process_num)3d]"},
    {"[%(process_num)-3d]", "[7  ]", "[%(process_num)-3d]"},
    {"[%(process_num)-03d]", "[7  ]", "[%(process_num)-03d]"},
    {"[%(process_num)i]", "[7]", "[%(process_num)i]"},
    {"%(numprocs)x %(numprocs)X %(numprocs)o", "c C 14", "c C 14"},
    {"[%(program_name)5s]", "[  web]", "[  web]"},
    {"[%(program_name)-5s]", "[web  ]", "[web  ]"},
    {"[%(program_name)05s]", "[  web]", "[  web]"},
    {"[%(program_name).2s]", "[we]", "[we]"},
    {"%(ENV_OWN)s", "100%", "100%%"},
    {"%(ENV_YM_BOTH)s", "mine", "mine"},
    {"%(ENV_YM_OTHER)s", "a%(here)sb", "a%%(here)sb"},
    {"%(ENV_YM_EMPTY)s", "", ""},
};

START_TEST(test_good)
{
	char why[CFG_WHY_MAX] = "", *out, *last;
	struct cfg_expansion later = values;
	struct cfg_program program = {.name = "web", .numprocs = 12};

	setenv("YM_BOTH", "theirs", 1);
	setenv("YM_OTHER", "a%(here)sb", 1);
	setenv("YM_EMPTY", "", 1);
	ck_assert_msg(cfg_expand(good[_i].text, &values, &out, why) == 0, "%s: %s", good[_i].text, why);
	ck_assert_str_eq(out, good[_i].whole);
	free(out);
	later.process_num = CFG_EXPAND_LATER;
	ck_assert_msg(cfg_expand(good[_i].text, &later, &out, why) == 0, "%s: %s", good[_i].text, why);
	ck_assert_str_eq(out, good[_i].later);
	ck_assert_msg(cfg_expand_process(out, &program, 7, &last, why) == 0, "%s: %s", out, why);
	ck_assert_str_eq(last, good[_i].whole);
	free(last);
	free(out);
}
END_TEST

START_TEST(test_host)
{
	char why[CFG_WHY_MAX], *out;
	struct utsname host;

	ck_assert_int_eq(uname(&host), 0);
	ck_assert_int_eq(cfg_expand("%(host_node_name)s", &values, &out, why), 0);
	ck_assert_str_eq(out, host.nodename);
	free(out);
}
END_TEST

static const struct {
	const char *text, *words;
} bad[] = {
    {"50%", "`%`: write %% for a percent sign"},
    {"50% of", "`% of`: write %%"},
    {"%d", "`%d`"},
    {"%(here)", "write %% for"},
    {"%(here", "write %% for"},
    {"%(here)z", "write %% for"},
    {"%(here)9999s", "write %% for"},
    {"%(here)201s", "write %% for"},
    {"%()s", "unknown name in `%()`: there are here program_name"},
    {"%(proces_num)d", "did you mean `%(process_num)`?"},
    {"%(foo)s", "and ENV_X for the variable X"},
    {"%(here)d", "`%(here)` is a text: write %(here)s"},
    {"%(ENV_YM_NOT_SET)s", "the variable `YM_NOT_SET` is not set"},
};

START_TEST(test_bad)
{
	char why[CFG_WHY_MAX] = "", *out = NULL;

	unsetenv("YM_NOT_SET");
	ck_assert_int_eq(cfg_expand(bad[_i].text, &values, &out, why), -1);
	ck_assert_ptr_null(out);
	ck_assert_msg(strstr(why, bad[_i].words) != NULL, "%s: %s", bad[_i].text, why);
}
END_TEST

START_TEST(test_out_of_place)
{
	struct cfg_expansion few = {.here = "/", .no_process_num = true, .process_num = CFG_EXPAND_LATER};
	char why[CFG_WHY_MAX], *out;

	ck_assert_int_eq(cfg_expand("%(program_name)s", &few, &out, why), -1);
	ck_assert_ptr_nonnull(strstr(why, "`%(program_name)` has no value here"));
	few.program_name = "web";
	ck_assert_int_eq(cfg_expand("%(process_num)d", &few, &out, why), -1);
	ck_assert_ptr_nonnull(strstr(why, "`%(process_num)` has no value here"));
	ck_assert_int_eq(cfg_expand("%(program_name)s%%", &few, &out, why), 0);
	ck_assert_str_eq(out, "web%"); /* final: there is no second step */
	free(out);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config_expand");
	TCase *texts = tcase_create("texts");

	tcase_add_loop_test(texts, test_good, 0, COUNT(good));
	tcase_add_test(texts, test_host);
	tcase_add_loop_test(texts, test_bad, 0, COUNT(bad));
	tcase_add_test(texts, test_out_of_place);
	suite_add_tcase(suite, texts);
	return run_suite(suite);
}
