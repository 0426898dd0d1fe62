/*
 * server_test.c - the client and the server of the auth socket, talking to each other on one loop.
 */
#include "auth/client_home.h"
#include "auth/server_int.h"
#include "auth/upgrade.h"
#include "base/test.h"

#include <fcntl.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* What the last callback brought. */
struct answer {
	int count;
	enum auth_outcome outcome;
	enum err err;
	char data[2048], user[256];
	size_t data_n;
};

static struct world {
	char dir[64], path[96];
	struct loop *loop;
	struct auth_server *server;
	struct auth_client *client;
	char events[4096];
} w;

static void
on_event(void *arg, const struct auth_event *ev)
{
	size_t n = strlen(w.events);

	(void)arg;
	snprintf(w.events + n, sizeof(w.events) - n, "%s/%.*s/%s ", ev->event, STR_F(ev->user),
	    err_name(ev->err));
}

static void
on_answer(void *arg, const struct auth_result *r)
{
	struct answer *a = arg;

	a->count++;
	a->outcome = r->outcome;
	a->err = r->err;
	snprintf(a->data, sizeof(a->data), "%.*s", STR_F(r->data));
	a->data_n = r->data.n;
	snprintf(a->user, sizeof(a->user), "%.*s", STR_F(r->user));
}

static void
on_found(void *arg, enum err e, struct str user)
{
	on_answer(arg, &(struct auth_result){ .err = e, .user = user });
}

static void
attach(void)
{
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
	auth_client_attach(w.client, 0, fds[0]);
	auth_server_attach(w.server, fds[1]);
}

static void
add_user(const char *name, const char *verifier, bool disabled)
{
	struct user_row row = { .name = str_c(name),
		.password = str_c(verifier),
		.is_disabled = disabled };

	must(users_add(w.server->users, &row) == ERR_OK);
}

static void
world_init(void)
{
	static const struct str domains[] = { STR_INIT("example.org") };
	struct auth_settings s = { .workers = 2,
		.cache_ms = 60000,
		.domains = domains,
		.domain_count = 1,
		.cost = { .memory_bytes = 8192,
		    .passes = 1,
		    .scram_iterations = 4096,
		    .make_scram = true } };
	struct arena a = ARENA_NONE;
	struct user_row row = { .name = STR("ann") };

	memset(&w, 0, sizeof(w));
	strcpy(w.dir, "/tmp/posthorn-auth-XXXXXX");
	must(mkdtemp(w.dir) != NULL);
	snprintf(w.path, sizeof(w.path), "%s/users.db", w.dir);
	s.users_path = w.path;
	w.loop = loop_new(clock_system());
	must(auth_server_new(w.loop, &s, on_event, NULL, &w.server) == ERR_OK);
	w.client = auth_client_new(&w.loop, 1, true);
	add_user("joe", "{PLAIN}secret", false);
	add_user("off", "{PLAIN}secret", true);
	add_user("none", "", false);
	must(verifiers_make(&a, STR("pencil"), &s.cost, &row) == ERR_OK);
	must(users_add(w.server->users, &row) == ERR_OK);
	arena_done(&a);
	attach();
}

static void
world_done(void)
{
	static const char *const suffixes[] = { "", "-wal", "-shm" };

	auth_client_free(w.client);
	auth_server_free(w.server);
	loop_free(w.loop);
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		char path[128];

		snprintf(path, sizeof(path), "%s%s", w.path, suffixes[i]);
		unlink(path);
	}
	rmdir(w.dir);
}

static void
await(struct answer *a, int count)
{
	while (a->count < count)
		loop_turn(w.loop, true);
}

/* One exchange without further turns. */
static struct answer
ask(struct auth_start s)
{
	struct answer a = { 0 };
	struct auth_exchange *x;

	if (s.service.n == 0)
		s.service = STR("imap");
	auth_begin(w.client, w.loop, &s, on_answer, &a, &x);
	CHECK(a.count == 0); /* never inside the call */
	await(&a, 1);
	if (a.outcome == AUTH_CONTINUE)
		auth_cancel(x);
	return a;
}

static void
check_fail(struct auth_start s, enum err want)
{
	struct answer a = ask(s);

	CHECK(a.outcome == AUTH_FAIL);
	CHECK_STR(str_c(err_name(a.err)), str_c(err_name(want)));
}

static void
check_ok(struct auth_start s, const char *user)
{
	struct answer a = ask(s);

	CHECK(a.outcome == AUTH_OK);
	CHECK_STR(str_c(a.user), str_c(user));
}

#define PLAIN_(text)                                                                               \
	{                                                                                          \
		.mech = STR("plain"), .has_initial = true, .initial = STR(text), .is_secure = true \
	}
#define DIRECT(u, p)                                                                               \
	{                                                                                          \
		.user = STR(u), .password = STR(p), .is_secure = true                              \
	}

static void
test_passwords(void)
{
	struct user_row row;
	struct arena a = ARENA_NONE;

	world_init();
	check_ok((struct auth_start)PLAIN_("\0joe\0secret"), "joe");
	check_ok((struct auth_start)PLAIN_("joe\0Joe@Example.org\0secret"), "joe");
	check_ok((struct auth_start)DIRECT("JOE", "secret"), "joe");
	check_fail((struct auth_start)PLAIN_("\0joe\0Secret"), ERR_AUTHFAILED);
	check_fail((struct auth_start)PLAIN_("ann\0joe\0secret"), ERR_AUTHZFAILED);
	check_fail((struct auth_start)PLAIN_("\0joe@other.org\0secret"), ERR_AUTHFAILED);
	check_fail((struct auth_start)PLAIN_("\0nobody\0secret"), ERR_AUTHFAILED);
	check_fail((struct auth_start)PLAIN_("\0none\0"), ERR_AUTHFAILED);
	check_fail((struct auth_start)DIRECT("none", ""), ERR_AUTHFAILED);
	check_fail((struct auth_start)DIRECT("", ""), ERR_AUTHFAILED);
	check_fail((struct auth_start)PLAIN_("\0off\0secret"), ERR_CONTACTADMIN);
	check_fail((struct auth_start)PLAIN_("\0off\0wrong"), ERR_AUTHFAILED);
	check_fail((struct auth_start)PLAIN_("nonsense"), ERR_SYNTAX);
	check_fail((struct auth_start){ .mech = STR("PLAIN"),
		       .has_initial = true,
		       .initial = STR("\0joe\0secret") },
	    ERR_PRIVACY);
	check_fail((struct auth_start){ .user = STR("joe"), .password = STR("secret") },
	    ERR_PRIVACY);
	check_fail((struct auth_start){ .mech = STR("CRAM-MD5"), .is_secure = true }, ERR_UNKNOWN);
	check_fail((struct auth_start){ .mech = STR("SCRAM-SHA-1-PLUS"), .is_secure = true },
	    ERR_UNKNOWN);
	/*
	 * The verifier that came along was replaced after the first login; the password still fits.
	 */
	while (strstr(w.events, "password-upgraded/joe/OK") == NULL)
		loop_turn(w.loop, true);
	CHECK(users_find(w.server->users, &a, STR("joe"), &row) == ERR_OK);
	CHECK(str_starts(row.password, STR("{ARGON2ID}")) && row.scram[SCRAM_SHA256].n > 0);
	check_ok((struct auth_start)DIRECT("joe", "secret"), "joe");
	/* A changed password is changed at once, remembered or not. */
	row.password = STR("{PLAIN}other");
	CHECK(users_set_verifiers(w.server->users, &row, STR_NONE) == ERR_OK);
	check_fail((struct auth_start)DIRECT("joe", "secret"), ERR_AUTHFAILED);
	check_ok((struct auth_start)DIRECT("joe", "other"), "joe");
	CHECK(strstr(w.events, "login-failed/nobody/AUTHFAILED") != NULL);
	arena_done(&a);
	world_done();
}

/* The number of passwords that were hashed for one answer. */
static size_t
hashes_for(const char *user, const char *password)
{
	struct auth_start s = { .user = str_c(user),
		.password = str_c(password),
		.is_secure = true,
		.service = STR("imap"),
		.peer = STR("192.0.2.1") };
	struct answer a = { 0 };
	struct auth_exchange *x;
	size_t running = 0, count = 0;

	auth_begin(w.client, w.loop, &s, on_answer, &a, &x);
	while (a.count == 0) {
		loop_turn(w.loop, true);
		count += w.server->jobs_running > running;
		running = w.server->jobs_running;
	}
	CHECK(a.outcome == AUTH_FAIL && a.err == ERR_AUTHFAILED && a.data_n == 0);
	return count;
}

/*
 * Who asks for an account that is not there gets the same words for the same work as who gives a
 * wrong password.
 */
static void
test_unknown_user_costs_the_same(void)
{
	static const char *const users[] = { "ann", "nobody", "none", "off", "nobody@example.org",
		"ann@example.org", "a b\001" };
	struct arena a = ARENA_NONE;
	struct user_row row;
	char params[64];
	const char *end;

	world_init();
	for (size_t i = 0; i < ARRAY_LEN(users); i++)
		CHECK_U64(hashes_for(users[i], "wrong"), 1);
	/* "{ARGON2ID}$argon2id$v=19$m=8,t=1,p=1$": the dummy costs what a new verifier costs. */
	CHECK(users_find(w.server->users, &a, STR("ann"), &row) == ERR_OK);
	end = strchr(strchr(strchr(row.password.p + 11, '$') + 1, '$') + 1, '$');
	snprintf(params, sizeof(params), "%.*s", (int)(end - row.password.p), row.password.p);
	CHECK(strncmp(w.server->dummy, params, strlen(params)) == 0);
	arena_done(&a);
	world_done();
}

/*
 * Failures are counted for the name, whichever way it is written, and whether there is such an
 * account or not.
 */
static void
test_account_names(void)
{
	static const struct {
		const char *name, *want;
	} cases[] = {
		{ "joe", "joe" },
		{ "JOE", "joe" },
		{ "Joe@Example.org", "joe" },
		{ "nobody@example.org", "nobody" },
		{ "nobody", "nobody" },
		{ "joe@elsewhere.example", "joe@elsewhere.example" },
		{ "@example.org", "@example.org" },
	};
	struct arena a = ARENA_NONE;

	world_init();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		CHECK_STR(server_account_name(w.server, &a, str_c(cases[i].name)),
		    str_c(cases[i].want));
	arena_done(&a);
	world_done();
}

static void
test_turns(void)
{
	struct answer a = { 0 };
	struct auth_start s = { .mech = STR("LOGIN"), .is_secure = true };
	struct auth_exchange *x;

	world_init();
	/* LOGIN asks twice; with an initial response once. */
	auth_begin(w.client, w.loop, &s, on_answer, &a, &x);
	await(&a, 1);
	CHECK(a.outcome == AUTH_CONTINUE && a.data_n > 0);
	auth_continue(x, STR("joe"));
	await(&a, 2);
	CHECK(a.outcome == AUTH_CONTINUE);
	auth_continue(x, STR("secret"));
	await(&a, 3);
	CHECK(a.outcome == AUTH_OK);
	s.has_initial = true;
	s.initial = STR("joe");
	auth_begin(w.client, w.loop, &s, on_answer, &a, &x);
	await(&a, 4);
	CHECK(a.outcome == AUTH_CONTINUE);
	auth_continue(x, STR("secret"));
	await(&a, 5);
	CHECK(a.outcome == AUTH_OK);
	/* PLAIN without an initial response: an empty challenge. */
	s = (struct auth_start){ .mech = STR("PLAIN"), .is_secure = true };
	auth_begin(w.client, w.loop, &s, on_answer, &a, &x);
	await(&a, 6);
	CHECK(a.outcome == AUTH_CONTINUE && a.data_n == 0);
	auth_continue(x, STR("\0joe\0secret"));
	await(&a, 7);
	CHECK(a.outcome == AUTH_OK);
	/* Cancelled at every point: no callback comes. */
	auth_begin(w.client, w.loop, &s, on_answer, &a, &x);
	auth_cancel(x);
	auth_begin(w.client, w.loop, &s, on_answer, &a, &x);
	await(&a, 8);
	auth_continue(x, STR("\0joe\0wrong"));
	auth_cancel(x);
	check_ok((struct auth_start)DIRECT("joe", "secret"), "joe");
	CHECK(a.count == 8);
	world_done();
}

/* GNU SASL's client against ours. */
static int
client_property(Gsasl *ctx, Gsasl_session *sasl, Gsasl_property property)
{
	const char *binding = gsasl_callback_hook_get(ctx);

	switch ((int)property) {
	case GSASL_AUTHID:
		return gsasl_property_set(sasl, property, "Ann");
	case GSASL_PASSWORD:
		return gsasl_property_set(sasl, property, "pencil");
	case GSASL_CB_TLS_EXPORTER:
		return binding != NULL ? gsasl_property_set(sasl, property, binding)
				       : GSASL_NO_CB_TLS_EXPORTER;
	case GSASL_CB_TLS_UNIQUE:
		return GSASL_NO_CB_TLS_UNIQUE;
	default:
		return GSASL_NO_CALLBACK;
	}
}

static struct answer
scram(const char *mech, struct str exporter, const char *client_binding)
{
	struct auth_start s = { .mech = str_c(mech), .tls_exporter = exporter };
	struct answer a = { 0 };
	struct auth_exchange *x;
	Gsasl *ctx;
	Gsasl_session *c;
	char *out;
	size_t n;
	int turns = 1;

	must(gsasl_init(&ctx) == GSASL_OK);
	gsasl_callback_set(ctx, client_property);
	gsasl_callback_hook_set(ctx, (void *)(uintptr_t)client_binding);
	must(gsasl_client_start(ctx, mech, &c) == GSASL_OK);
	must(gsasl_step(c, NULL, 0, &out, &n) == GSASL_NEEDS_MORE);
	s.has_initial = true;
	s.initial = str_make(out, n);
	auth_begin(w.client, w.loop, &s, on_answer, &a, &x);
	gsasl_free(out);
	await(&a, turns++);
	while (a.outcome == AUTH_CONTINUE) {
		int rc = gsasl_step(c, a.data, a.data_n, &out, &n);

		if (rc != GSASL_OK && rc != GSASL_NEEDS_MORE) {
			auth_cancel(x);
			a.outcome = AUTH_FAIL;
			break;
		}
		auth_continue(x, str_make(out, n));
		gsasl_free(out);
		await(&a, turns++);
	}
	gsasl_finish(c);
	gsasl_done(ctx);
	return a;
}

static void
test_scram(void)
{
	static const char bytes[] = "0123456789abcdef0123456789abcdef";
	char binding[64];
	struct answer a;

	world_init();
	sodium_bin2base64(binding, sizeof(binding), (const unsigned char *)bytes, 32,
	    sodium_base64_VARIANT_ORIGINAL);
	for (unsigned i = 0; i < SCRAM_HASHES; i++) {
		const char *mech = i == SCRAM_SHA1 ? "SCRAM-SHA-1" : "SCRAM-SHA-256";
		const char *plus = i == SCRAM_SHA1 ? "SCRAM-SHA-1-PLUS" : "SCRAM-SHA-256-PLUS";

		a = scram(mech, STR_NONE, NULL);
		CHECK(a.outcome == AUTH_OK);
		CHECK_STR(str_c(a.user), STR("ann"));
		/* has a binding, the client knows of none */
		a = scram(mech, str_make(bytes, 32), NULL);
		CHECK(a.outcome == AUTH_OK);
		a = scram(plus, str_make(bytes, 32), binding);
		CHECK(a.outcome == AUTH_OK);
		/* somebody in the middle */
		a = scram(plus, str_make("x123456789abcdef0123456789abcdef", 32), binding);
		CHECK(a.outcome == AUTH_FAIL && a.err == ERR_AUTHFAILED);
		CHECK(users_delete(w.server->users, STR("ann")) == ERR_OK);
		/* unknown: the same turns, then the same answer */
		a = scram(mech, STR_NONE, NULL);
		CHECK(a.outcome == AUTH_FAIL && a.err == ERR_AUTHFAILED && a.count == 2);
		world_done();
		world_init();
	}
	world_done();
}

/* The salt that SCRAM tells for a name. */
static struct str
salt_of(const char *name, char out[64])
{
	char first[320];
	struct auth_start s = { .mech = STR("SCRAM-SHA-256"), .has_initial = true };
	struct answer a = { 0 };
	struct auth_exchange *x;
	const char *salt, *end;

	snprintf(first, sizeof(first), "n,,n=%s,r=abcdefgh", name);
	s.initial = str_c(first);
	auth_begin(w.client, w.loop, &s, on_answer, &a, &x);
	await(&a, 1);
	if (!CHECK(a.outcome == AUTH_CONTINUE))
		return STR_NONE;
	auth_cancel(x);
	salt = strstr(a.data, ",s=") + 3;
	end = strchr(salt, ',');
	snprintf(out, 64, "%.*s", (int)(end - salt), salt);
	return str_c(out);
}

/* An account has one salt, however it is written: so has who is not there. */
static void
test_salts_of_spellings(void)
{
	static const struct {
		const char *name, *other;
		bool are_same;
	} cases[] = {
		{ "ann", "Ann@Example.org", true },
		{ "joe", "JOE", true }, /* has no verifier of SCRAM */
		{ "nobody", "Nobody", true },
		{ "nobody", "nobody@example.org", true },
		{ "nobody", "nobody@elsewhere.example", false },
		{ "nobody", "somebody", false },
	};

	char a[64], b[64];

	world_init();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		CHECK(str_eq(salt_of(cases[i].name, a), salt_of(cases[i].other, b))
		    == cases[i].are_same);
	world_done();
}

static void
test_external(void)
{
	struct auth_start s = { .mech = STR("EXTERNAL"),
		.has_initial = true,
		.is_secure = true,
		.cert_names = { STR("nobody@example.org"), STR("joe@example.org") },
		.cert_name_count = 2 };

	world_init();
	check_ok(s, "joe");
	s.initial = STR("joe");
	check_ok(s, "joe");
	s.initial = STR("ann");
	check_fail(s, ERR_AUTHZFAILED);
	s.initial = STR_NONE;
	s.cert_name_count = 1;
	check_fail(s, ERR_AUTHFAILED);
	s.cert_name_count = 0;
	check_fail(s, ERR_AUTHFAILED);
	world_done();
}

/* Nobody is told that his password or certificate is wrong when it could not be looked at. */
static void
test_users_cannot_be_asked(void)
{
	struct auth_start external = { .mech = STR("EXTERNAL"),
		.has_initial = true,
		.is_secure = true,
		.cert_names = { STR("joe@example.org") },
		.cert_name_count = 1 };
	sqlite3 *db = NULL;

	world_init();
	check_ok(external, "joe");
	must(sqlite3_open(w.path, &db) == SQLITE_OK);
	must(sqlite3_exec(db, "ALTER TABLE users RENAME TO gone", NULL, NULL, NULL) == SQLITE_OK);
	check_fail((struct auth_start)DIRECT("joe", "secret"), ERR_BUSY);
	check_fail((struct auth_start)PLAIN_("\0joe\0secret"), ERR_BUSY);
	check_fail(external, ERR_BUSY);
	external.initial = STR("joe");
	check_fail(external, ERR_BUSY);
	CHECK(strstr(w.events, "users-error//IO") != NULL);
	must(sqlite3_exec(db, "ALTER TABLE gone RENAME TO users", NULL, NULL, NULL) == SQLITE_OK);
	check_ok(external, "joe");
	sqlite3_close(db);
	world_done();
}

static struct answer
find(struct str address)
{
	struct answer a = { 0 };
	struct auth_lookup *l;

	auth_lookup(w.client, w.loop, address, on_found, &a, &l);
	CHECK(a.count == 0);
	await(&a, 1);
	return a;
}

static void
test_lookup(void)
{
	static const struct {
		struct str address;
		enum err err;
		const char *user;
	} cases[] = {
		{ STR_INIT("joe"), ERR_OK, "joe" },
		{ STR_INIT("Joe@EXAMPLE.org"), ERR_OK, "joe" },
		{ STR_INIT("joe@example.com"), ERR_UNKNOWN, "" },
		{ STR_INIT("Off@example.org"), ERR_CONTACTADMIN, "off" },
		{ STR_INIT("@example.org"), ERR_UNKNOWN, "" },
		{ STR_INIT(""), ERR_UNKNOWN, "" },
		{ STR_INIT("joe"), ERR_OK, "joe" },
	};

	static char huge[AUTH_MESSAGE_MAX + 1];
	struct auth_lookup *l;
	struct answer a = { 0 };

	world_init();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		a = find(cases[i].address);
		CHECK(a.err == cases[i].err);
		CHECK_STR(str_c(a.user), str_c(cases[i].user));
	}
	CHECK(find(str_make(huge, sizeof(huge))).err == ERR_UNKNOWN);
	a.count = 0;
	auth_lookup(w.client, w.loop, STR("joe"), on_found, &a, &l);
	auth_lookup_cancel(l);
	auth_lookup(w.client, w.loop, STR("ann"), on_found, &a, &l);
	auth_lookup_cancel(l);
	CHECK(find(STR("ann")).err == ERR_OK);
	CHECK(a.count == 0);
	world_done();
}

static void
test_connection_breaks(void)
{
	struct auth_start s = DIRECT("ann", "pencil");
	struct answer a = { 0 }, b = { 0 };
	struct auth_exchange *x;
	struct auth_lookup *l;

	world_init();
	auth_begin(w.client, w.loop, &s, on_answer, &a, &x);
	auth_lookup(w.client, w.loop, STR("none"), on_found, &b, &l);
	attach(); /* a new auth process: what was asked of the old one is lost */
	await(&a, 1);
	await(&b, 1);
	CHECK(a.outcome == AUTH_FAIL && a.err == ERR_BUSY && b.err == ERR_BUSY);
	check_ok(s, "ann");
	/* Nonsense on the socket ends the connection, and only that. */
	{
		int fds[2];

		must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
		auth_server_attach(w.server, fds[1]);
		must(write(fds[0], "GET / HTTP/1.0\r\n\r\n", 18) == 18);
		fcntl(fds[0], F_SETFL, 0);
		while (recv(fds[0], w.events, 1, MSG_DONTWAIT) < 0)
			loop_turn(w.loop, true);
		close(fds[0]);
	}
	check_ok(s, "ann");
	world_done();
}

static void
test_offers(void)
{
	static const char *const want[] = { "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS",
		"SCRAM-SHA-256", "SCRAM-SHA-1", "EXTERNAL", "PLAIN", "LOGIN" };
	const char *const *got;

	world_init();
	got = auth_mechs(w.client, true, true, true);
	for (size_t i = 0; i < ARRAY_LEN(want) && CHECK(got[i] != NULL); i++)
		CHECK_STR(str_c(got[i]), str_c(want[i]));
	CHECK(got[ARRAY_LEN(want)] == NULL);
	got = auth_mechs(w.client, false, false, false);
	CHECK(got[0] != NULL && strcmp(got[0], "SCRAM-SHA-256") == 0 && got[2] == NULL);
	world_done();
}

int
main(void)
{
	static const struct test_case cases[] = { TEST(test_passwords),
		TEST(test_unknown_user_costs_the_same), TEST(test_account_names), TEST(test_turns),
		TEST(test_scram), TEST(test_salts_of_spellings), TEST(test_external),
		TEST(test_users_cannot_be_asked), TEST(test_lookup), TEST(test_connection_breaks),
		TEST(test_offers) };

	return sodium_init() < 0 ? 1 : test_run(cases, ARRAY_LEN(cases));
}
