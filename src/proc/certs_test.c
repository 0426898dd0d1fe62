/* certs_test.c - unit tests of certs.c. */
#include "proc/certs.h"

#include "base/test.h"
#include "io/tls.h"

#include <stdlib.h>
#include <unistd.h>

enum { FILES = 6 };

struct place {
	char dir[64], cert[96], key[96];
	struct buf cert_pem, key_pem;
};

static void
write_times(const char *path, struct str text, size_t times)
{
	FILE *f = fopen(path, "w");

	must(f != NULL);
	for (size_t i = 0; i < times; i++)
		must(fwrite(text.p, 1, text.n, f) == text.n);
	fclose(f);
}

static void
place_init(struct place *p)
{
	const struct str name = STR("mail.example.org");

	strcpy(p->dir, "/tmp/posthorn-certs-XXXXXX");
	must(mkdtemp(p->dir) != NULL);
	snprintf(p->cert, sizeof(p->cert), "%s/cert.pem", p->dir);
	snprintf(p->key, sizeof(p->key), "%s/key.pem", p->dir);
	p->cert_pem = p->key_pem = BUF_MAX(65536);
	must(tls_self_signed(&name, 1, clock_system()->wall_ms(clock_system()) / 1000, &p->cert_pem,
		 &p->key_pem)
	    == ERR_OK);
	write_times(p->cert, buf_str(&p->cert_pem), 1);
	write_times(p->key, buf_str(&p->key_pem), 1);
}

static void
place_done(struct place *p)
{
	unlink(p->cert);
	unlink(p->key);
	rmdir(p->dir);
	buf_done(&p->cert_pem);
	buf_done(&p->key_pem);
}

/* The same pair as often as there are FILES; what load says, and that both messages can be sent. */
static enum err
load(const struct place *p, struct buf *why)
{
	BUF_CLEAN struct buf text = BUF_MAX(CONFIG_TEXT_MAX), errors = BUF_MAX(1024),
			     sent = BUF_MAX(4 * FRAME_MAX);
	struct config *config = NULL;
	struct certs certs;
	enum err e;

	for (int i = 0; i < FILES; i++)
		buf_printf(&text, "tls_certs += {\"%s\"}\ntls_keys += {\"%s\"}\n", p->cert, p->key);
	must(config_parse("test", buf_str(&text), &config, &errors) == ERR_OK);
	e = certs_load(config, &certs, why);
	if (e == ERR_OK) {
		CHECK(certs.certs.cert_count == FILES);
		proc_message_add(&sent, &certs.certs);
		proc_message_add(&sent, &certs.keys);
		certs_done(&certs);
	}
	config_free(config);
	return e;
}

/* Long chains, or keys with much around them: they are refused, and not found out when they are sent. */
static void
test_together_too_large(void)
{
	BUF_CLEAN struct buf why = BUF_MAX(4096);
	struct place p;

	place_init(&p);
	CHECK(load(&p, &why) == ERR_OK);
	write_times(p.cert, buf_str(&p.cert_pem), 60000 / p.cert_pem.n);
	CHECK(load(&p, &why) == ERR_CONFIG);
	CHECK_STR(buf_str(&why),
	    STR("the files of tls_certs and tls_client_ca are larger than 262144 bytes together"));
	write_times(p.cert, buf_str(&p.cert_pem), 1);
	write_times(p.key, buf_str(&p.key_pem), 60000 / p.key_pem.n);
	buf_clear(&why);
	CHECK(load(&p, &why) == ERR_CONFIG);
	CHECK_STR(buf_str(&why),
	    STR("the files of tls_keys are larger than 262144 bytes together"));
	place_done(&p);
}

TEST_MAIN(TEST(test_together_too_large))
