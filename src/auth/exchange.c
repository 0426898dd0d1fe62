/*
 * exchange.c - one authentication, from BEGIN to its last RESULT.
 *
 *      begin ──► DELAYED ──► ASKING ◄──respond── (the client's turns, through GNU SASL's state machine)
 *                (address      │ password shown     │ proof right, or certificate
 *                 throttled)   ▼                    │
 *                           CHECKING                │   (account throttled, then a job hashes)
 *                              │ right              ▼
 *                              ├──────────────► succeed ──► LAST (what the mechanism still has to say) ──► OK
 *                              │ wrong
 *                              ▼
 *                           FAILING (held back) ──► FAIL
 *
 * An unknown user runs through the same steps as a known one: a dummy verifier is hashed, SCRAM
 * gets a salt that stays the same.
 */
#include "auth/name.h"
#include "auth/upgrade.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum { ANSWER_TIMEOUT_MS = 3 * 60 * 1000 };

enum state { DELAYED, ASKING, WAITING, CHECKING, LAST, FAILING };

struct exchange {
	struct conn *conn;
	uint64_t id;
	enum state state;
	struct arena arena; /* all texts below */
	struct auth_start start;
	Gsasl_session *sasl;
	struct loop_timer timer;
	struct verify *job;
	/* Captured from the mechanism. */
	bool has_password, has_certificate;
	struct str authid, authzid, password;
	/* The account, once it has been looked for. */
	bool is_sought, is_known;
	enum err trouble; /* the database could not be asked */
	struct user_row row;
	/* that failures are counted for: made from the name alone, not from what is found */
	struct str account;
	int64_t asked_ms; /* when what is being decided was asked */
	enum err failure; /* while FAILING */
};

static const struct mech {
	const char *name;
	bool shows_password, needs_binding, needs_cert;
} mechs[] = {

#define MECH(name, shows_password, needs_binding, needs_cert)                                      \
	{ name, shows_password, needs_binding, needs_cert },
#include "auth/mech.def"
#undef MECH
};

static struct auth_server *
server_of(const struct exchange *x)
{
	return x->conn->server;
}

bool
exchange_has_id(const void *item, const void *key)
{
	return ((const struct exchange *)item)->id == *(const uint64_t *)key;
}

void
exchange_end(struct exchange *x)
{
	hash_remove(&x->conn->exchanges, hash_u64(x->id), &x->id);
	loop_timer_cancel(server_of(x)->loop, &x->timer);
	if (x->job != NULL) {
		x->job->x = NULL;
		atomic_store(&x->job->is_unwanted, true);
	}
	if (x->sasl != NULL)
		gsasl_finish(x->sasl);
	arena_done(&x->arena);
	free(x);
}

static void
send_result(struct exchange *x, const struct auth_result *r)
{
	conn_send(x->conn,
	    &(struct wire_message){ .type = WIRE_RESULT, .id = x->id, .result = *r });
}

/* Tells the failure at once and ends. */
static void
refuse(struct exchange *x, enum err e)
{
	send_result(x, &(struct auth_result){ .outcome = AUTH_FAIL, .err = e });
	exchange_end(x);
}

static void
set_timer(struct exchange *x, uint64_t ms)
{
	loop_timer_set(server_of(x)->loop, &x->timer, (int64_t)ms);
}

static int64_t
now_ms(const struct exchange *x)
{
	return loop_now_ms(server_of(x)->loop);
}

/*
 * Wrong credentials: counted, and told later. The delay begins when they were asked about, so the
 * answer's time does not show whether a hash was computed meanwhile, and of which kind.
 */
static void
fail(struct exchange *x, enum err e)
{
	uint64_t wait =
	    throttle_failed_ms(server_of(x)->throttle, x->start.peer, x->account, now_ms(x));
	uint64_t waited = (uint64_t)(now_ms(x) - x->asked_ms);

	server_event(server_of(x),
	    &(struct auth_event){ .event = "login-failed",
		.user = x->is_known ? x->row.name : x->authid,
		.mech = x->start.mech.n > 0 ? x->start.mech : STR("none"),
		.service = x->start.service,
		.peer = x->start.peer,
		.err = e });
	x->state = FAILING;
	x->failure = e;
	if (wait <= waited)
		refuse(x, e);
	else
		set_timer(x, wait - waited);
}

/* Is there such a user? When the database can't be asked that is told, and noted. */
static bool
find_user(struct exchange *x, struct str name, struct user_row *out)
{
	struct auth_server *srv = server_of(x);
	enum err e = server_find_user(srv, &x->arena, name, out);

	if (e == ERR_OK || e == ERR_UNKNOWN)
		return e == ERR_OK;
	x->trouble = ERR_BUSY;
	server_event(srv,
	    &(struct auth_event){ .event = "users-error",
		.err = e,
		.detail = users_error(srv->users) });
	return false;
}

static void
seek_user(struct exchange *x, struct str name)
{
	if (x->is_sought)
		return;
	x->is_sought = true;
	x->account = server_account_name(server_of(x), &x->arena, name);
	x->is_known = find_user(x, name, &x->row);
}

/* The credentials are right. May this user log in, and as whom? */
static enum err
authorise(struct exchange *x)
{
	struct user_row other;

	if (!x->is_known)
		return ERR_AUTHFAILED;
	if (x->row.is_disabled)
		return ERR_CONTACTADMIN;
	if (x->authzid.n == 0)
		return ERR_OK;
	if (!find_user(x, x->authzid, &other))
		return x->trouble != ERR_OK ? x->trouble : ERR_AUTHZFAILED;
	return str_eq(other.name, x->row.name) ? ERR_OK : ERR_AUTHZFAILED;
}

/* @last  what the mechanism has to say with its success */
static void
succeed(struct exchange *x, struct str last)
{
	enum err e = authorise(x);

	if (e != ERR_OK) {
		fail(x, e);
		return;
	}
	if (last.n > 0) {
		x->state = LAST;
		set_timer(x, ANSWER_TIMEOUT_MS);
		send_result(x, &(struct auth_result){ .outcome = AUTH_CONTINUE, .data = last });
		return;
	}
	throttle_succeeded(server_of(x)->throttle, x->start.peer, x->account, now_ms(x));
	send_result(x,
	    &(struct auth_result){ .outcome = AUTH_OK,
		.user = x->row.name,
		.groups = x->row.groups });
	exchange_end(x);
}

static void
on_verified(struct verify *v)
{
	struct exchange *x = v->x;
	struct auth_server *srv = v->server;

	if (x == NULL) {
		verify_free(v);
		return;
	}
	x->job = NULL;
	if (v->is_right && x->is_known) {
		remember_add(srv->remember, x->row.name, x->row.password, v->password, now_ms(x));
		upgrade_if_outdated(srv, &x->row, v->password);
		succeed(x, STR_NONE);
	} else {
		fail(x, x->trouble != ERR_OK ? x->trouble : ERR_AUTHFAILED);
	}
	verify_free(v);
}

/* The account has waited enough: hash. */
static void
check(struct exchange *x)
{
	struct auth_server *srv = server_of(x);
	bool has_verifier = x->is_known && x->row.password.n > 0;

	x->state = CHECKING;
	if (verify_submit(srv, x,
		throttle_knows(srv->throttle, x->start.peer, x->account, now_ms(x)),
		has_verifier ? x->row.password : str_c(srv->dummy), x->password, on_verified,
		&x->job)
	    != ERR_OK)
		refuse(x, ERR_BUSY);
}

/* A password was shown. */
static void
check_password(struct exchange *x)
{
	struct auth_server *srv = server_of(x);
	uint64_t wait;

	seek_user(x, x->authid);
	if (x->is_known && x->password.n <= PASSWORD_MAX_BYTES
	    && remember_has(srv->remember, x->row.name, x->row.password, x->password, now_ms(x))) {
		succeed(x, STR_NONE);
		return;
	}
	wait = throttle_account_ms(srv->throttle, x->start.peer, x->account, now_ms(x));
	x->state = WAITING;
	if (wait > 0)
		set_timer(x, wait);
	else
		check(x);
}

/* EXTERNAL: TLS has verified the certificate; one of its names must be the account. */
static void
check_certificate(struct exchange *x)
{
	for (size_t i = 0; i < x->start.cert_name_count; i++) {
		struct user_row row, want;
		struct str name = x->start.cert_names[i];

		if (!find_user(x, name, &row))
			continue;
		if (x->authzid.n > 0
		    && (!find_user(x, x->authzid, &want) || !str_eq(want.name, row.name)))
			continue;
		x->is_sought = x->is_known = true;
		x->account = server_account_name(server_of(x), &x->arena, name);
		x->row = row;
		succeed(x, STR_NONE);
		return;
	}
	if (x->trouble != ERR_OK)
		fail(x, x->trouble);
	else
		fail(x, x->authzid.n > 0 ? ERR_AUTHZFAILED : ERR_AUTHFAILED);
}

static void
copy_property(struct exchange *x, Gsasl_property which, struct str *out)
{
	*out = arena_str(&x->arena, str_c(gsasl_property_fast(x->sasl, which)));
}

/*
 * The iteration count that a name would have that nobody has, or whose account has no verifier:
 * when the setting was changed since some passwords were set, some have the one and some another.
 */
static uint32_t
likely_iterations(struct exchange *x, enum scram_hash hash)
{
	struct auth_server *srv = server_of(x);
	uint64_t draw = scram_draw(hash, x->account, srv->fake_secret);
	struct scram_verifier v;
	struct str text;
	uint32_t n;

	if (users_drawn_scram(srv->users, &x->arena, hash, draw, &text) == ERR_OK
	    && scram_parse(hash, text, &v) == ERR_OK && str_to_u32(str_c(v.iterations), &n))
		return n;
	return srv->cost.scram_iterations;
}

/* SCRAM asks for the account's verifier, once it knows the name. */
static int
give_scram(struct exchange *x)
{
	enum scram_hash hash =
	    str_starts_nocase(x->start.mech, STR("SCRAM-SHA-256")) ? SCRAM_SHA256 : SCRAM_SHA1;
	struct auth_server *srv = server_of(x);
	struct scram_verifier v;
	uint32_t iterations;

	copy_property(x, GSASL_AUTHID, &x->authid);
	copy_property(x, GSASL_AUTHZID, &x->authzid);
	seek_user(x, x->authid);
	iterations = likely_iterations(x, hash); /* in any case: it takes time */
	if (!x->is_known || scram_parse(hash, x->row.scram[hash], &v) != ERR_OK)
		/* one salt for all spellings, as an account has one */
		scram_fake(hash, x->account, srv->fake_secret, iterations, &v);
	if (gsasl_property_set(x->sasl, GSASL_SCRAM_ITER, v.iterations) != GSASL_OK
	    || gsasl_property_set(x->sasl, GSASL_SCRAM_SALT, v.salt) != GSASL_OK
	    || gsasl_property_set(x->sasl, GSASL_SCRAM_STOREDKEY, v.stored_key) != GSASL_OK
	    || gsasl_property_set(x->sasl, GSASL_SCRAM_SERVERKEY, v.server_key) != GSASL_OK)
		return GSASL_MALLOC_ERROR;
	return GSASL_OK;
}

static int
give_binding(Gsasl_session *sasl, Gsasl_property which, struct str binding, int none)
{
	char text[512];

	if (binding.n == 0)
		return none;
	sodium_bin2base64(text, sizeof(text), (const unsigned char *)binding.p, binding.n,
	    sodium_base64_VARIANT_ORIGINAL);
	return gsasl_property_set(sasl, which, text);
}

/*
 * GNU SASL asks. Passwords and certificates are only taken down here; they are checked when the
 * step is over.
 */
static int
on_property(Gsasl *ctx, Gsasl_session *sasl, Gsasl_property property)
{
	struct exchange *x = gsasl_callback_hook_get(ctx);

	x->sasl = sasl;
	switch ((int)property) {
	case GSASL_VALIDATE_SIMPLE:
		x->has_password = true;
		copy_property(x, GSASL_AUTHID, &x->authid);
		copy_property(x, GSASL_AUTHZID, &x->authzid);
		copy_property(x, GSASL_PASSWORD, &x->password);
		return GSASL_OK;
	case GSASL_VALIDATE_EXTERNAL:
		x->has_certificate = true;
		copy_property(x, GSASL_AUTHZID, &x->authzid);
		return GSASL_OK;
	case GSASL_SCRAM_ITER:
	case GSASL_SCRAM_SALT:
	case GSASL_SCRAM_STOREDKEY:
	case GSASL_SCRAM_SERVERKEY:
		return give_scram(x);
	case GSASL_CB_TLS_UNIQUE:
		return give_binding(sasl, property, x->start.tls_unique, GSASL_NO_CB_TLS_UNIQUE);
	case GSASL_CB_TLS_EXPORTER:
		return give_binding(sasl, property, x->start.tls_exporter,
		    GSASL_NO_CB_TLS_EXPORTER);
	default:
		return GSASL_NO_CALLBACK;
	}
}

static enum err
err_of(int rc)
{
	switch (rc) {
	case GSASL_MECHANISM_PARSE_ERROR:
	case GSASL_MECHANISM_CALLED_TOO_MANY_TIMES:
		return ERR_SYNTAX;
	case GSASL_MALLOC_ERROR:
		return ERR_NOMEM;
	default:
		return ERR_AUTHFAILED;
	}
}

/* One turn of the mechanism. */
static void
step(struct exchange *x, bool has_input, struct str input)
{
	struct auth_server *srv = server_of(x);
	char *out = NULL;
	size_t out_n = 0;
	int rc;

	loop_timer_cancel(srv->loop, &x->timer);
	x->asked_ms = now_ms(x);
	gsasl_callback_hook_set(srv->gsasl, x);
	rc = gsasl_step(x->sasl, has_input ? (input.n > 0 ? input.p : "") : NULL, input.n, &out,
	    &out_n);
	if (rc == GSASL_NEEDS_MORE) {
		x->state = ASKING;
		set_timer(x, ANSWER_TIMEOUT_MS);
		send_result(x,
		    &(struct auth_result){ .outcome = AUTH_CONTINUE,
			.data = str_make(out, out_n) });
	} else if (rc != GSASL_OK) {
		enum err e = x->trouble != ERR_OK ? x->trouble : err_of(rc);

		if (e == ERR_AUTHFAILED)
			fail(x, e);
		else
			refuse(x, e);
	} else if (x->has_password) {
		check_password(x);
	} else if (x->has_certificate) {
		check_certificate(x);
	} else {
		succeed(x, str_make(out, out_n));
	}
	gsasl_free(out);
}

/* The first turn. */
static void
start(struct exchange *x)
{
	struct auth_server *srv = server_of(x);
	char *out = NULL;
	size_t out_n;

	x->asked_ms = now_ms(x);
	if (x->start.mech.n == 0) {
		x->authid = x->start.user;
		x->password = x->start.password;
		check_password(x);
		return;
	}
	gsasl_callback_set(srv->gsasl, on_property);
	gsasl_callback_hook_set(srv->gsasl, x);
	if (gsasl_server_start(srv->gsasl, arena_cstr(&x->arena, x->start.mech), &x->sasl)
	    != GSASL_OK) {
		x->sasl = NULL;
		refuse(x, ERR_UNKNOWN);
		return;
	}
	/*
	 * LOGIN's server speaks first; an initial response is the answer to what it would have
	 * asked.
	 */
	if (x->start.has_initial && str_eq(x->start.mech, STR("LOGIN"))) {
		if (gsasl_step(x->sasl, NULL, 0, &out, &out_n) != GSASL_NEEDS_MORE) {
			gsasl_free(out);
			refuse(x, ERR_SYNTAX);
			return;
		}
		gsasl_free(out);
	}
	step(x, x->start.has_initial, x->start.initial);
}

static void
on_timer(struct loop_timer *t)
{
	struct exchange *x = container_of(t, struct exchange, timer);

	switch (x->state) {
	case DELAYED:
		start(x);
		break;
	case WAITING:
		x->asked_ms = now_ms(x);
		check(x);
		break;
	case FAILING:
		refuse(x, x->failure);
		break;
	case ASKING:
	case LAST:
		refuse(x, ERR_TIMEOUT);
		break;
	case CHECKING:
		break;
	}
}

void
exchange_respond(struct exchange *x, struct str response)
{
	if (x->state == ASKING)
		step(x, true, response);
	else if (x->state == LAST && response.n == 0)
		succeed(x, STR_NONE);
	else
		refuse(x, ERR_SYNTAX);
}

/* Texts of the message are copied, and the mechanism's name made upper case. */
static void
start_copy(struct exchange *x, const struct auth_start *s)
{
	struct arena *a = &x->arena;
	char *mech = arena_cstr(a, s->mech);

	x->start = *s;
	for (size_t i = 0; i < s->mech.n; i++)
		mech[i] = chr_upper(mech[i]);
	x->start.mech = str_make(mech, s->mech.n);
	x->start.initial = arena_str(a, s->initial);
	x->start.user = arena_str(a, s->user);
	x->start.password = arena_str(a, s->password);
	x->start.service = arena_str(a, s->service);
	x->start.peer = arena_str(a, s->peer);
	x->start.tls_unique = arena_str(a, s->tls_unique);
	x->start.tls_exporter = arena_str(a, s->tls_exporter);
	for (size_t i = 0; i < s->cert_name_count; i++)
		x->start.cert_names[i] = arena_str(a, s->cert_names[i]);
}

/* May this connection use the mechanism at all? */
static enum err
mech_check(const struct auth_start *s)
{
	bool has_binding = s->tls_unique.n > 0 || s->tls_exporter.n > 0;

	if (s->mech.n == 0)
		return s->is_secure ? ERR_OK : ERR_PRIVACY;
	for (size_t i = 0; i < ARRAY_LEN(mechs); i++) {
		if (!str_eq(s->mech, str_c(mechs[i].name)))
			continue;
		if (mechs[i].shows_password && !s->is_secure)
			return ERR_PRIVACY;
		return mechs[i].needs_binding && !has_binding ? ERR_UNKNOWN : ERR_OK;
	}
	return ERR_UNKNOWN;
}

void
exchange_begin(struct conn *c, uint64_t id, const struct auth_start *s)
{
	struct exchange *x;
	uint64_t wait;
	enum err e;

	if (c->exchanges.count >= EXCHANGES_MAX) {
		conn_send(c,
		    &(struct wire_message){ .type = WIRE_RESULT,
			.id = id,
			.result = { .outcome = AUTH_FAIL, .err = ERR_BUSY } });
		return;
	}
	x = xcalloc(1, sizeof(*x));
	x->conn = c;
	x->id = id;
	x->arena = ARENA_SECRET;
	loop_timer_init(&x->timer, on_timer);
	hash_insert(&c->exchanges, hash_u64(id), x);
	start_copy(x, s);
	e = mech_check(&x->start);
	if (e != ERR_OK) {
		refuse(x, e);
		return;
	}
	wait = throttle_address_ms(c->server->throttle, s->peer, now_ms(x));
	x->state = DELAYED;
	if (wait > 0)
		set_timer(x, wait);
	else
		start(x);
}
