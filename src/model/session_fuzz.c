/*
 * session_fuzz.c - the whole server under what anybody may send, held against the model. An input
 * is text, a line a step:
 *
 *     a COMMAND     a client of mallory says a command ("{{text}}" in it is a literal, "|" in that a line end)
 *     a&COMMAND     and does not wait for the answer
 *     a!BYTES       bytes as they are, but that "|" is a line end
 *     a-            hangs up
 *     b...          another client of mallory
 *     o...          the operator in mallory's account
 *     s...          somebody who has not logged in
 *     l...          a mail transfer agent; all that it delivers is for mallory
 *     mBYTES        the clients of joe (run.h) take a few steps; the bytes are their choices
 *     tN            N seconds pass
 *     pN            the engine lets wait in N of 60 cases
 *     nN            at the beginning: no command is about more than N messages (RFC 9738)
 *
 * Whatever mallory, a stranger or the MTA say, joe's account is what the model says, and nobody of
 * them sees a byte of his mail. Each response can be read; what a client was told is what the
 * mailbox holds; every command is answered.
 */
#include "model/guest.h"
#include "model/run.h"

#include <stdlib.h>

enum {
	LINES_MAX = 60,
	MODEL_STEPS = 6,
	MODEL_STEPS_MAX = 60,
	SECONDS_MAX = 200,
	LIMITS = 32,
	GUESTS = 5
};

struct world {
	struct run run;
	struct account *mallory;
	struct guest guests[GUESTS];
	uint32_t model_steps, seconds;
	bool is_verbose;
};

static const struct {
	char name;
	enum guest_kind kind;
} who[GUESTS] = {
	{ 'a', GUEST_USER },
	{ 'b', GUEST_USER },
	{ 'o', GUEST_OPERATOR },
	{ 's', GUEST_STRANGER },
	{ 'l', GUEST_MTA },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
no_wake(unused_arg struct waiter *w)
{
}

static void
world_open(struct world *w, uint32_t limit)
{
	struct waiter waiter;

	run_open_limited(&w->run, sim_memory(1), true, 1, (struct sim_limits){ .messages = limit });
	w->run.is_fuzzed = true;
	w->run.is_verbose = w->is_verbose;
	w->run.sim.patience = 0;
	waiter_init(&waiter, no_wake);
	while (store_account_open(w->run.sim.store, STR("mallory"), ACCOUNT_CREATE, &waiter,
		   &w->mallory)
	    == ERR_WAIT)
		must(sim_wait(&w->run.sim));
	waiter_cancel(&waiter);
	for (int i = 0; i < GUESTS; i++)
		w->guests[i] = (struct guest){ .sim = &w->run.sim,
			.name = who[i].name,
			.kind = who[i].kind,
			.user = STR("mallory"),
			.secret = STR(PLAN_SECRET),
			.account = w->mallory,
			.is_verbose = w->is_verbose };
	w->model_steps = w->seconds = 0;
}

static void
world_close(struct world *w)
{
	for (int i = 0; i < GUESTS; i++)
		guest_done(&w->guests[i]);
	account_unref(w->mallory);
	run_close(&w->run);
}

/* Also those who have not acted may have been told something. */
static void
look_at_guests(struct world *w)
{
	for (int i = 0; i < GUESTS; i++) {
		guest_take(&w->guests[i]);
		if (w->guests[i].wrong[0] != '\0')
			run_fail(&w->run, "guest %c: %s", who[i].name, w->guests[i].wrong);
	}
	if (w->run.sim.is_stuck)
		run_fail(&w->run, "somebody is not answered");
}

/* The operator may set everybody's quota, of joe too: that is no fault. */
static bool
is_permitted(const struct guest *g, struct str text)
{
	for (size_t i = 0; g->kind == GUEST_OPERATOR && i + 3 <= text.n; i++) {
		if (str_eq_nocase(str_sub(text, i, i + 3), STR("joe")))
			return false;
	}
	return true;
}

static void
guest_step(struct world *w, struct guest *g, struct str line)
{
	char how = line.n > 0 ? line.p[0] : ' ';
	struct str text = str_sub(line, 1, line.n);

	if (!is_permitted(g, text))
		return;
	w->run.sim.guest = STR("mallory");
	if (how == '-')
		guest_hang_up(g);
	else if (how == '!')
		guest_raw(g, text);
	else
		guest_command(g, text, how != '&');
	w->run.sim.guest = STR_NONE;
}

static void
model_step(struct world *w, struct str choices)
{
	w->run.sim.choices = choices;
	for (int i = 0; i < MODEL_STEPS && w->model_steps < MODEL_STEPS_MAX; i++, w->model_steps++)
		run_step(&w->run);
	w->run.sim.choices = STR_NONE;
}

static void
step(struct world *w, struct str line)
{
	struct str rest = str_sub(line, 1, line.n);
	uint32_t n = 0;

	for (int i = 0; i < GUESTS; i++) {
		if (line.p[0] == who[i].name)
			guest_step(w, &w->guests[i], rest);
	}
	if (line.p[0] == 'm') {
		model_step(w, rest);
	} else if (line.p[0] == 't' && str_to_u32(rest, &n) && n <= SECONDS_MAX - w->seconds) {
		w->seconds += n;
		w->run.sim.clock.now_us += (int64_t)n * 1000000;
		sim_settle(&w->run.sim);
	} else if (line.p[0] == 'p' && str_to_u32(rest, &n)) {
		w->run.sim.patience = n % 60;
	}
	look_at_guests(w);
}

/* What the first line says of it. */
static uint32_t
limit_of(struct str text)
{
	struct str line;
	uint32_t n;

	if (!str_split(&text, '\n', &line) || !str_starts(line, STR("n"))
	    || !str_to_u32(str_sub(line, 1, line.n), &n))
		return 0;
	return STATE_ADDS + n % LIMITS;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct world w;
	struct str rest = str_make(data, n), line;

	/* Who knows the secret may say it. */
	if (n >= sizeof(PLAN_SECRET) - 1
	    && memmem(data, n, PLAN_SECRET, sizeof(PLAN_SECRET) - 1) != NULL)
		return 0;
	w.is_verbose = getenv("FUZZ_VERBOSE") != NULL;
	world_open(&w, limit_of(rest));
	for (int i = 0; i < LINES_MAX && str_split(&rest, '\n', &line); i++) {
		if (line.n > 0)
			step(&w, line);
	}
	for (int i = 0; i < GUESTS; i++) {
		guest_check(&w.guests[i]);
		look_at_guests(&w);
	}
	run_compare(&w.run);
	world_close(&w);
	return 0;
}
