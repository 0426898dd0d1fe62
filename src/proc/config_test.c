/* config_test.c - unit tests of config.c and config_value.c. */
#include "proc/config.h"

#include "base/test.h"

static void
test_empty_is_valid(void)
{
	BUF_CLEAN struct buf errors = BUF_MAX(4096), changed = BUF_MAX(CONFIG_TEXT_MAX);
	struct config *c = NULL;

	CHECK(config_parse("t", STR(""), &c, &errors) == ERR_OK);
	CHECK_STR(buf_str(&errors), STR(""));
	if (c == NULL)
		return;
	CHECK_STR(c->data_dir, STR("/var/lib/posthorn"));
	CHECK_U64(c->login_timeout, 60000);
	CHECK_U64(c->message_size_max, 64u << 20);
	CHECK_U64(c->cleartext_login, CLEARTEXT_LOOPBACK);
	CHECK(c->imap_listen.n == 1 && str_eq(c->imap_listen.v[0], STR("*:143")));
	config_format(c, true, &changed);
	CHECK_STR(buf_str(&changed), STR(""));
	config_free(c);
}

static void
test_round_trip(void)
{
	static const char text[] =
	    "# a comment\nhostname = \"m\\\"a\\\\il\\${x}\"\nimap_listen = {\"127.0.0.1:1143\", \"[::1]:1143\"}\n"
	    "lmtp_listen = {}\nthreads = 3\nmessage_size_max = 10K\nretention = 36h\nlog_level = debug\nsandbox = off\n";
	BUF_CLEAN struct buf errors = BUF_MAX(4096), a = BUF_MAX(CONFIG_TEXT_MAX),
			     b = BUF_MAX(CONFIG_TEXT_MAX);
	struct config *c = NULL, *d = NULL;

	/* message_size_max is too small */
	CHECK(config_parse("t", STR(text), &c, &errors) != ERR_OK);
	CHECK_STR(buf_str(&errors),
	    STR("t:6: message_size_max: \"10K\" is not a size (64M) from 64K to 4294967295\n"));
	buf_clear(&errors);
	CHECK(config_parse("t",
		  str_sub(STR(text), 0, (size_t)(strstr(text, "message_size_max") - text)), &c,
		  &errors)
	    == ERR_OK);
	CHECK_STR(c->hostname, STR("m\"a\\il${x}"));
	CHECK(c->lmtp_listen.n == 0 && c->imap_listen.n == 2);
	config_format(c, false, &a);
	CHECK(config_parse("t", buf_str(&a), &d, &errors) == ERR_OK);
	CHECK_STR(buf_str(&errors), STR(""));
	if (d != NULL)
		config_format(d, false, &b);
	CHECK_STR(buf_str(&b), buf_str(&a));
	config_free(c);
	config_free(d);
}

/* 256 bytes, and the 200 of them that an error tells. */
#define TEXT_40 "0123456789012345678901234567890123456789"
#define LONG_NAME_TOLD TEXT_40 TEXT_40 TEXT_40 TEXT_40 TEXT_40
#define LONG_NAME LONG_NAME_TOLD TEXT_40 "0123456789012345"

static void
test_errors_say_what_would_be_right(void)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "idle_timeot = 5m\n",
		    "f:1: unknown option \"idle_timeot\"; did you mean \"idle_timeout\"?\n" },
		{ "\n\nxyzzyxyzzy = 5m\n", "f:3: unknown option \"xyzzyxyzzy\"\n" },
		{ "\nthreads = -1\nlog_level = loud\n",
		    "f:2: threads: \"-1\" is not a number from 0 to 256\n"
		    "f:3: log_level: \"loud\" is not one of debug, info, warning, error\n" },
		{ "imap_listen = {\"143\"}",
		    "f:1: imap_listen: \"143\" is not an address to listen on, such as \"*:143\", "
		    "\"127.0.0.1:143\", \"[::1]:143\" or \"unix:/path\"\n" },
		{ "idle_timeout = 5x",
		    "f:1: idle_timeout: \"5x\" is not a time (90s, 30m, 2h, 7d) from 1s to 7d\n" },
		{ "data_dir = \"/a\"\nhostname = \"" LONG_NAME "\"",
		    "f:2: hostname: \"" LONG_NAME_TOLD
		    "\" is not a text of at most 255 bytes without control characters\n" },
		{ "scram = maybe", "f:1: scram: \"maybe\" is not yes or no\n" },
		{ "tls_certs = {\"/a\"}",
		    "f:1: tls_certs names 1 files and tls_keys 0; each certificate needs its key, in the same order\n" },
		{ "\nnamespace_other = \"a/b\"\nscram = yes\n",
		    "f:2: namespace_other and namespace_shared are two different levels of mailbox names, without \"/\"\n" },
		{ "\nurlauth_entities = {\"submit+=relay\", \"relay\"}\nshared_filters = {\"a \"}\n"
		  "shared_filter_descriptions = {\" b\"}\n",
		    "f:2: urlauth_entities: \"relay\" is not like \"submit+=relay\"\n"
		    "f:3: shared_filters: \"a \" is not like \"big-ones LARGER 5000000\"\n"
		    "f:4: shared_filter_descriptions: \" b\" is not like \"big-ones Large messages\"\n" },
		{ "hostname =\nuser = \"x\"\n", "f:1: hostname: its value is missing\n" },
		{ "\nhostname = # m\n\n\n", "f:2: hostname: its value is missing\n" },
		{ "scram = yes\nhostname = \"m\nuser = \"x\"\n",
		    "f:2: hostname: a quotation mark is not closed on its line\n" },
		{ "\n\nhostname = 'm\n\n",
		    "f:3: hostname: a quotation mark is not closed on its line\n" },
		{ "\nimap_listen = {\"*:143\",\n\n\n",
		    "f:2: imap_listen: a brace is not closed\n" },
		{ "hostname = a\nscram = yes\nhostname = b\n",
		    "f:3: hostname: is set twice, in line 1, too\n" },
		{ "tls_keys = {\"/a\"}\ntls_certs = {\"/a\"}\ntls_keys = {\"/b\", \"/c\"}\n",
		    "f:3: tls_keys: is set twice, in line 1, too\n" },
		{ "user = \"a\\x1b[m\\n\"\n",
		    "f:1: user: \"a\\x1b[m\\x0a\" is not a text without control characters\n" },
		{ "lmtp_trusted = {\"127.0.0.1\", \"mx.example\"}\n",
		    "f:1: lmtp_trusted: \"mx.example\" is not an address of a machine, such as "
		    "\"192.0.2.1\" or \"2001:db8::1\"\n" },
		{ "data_dir = \"\"\nrun_dir = \"run\"\ntls_client_ca = \"ca.pem\"\n",
		    "f:1: data_dir: \"\" is not a path that begins with \"/\", of at most 1000 bytes\n"
		    "f:2: run_dir: \"run\" is not a path that begins with \"/\", of at most 99 bytes\n"
		    "f:3: tls_client_ca: \"ca.pem\" is not a path that begins with \"/\", of at most 1000 bytes, or empty\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		BUF_CLEAN struct buf errors = BUF_MAX(4096);
		struct config *c = NULL;

		CHECK(config_parse("f", str_c(cases[i].text), &c, &errors) == ERR_CONFIG);
		CHECK_STR(buf_str(&errors), str_c(cases[i].want));
		CHECK(c == NULL);
	}
}

/* What looks like one of these, and is good. */
static void
test_good_texts(void)
{
	static const char text[] =
	    "# don't\n// it's\n/* \"\n { */ hostname\n = \n\"a#b//c\\\nd\" // '\nuser =x//y\nmail_domains = {a, # '}\n 'b'\n}\n"
	    "mail_domains += {c}\ntls_client_ca = \"\"\nlmtp_trusted={\"0:0::1\"}\n";
	BUF_CLEAN struct buf errors = BUF_MAX(4096);
	struct config *c = NULL;

	CHECK(config_parse("t", STR(text), &c, &errors) == ERR_OK);
	CHECK_STR(buf_str(&errors), STR(""));
	if (c == NULL)
		return;
	CHECK_STR(c->hostname, STR("a#b//cd"));
	CHECK_STR(c->user, STR("x//y"));
	CHECK(c->mail_domains.n == 3 && str_eq(c->mail_domains.v[1], STR("b")));
	CHECK(c->lmtp_trusted.n == 1 && str_eq(c->lmtp_trusted.v[0], STR("::1")));
	config_free(c);
}

static void
test_addresses(void)
{
	struct listen_addr a;

	CHECK(listen_addr_parse(STR("*:143"), &a) == ERR_OK && a.is_any);
	CHECK(listen_addr_parse(STR("127.0.0.1:0"), &a) == ERR_OK && a.sa.ss_family == AF_INET);
	CHECK(listen_addr_parse(STR("[::1]:65535"), &a) == ERR_OK && a.sa.ss_family == AF_INET6);
	CHECK(listen_addr_parse(STR("unix:/run/x"), &a) == ERR_OK && a.sa.ss_family == AF_UNIX);
	CHECK(listen_addr_parse(STR("::1:143"), &a) != ERR_OK);
	CHECK(listen_addr_parse(STR("127.0.0.1:65536"), &a) != ERR_OK);
	CHECK(listen_addr_parse(STR("unix:x"), &a) != ERR_OK);
	CHECK(listen_addr_parse(STR("localhost:143"), &a) != ERR_OK);
	CHECK(listen_addr_parse(STR(""), &a) != ERR_OK);
}

/* Every default is a value that the option takes, and is written as config_format() writes it. */
static void
test_defaults_are_canonical(void)
{
	BUF_CLEAN struct buf errors = BUF_MAX(4096);
	struct config *c = NULL;

	CHECK(config_parse("t", STR(""), &c, &errors) == ERR_OK);
	for (size_t i = 0; c != NULL && i < config_option_count; i++) {
		BUF_CLEAN struct buf value = BUF_MAX(4096), want = BUF_MAX(4096);

		config_format_value(c, &config_options[i], &value);
		if (config_options[i].kind == CONFIG_STR || config_options[i].kind == CONFIG_PATH)
			buf_printf(&want, "\"%s\"", config_options[i].def);
		else
			buf_c(&want, config_options[i].def);
		CHECK_STR(buf_str(&value), buf_str(&want));
	}
	config_free(c);
}

TEST_MAIN(TEST(test_empty_is_valid), TEST(test_round_trip),
    TEST(test_errors_say_what_would_be_right), TEST(test_good_texts), TEST(test_addresses),
    TEST(test_defaults_are_canonical))
