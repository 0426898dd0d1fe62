/* upgrade.c - see upgrade.h. */
#include "auth/upgrade.h"

#include "auth/name.h"

#include <sodium.h>
#include <stdlib.h>

struct upgrade {
	struct job job;
	struct auth_server *server;
	struct password_cost cost;
	struct user_row row;
	struct str old, password;
	enum err err;
	struct arena arena;
};

struct verify_ctx {
	struct verify v;
	void (*done)(struct verify *v);
};

static void
verify_run(struct job *j)
{
	struct verify *v = container_of(j, struct verify, job);
	struct str prepared;

	if (atomic_load(&v->is_unwanted) || atomic_load(&v->server->is_ending))
		return;
	v->is_right = password_verify(v->verifier, v->password);
	if (v->is_right || str_is_ascii(v->password))
		return;
	/* Other systems hashed what the client sent; we hash what SASLprep makes of it. */
	prepared = password_prepare(&v->arena, v->password);
	v->is_right = !str_eq(prepared, v->password) && password_verify(v->verifier, prepared);
}

static void
verify_done(struct job *j)
{
	struct verify *v = container_of(j, struct verify, job);
	struct verify_ctx *ctx = container_of(v, struct verify_ctx, v);

	v->server->jobs_running--;
	ctx->done(v);
}

enum err
verify_submit(struct auth_server *srv, struct exchange *x, bool is_from_known, struct str verifier,
    struct str password, void (*done)(struct verify *v), struct verify **out)
{
	struct verify_ctx *ctx = xcalloc(1, sizeof(*ctx));
	enum err e;

	ctx->done = done;
	ctx->v = (struct verify){ .job.run = verify_run,
		.job.done = verify_done,
		.server = srv,
		.x = x,
		.arena = ARENA_SECRET };
	ctx->v.verifier = arena_str(&ctx->v.arena, verifier);
	ctx->v.password = arena_str(&ctx->v.arena, password);
	e = jobs_submit(is_from_known ? srv->known_jobs : srv->jobs, &ctx->v.job, srv->loop);
	if (e != ERR_OK) {
		verify_free(&ctx->v);
		return e;
	}
	srv->jobs_running++;
	*out = &ctx->v;
	return ERR_OK;
}

void
verify_free(struct verify *v)
{
	arena_done(&v->arena);
	free(container_of(v, struct verify_ctx, v));
}

enum err
verifiers_make(struct arena *a, struct str password, const struct password_cost *cost,
    struct user_row *row)
{
	BUF_CLEAN struct buf hash = BUF_MAX(VERIFIER_MAX_BYTES);
	struct str prepared = password_prepare(a, password);
	enum err e = password_hash(prepared, cost, &hash);

	if (e == ERR_OK)
		row->password = arena_str(a, buf_str(&hash));
	for (unsigned i = 0; e == ERR_OK && i < SCRAM_HASHES; i++) {
		BUF_CLEAN struct buf text = BUF_MAX(SCRAM_TEXT_MAX);

		row->scram[i] = STR("");
		/* A password that is no UTF-8 can't be one of SCRAM. */
		if (!cost->make_scram || !str_is_utf8(prepared) || prepared.n == 0)
			continue;
		e = scram_make(i, prepared, cost->scram_iterations, &text);
		if (e == ERR_OK)
			row->scram[i] = arena_str(a, buf_str(&text));
	}
	return e;
}

static void
upgrade_run(struct job *j)
{
	struct upgrade *up = container_of(j, struct upgrade, job);

	up->err = verifiers_make(&up->arena, up->password, &up->cost, &up->row);
}

static void
upgrade_done(struct job *j)
{
	struct upgrade *up = container_of(j, struct upgrade, job);
	struct auth_server *srv = up->server;
	enum err e = up->err;

	srv->jobs_running--;
	if (e == ERR_OK)
		e = users_set_verifiers(srv->users, &up->row, up->old);
	/* Somebody changed or deleted it meanwhile: that one wins. */
	if (e != ERR_UNKNOWN)
		server_event(srv,
		    &(struct auth_event){ .event = "password-upgraded",
			.user = up->row.name,
			.err = e });
	arena_done(&up->arena);
	free(up);
}

void
upgrade_if_outdated(struct auth_server *srv, const struct user_row *row, struct str password)
{
	bool wants_scram = srv->cost.make_scram
	    && (row->scram[SCRAM_SHA1].n == 0 || row->scram[SCRAM_SHA256].n == 0) && password.n > 0
	    && str_is_utf8(password);
	struct upgrade *up;

	if (!wants_scram && !password_is_outdated(row->password, &srv->cost))
		return;
	up = xcalloc(1, sizeof(*up));
	up->job = (struct job){ .run = upgrade_run, .done = upgrade_done };
	up->server = srv;
	up->arena = ARENA_SECRET;
	up->cost = srv->cost;
	up->row = *row;
	up->row.name = arena_str(&up->arena, row->name);
	up->row.changed_ms = loop_clock(srv->loop)->wall_ms(loop_clock(srv->loop));
	up->old = arena_str(&up->arena, row->password);
	up->password = arena_str(&up->arena, password);
	if (jobs_submit(srv->jobs, &up->job, srv->loop) == ERR_OK) {
		srv->jobs_running++;
		return;
	}
	arena_done(&up->arena); /* busy: at another login */
	free(up);
}
