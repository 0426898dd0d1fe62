/*
 * sharing_model_test.c - an owner and two others in shared mailboxes, whose rights come and go,
 * against a naive model of who may do what and who has read what (RFC 4314), and of what each is
 * told of it by NOTIFY (RFC 5465): on a connection of its own for that, in half of the histories
 * also of the selected mailbox.
 *
 *     sharing_model_test                   a few histories, as a unit test
 *     sharing_model_test COMMANDS          so many commands or a few more
 *     sharing_model_test 1 SEED            one history, told line by line
 *
 * One command at a time; behind each, everybody's picture of the mailbox is held against the model.
 */
#include "model/listener.h"

#include "imap/flags.h"
#include "kv/kv.h"
#include "store/acl.h"

#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

enum { USERS = 3, OWNER = 0, BOXES = 3, MESSAGES = 30, STEPS = 400, FIRST_SEED = 20261122 };

enum { SYSTEM_FLAGS = FLAG_ANSWERED | FLAG_FLAGGED | FLAG_DRAFT };

static const char *const user_names[USERS] = { "joe", "ann", "bob" };
static const char *const box_names[BOXES] = { "p", "q", "r" };

struct letter {
	uint32_t uid;
	uint16_t flags; /* but for \Seen */
	bool is_seen[USERS];
};

struct shelf {
	unsigned rights[USERS]; /* those of the owner are all */
	struct letter m[MESSAGES];
	uint32_t n, uidnext;
};

enum shown { ACCESS_FULL, ACCESS_SEEN, ACCESS_NONE };

struct person {
	struct picture pic;
	struct listener listener;
	struct shelf *box; /* selected */
	enum shown access; /* as SELECT found it */
	unsigned rights_at_select;
	char condition[8], code[32]; /* of the last answer */
	char text[400];              /* untagged lines that matter to a command */
};

struct sharing {
	struct sim sim;
	struct person users[USERS];
	struct shelf boxes[BOXES];
	uint64_t seed, commands, refused, told;
	bool is_verbose;
};

static struct sharing world;

static void fail(struct sharing *w, const char *fmt, ...) printf_like(2, 3);

static void
fail(struct sharing *w, const char *fmt, ...)
{
	va_list ap;

	printf("# failed: ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n# again: build/src/model/sharing_model_test 1 %llu\n",
	    (unsigned long long)w->seed);
	fflush(stdout);
	_exit(1);
}

static uint64_t
rnd(struct sharing *w, uint64_t n)
{
	return sim_random(&w->sim, n);
}

static unsigned
rights_of(const struct shelf *b, unsigned user)
{
	return user == OWNER ? RIGHTS_ALL : b->rights[user];
}

/* ---- saying something, and what comes ---- */

static void
take(struct sharing *w, unsigned user)
{
	struct person *u = &w->users[user];
	struct told t;

	while (picture_next(&u->pic, &t)) {
		if (w->is_verbose)
			printf("# %s S %.*s\n", user_names[user], (int)MIN(t.line.n, 200),
			    t.line.p);
		if (t.kind == TOLD_TAGGED) {
			snprintf(u->condition, sizeof(u->condition), "%.*s", STR_F(t.condition));
			snprintf(u->code, sizeof(u->code), "%.*s", STR_F(t.code));
		} else if (t.kind == TOLD_STATUS || t.kind == TOLD_LIST || t.kind == TOLD_OTHER) {
			size_t n = strlen(u->text);

			snprintf(u->text + n, sizeof(u->text) - n, "%.*s\n", STR_F(t.line));
		}
	}
	if (u->pic.wrong[0] != '\0')
		fail(w, "%s: %s", user_names[user], u->pic.wrong);
	if (u->pic.conn.is_eof)
		fail(w, "%s is thrown out", user_names[user]);
}

static void say(struct sharing *w, unsigned user, const char *fmt, ...) printf_like(3, 4);

static void
say(struct sharing *w, unsigned user, const char *fmt, ...)
{
	struct person *u = &w->users[user];
	char text[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	u->condition[0] = u->code[0] = u->text[0] = '\0';
	if (w->is_verbose)
		printf("# %s C %s\n", user_names[user], text);
	picture_send(&u->pic, memcmp(text, "FETCH", 5) != 0 && memcmp(text, "STORE", 5) != 0,
	    str_c(text));
	sim_settle(&w->sim);
	take(w, user);
	w->commands++;
}

/* NULL: any code. */
static void
expect(struct sharing *w, unsigned user, const char *condition, const char *code)
{
	const struct person *u = &w->users[user];

	w->refused += strcmp(u->condition, "NO") == 0;
	if (strcmp(u->condition, condition) != 0
	    || (code != NULL && strncmp(u->code, code, strlen(code)) != 0))
		fail(w, "%s is answered %s [%s], want %s [%s]", user_names[user], u->condition,
		    u->code, condition, code != NULL ? code : "");
}

/* What target_check() answers for rights that are needed. True: they are there, and OK is due. */
static bool
expect_allowed(struct sharing *w, unsigned user, const struct shelf *b, unsigned needed,
    const char *unknown)
{
	unsigned rights = rights_of(b, user);
	bool may = (rights & needed) == needed;

	expect(w, user, may ? "OK" : "NO",
	    may                           ? NULL
		: (rights & RIGHT_L) != 0 ? "NOPERM"
					  : unknown);
	return may;
}

static const char *
full_name(const struct sharing *w, unsigned user, const struct shelf *b)
{
	static char name[40];

	snprintf(name, sizeof(name), "%s%s", user == OWNER ? "" : "\"Other Users/joe/",
	    box_names[b - w->boxes]);
	if (user != OWNER)
		strcat(name, "\"");
	return name;
}

/* ---- flags ---- */

static uint16_t
random_flags(struct sharing *w)
{
	static const uint16_t some[] = { FLAG_SEEN, FLAG_DELETED, FLAG_FLAGGED, FLAG_ANSWERED,
		FLAG_SEEN | FLAG_FLAGGED, FLAG_SEEN | FLAG_DELETED, FLAG_DRAFT | FLAG_DELETED };

	return some[rnd(w, ARRAY_LEN(some))];
}

static const char *
flags_text(uint16_t flags)
{
	static char text[100];
	BUF_CLEAN struct buf b = BUF_MAX(sizeof(text));

	seen_flags_format(flags, &b);
	snprintf(text, sizeof(text), "%.*s", STR_F(buf_str(&b)));
	return text;
}

static uint16_t
changeable(unsigned rights)
{
	return (uint16_t)(((rights & RIGHT_S) != 0 ? FLAG_SEEN : 0)
	    | ((rights & RIGHT_T) != 0 ? FLAG_DELETED : 0)
	    | ((rights & RIGHT_W) != 0 ? SYSTEM_FLAGS : 0));
}

static uint16_t
flags_of(const struct letter *m, unsigned user)
{
	return (uint16_t)(m->flags | (m->is_seen[user] ? FLAG_SEEN : 0));
}

static void
flags_put(struct letter *m, unsigned user, uint16_t flags)
{
	m->flags = flags & (uint16_t)~FLAG_SEEN;
	m->is_seen[user] = (flags & FLAG_SEEN) != 0;
}

static struct letter *
message_add(struct shelf *b)
{
	struct letter *m = &b->m[b->n++];

	*m = (struct letter){ .uid = b->uidnext++ };
	return m;
}

static void
message_remove(struct shelf *b, uint32_t i)
{
	memmove(&b->m[i], &b->m[i + 1], (b->n - i - 1) * sizeof(*b->m));
	b->n--;
}

/* ---- commands on names ---- */

static void
do_select(struct sharing *w, unsigned user, struct shelf *b)
{
	struct person *u = &w->users[user];
	unsigned rights = rights_of(b, user);
	bool is_examine = rnd(w, 6) == 0;

	u->pic.is_selecting = true;
	if (u->box == NULL)
		picture_clear(&u->pic);
	say(w, user, "%s %s", is_examine ? "EXAMINE" : "SELECT", full_name(w, user, b));
	u->pic.is_selecting = false;
	u->box = NULL;
	if (!expect_allowed(w, user, b, RIGHT_R, "NONEXISTENT")) {
		picture_clear(&u->pic);
		return;
	}
	u->box = b;
	u->rights_at_select = rights;
	/* Here all shared mailboxes have a \Seen of each user's own. */
	u->access = is_examine ? ACCESS_NONE
	    : user == OWNER || (rights & (RIGHT_I | RIGHT_E | RIGHT_W | RIGHT_T | RIGHT_N)) != 0
	    ? ACCESS_FULL
	    : (rights & RIGHT_S) != 0 ? ACCESS_SEEN
				      : ACCESS_NONE;
	expect(w, user, "OK", u->access == ACCESS_FULL ? "READ-WRITE" : "READ-ONLY");
}

static void
do_append(struct sharing *w, unsigned user, struct shelf *b)
{
	uint16_t flags = random_flags(w);

	if (b->n == MESSAGES)
		return;
	say(w, user, "APPEND %s (%s) {14+}\r\nSubject: x\r\n\r\n", full_name(w, user, b),
	    flags_text(flags));
	if (expect_allowed(w, user, b, RIGHT_I, "TRYCREATE"))
		flags_put(message_add(b), user, flags & changeable(rights_of(b, user)));
}

static void
do_status(struct sharing *w, unsigned user, struct shelf *b)
{
	uint32_t unseen = 0;
	char want[80];

	say(w, user, "STATUS %s (MESSAGES UNSEEN)", full_name(w, user, b));
	if (!expect_allowed(w, user, b, RIGHT_R, "NONEXISTENT"))
		return;
	for (uint32_t i = 0; i < b->n; i++)
		unseen += !b->m[i].is_seen[user];
	snprintf(want, sizeof(want), "(MESSAGES %u UNSEEN %u)", b->n, unseen);
	if (strstr(w->users[user].text, want) == NULL)
		fail(w, "%s is told %s, want %s", user_names[user], w->users[user].text, want);
}

static void
do_myrights(struct sharing *w, unsigned user, struct shelf *b)
{
	const unsigned any = RIGHT_L | RIGHT_R | RIGHT_I | RIGHT_K | RIGHT_X | RIGHT_A;
	unsigned rights = rights_of(b, user);
	BUF_CLEAN struct buf want = BUF_MAX(100);

	say(w, user, "MYRIGHTS %s", full_name(w, user, b));
	expect(w, user, (rights & any) != 0 ? "OK" : "NO",
	    (rights & any) != 0 ? NULL : "NONEXISTENT");
	rights_format(rights, &want);
	buf_chr(&want, '\n');
	buf_chr(&want, '\0');
	if ((rights & any) != 0 && strstr(w->users[user].text, want.p) == NULL)
		fail(w, "%s is told %s, want %s", user_names[user], w->users[user].text, want.p);
}

/* Others' mailboxes are listed to whom has `l`. */
static void
do_list(struct sharing *w, unsigned user)
{
	say(w, user, "LIST \"\" \"Other Users/joe/%%\"");
	expect(w, user, "OK", NULL);
	for (uint32_t i = 0; i < BOXES; i++) {
		char name[40];
		bool is_told,
		    is_listed = user != OWNER && (w->boxes[i].rights[user] & RIGHT_L) != 0;

		snprintf(name, sizeof(name), "Other Users/joe/%s\"", box_names[i]);
		is_told = strstr(w->users[user].text, name) != NULL;
		if (is_told != is_listed)
			fail(w, "%s is listed %s: %d", user_names[user], name, is_told);
	}
}

static void
do_setacl(struct sharing *w, unsigned user, struct shelf *b)
{
	unsigned of = 1 + (unsigned)rnd(w, USERS - 1), how = (unsigned)rnd(w, 5), some;
	BUF_CLEAN struct buf text = BUF_MAX(100);

	/* Most may look and read. */
	some = (unsigned)rnd(w, RIGHTS_ALL + 1);
	if (how < 3 && rnd(w, 3) != 0)
		some |= RIGHT_L | RIGHT_R;
	if (how == 0)
		some = 0;
	rights_format(some, &text);
	/* c and d, which come last, name some of the others (RFC 4314 2.1.1). */
	while (text.n > 0 && (text.p[text.n - 1] == 'c' || text.p[text.n - 1] == 'd'))
		text.n--;
	say(w, user, "SETACL %s %s \"%s%.*s\"", full_name(w, user, b), user_names[of],
	    how == 3       ? "+"
		: how == 4 ? "-"
			   : "",
	    STR_F(buf_str(&text)));
	if (!expect_allowed(w, user, b, RIGHT_A, "NONEXISTENT"))
		return;
	if (how == 3)
		b->rights[of] |= some;
	else if (how == 4)
		b->rights[of] &= ~some;
	else
		b->rights[of] = some;
}

/* ---- commands on messages ---- */

/* True: nothing may be changed by whom the mailbox is shown so. */
static bool
is_read_only(const struct person *u)
{
	return u->access == ACCESS_NONE;
}

static void
do_store(struct sharing *w, unsigned user)
{
	static const char *const how_text[] = { "", "+", "-" };
	struct person *u = &w->users[user];
	unsigned how = (unsigned)rnd(w, 3), may = changeable(rights_of(u->box, user));
	uint16_t flags = random_flags(w);
	uint32_t at = (uint32_t)rnd(w, u->box->n);
	struct letter *m = &u->box->m[at];
	uint16_t before = flags_of(m, user), after;

	say(w, user, "STORE %u %sFLAGS (%s)", at + 1, how_text[how], flags_text(flags));
	if (is_read_only(u) || (flags & may) == 0) {
		expect(w, user, "NO", is_read_only(u) ? NULL : "NOPERM");
		return;
	}
	expect(w, user, "OK", NULL);
	after = how == 0 ? flags : how == 1 ? before | flags : before & (uint16_t)~flags;
	flags_put(m, user, (uint16_t)((after & may) | (before & ~may)));
}

static void
do_fetch_body(struct sharing *w, unsigned user)
{
	struct person *u = &w->users[user];
	uint32_t at = (uint32_t)rnd(w, u->box->n);

	say(w, user, "FETCH %u (BODY[])", at + 1);
	expect(w, user, "OK", NULL);
	if (!is_read_only(u) && (rights_of(u->box, user) & RIGHT_S) != 0)
		u->box->m[at].is_seen[user] = true;
}

static void
do_expunge(struct sharing *w, unsigned user)
{
	struct person *u = &w->users[user];
	struct shelf *b = u->box;

	say(w, user, "EXPUNGE");
	if (u->access != ACCESS_FULL || (rights_of(b, user) & RIGHT_E) == 0) {
		expect(w, user, "NO", NULL);
		return;
	}
	expect(w, user, "OK", NULL);
	for (uint32_t i = b->n; i-- > 0;) {
		if ((b->m[i].flags & FLAG_DELETED) != 0)
			message_remove(b, i);
	}
}

/*
 * What others have read stays read by them when a message moves, and is news to them when it is
 * copied.
 */
static void
do_copy(struct sharing *w, unsigned user, struct shelf *to, bool moves)
{
	struct person *u = &w->users[user];
	struct shelf *b = u->box;
	uint32_t at = (uint32_t)rnd(w, b->n);
	struct letter from = b->m[at], *m;
	unsigned rights = rights_of(b, user);

	if (to->n == MESSAGES)
		return;
	say(w, user, "%s %u %s", moves ? "MOVE" : "COPY", at + 1, full_name(w, user, to));
	if (moves
	    && (u->access != ACCESS_FULL
		|| (rights & (RIGHT_T | RIGHT_E)) != (RIGHT_T | RIGHT_E))) {
		expect(w, user, "NO", NULL);
		return;
	}
	if (!expect_allowed(w, user, to, RIGHT_I, "TRYCREATE"))
		return;
	m = message_add(to);
	flags_put(m, user, flags_of(&from, user) & changeable(rights_of(to, user)));
	for (unsigned i = 0; moves && i < USERS; i++) {
		if (i != user)
			m->is_seen[i] = from.is_seen[i];
	}
	if (moves)
		message_remove(b, at);
}

static void
do_leave(struct sharing *w, unsigned user)
{
	struct person *u = &w->users[user];

	say(w, user, "UNSELECT");
	expect(w, user, "OK", NULL);
	picture_clear(&u->pic);
	u->box = NULL;
}

/* ---- NOTIFY ---- */

static void
hear(struct sharing *w, unsigned user)
{
	struct listener *l = &w->users[user].listener;
	struct told t;

	while (picture_next(&l->pic, &t)) {
		if (w->is_verbose)
			printf("# %s's listener S %.*s\n", user_names[user],
			    (int)MIN(t.line.n, 200), t.line.p);
		if (t.kind == TOLD_TAGGED && !str_eq(t.condition, STR("OK")))
			fail(w, "%s may not listen", user_names[user]);
		if (t.kind != TOLD_TAGGED)
			listener_take(l, &t);
	}
	if (l->pic.conn.is_eof)
		fail(w, "%s's listener is thrown out", user_names[user]);
}

static void
heard_now(const struct sharing *w, unsigned user, struct heard *now)
{
	for (unsigned i = 0; i < BOXES; i++) {
		const struct shelf *b = &w->boxes[i];
		unsigned rights = rights_of(b, user);

		now[i] = (struct heard){ .access = (rights & RIGHT_L) == 0 ? HEARD_NONE
			    : (rights & RIGHT_R) == 0                      ? HEARD_LISTED
									   : HEARD_READ };
		if (now[i].access != HEARD_READ)
			continue;
		now[i].messages = b->n;
		now[i].uidnext = b->uidnext;
		for (uint32_t j = 0; j < b->n; j++)
			now[i].unseen += !b->m[j].is_seen[user];
	}
}

/* Asks for news of all, or of some by name. */
static void
do_listen(struct sharing *w, unsigned user)
{
	static const char *const all[] = { "subtree \"Other Users\"",
		"subtree \"Other Users/joe\"" };
	bool wants_names = rnd(w, 2) == 0, wants_status = rnd(w, 2) == 0, is_all = rnd(w, 2) == 0;
	struct listener *l = &w->users[user].listener;
	bool is_asked[BOXES] = { true, true, true };
	BUF_CLEAN struct buf text = BUF_MAX(400);
	struct heard now[BOXES];

	if (!is_all)
		is_asked[rnd(w, BOXES)] = false;
	buf_printf(&text, "NOTIFY SET %s(", wants_status ? "STATUS " : "");
	if (is_all) {
		buf_printf(&text, "%s", user == OWNER ? "personal" : all[rnd(w, ARRAY_LEN(all))]);
	} else {
		const char *before = "mailboxes (";

		for (unsigned i = 0; i < BOXES; i++) {
			if (!is_asked[i])
				continue;
			buf_printf(&text, "%s%s", before, full_name(w, user, &w->boxes[i]));
			before = " ";
		}
		buf_chr(&text, ')');
	}
	buf_printf(&text, " (MessageNew MessageExpunge FlagChange%s))",
	    wants_names ? " MailboxName" : "");
	heard_now(w, user, now);
	listener_begin(l, is_asked, wants_names, wants_status, now);
	if (w->is_verbose)
		printf("# %s's listener C %.*s\n", user_names[user], STR_F(buf_str(&text)));
	picture_send(&l->pic, true, buf_str(&text));
	sim_settle(&w->sim);
	w->commands++;
}

static void
listener_open(struct sharing *w, unsigned user)
{
	struct listener *l = &w->users[user].listener;
	BUF_CLEAN struct buf text = BUF_MAX(100);
	struct told t;

	l->names = box_names;
	l->prefix = user == OWNER ? "" : "Other Users/joe/";
	sim_connect(&w->sim, &l->pic.conn);
	buf_printf(&text, "LOGIN %s secret", user_names[user]);
	picture_send(&l->pic, true, buf_str(&text));
	sim_settle(&w->sim);
	while (picture_next(&l->pic, &t))
		continue;
	do_listen(w, user);
}

static void
check_heard(struct sharing *w, unsigned user)
{
	struct listener *l = &w->users[user].listener;
	struct heard now[BOXES];

	sim_settle(&w->sim);
	hear(w, user);
	heard_now(w, user, now);
	listener_check(l, now);
	if (l->pic.tag != l->pic.tag_done)
		fail(w, "%s's listener is not answered", user_names[user]);
	if (l->pic.wrong[0] != '\0')
		fail(w, "%s's listener: %s", user_names[user], l->pic.wrong);
	if (l->wrong[0] != '\0')
		fail(w, "%s's listener: %s", user_names[user], l->wrong);
	w->told += l->told;
	l->told = 0;
}

/* ---- everybody's picture ---- */

static void
compare(struct sharing *w, unsigned user)
{
	struct person *u = &w->users[user];
	const struct shelf *b = u->box;

	if (u->pic.n != b->n)
		fail(w, "%s believes in %u messages of %s, there are %u", user_names[user],
		    u->pic.n, box_names[b - w->boxes], b->n);
	for (uint32_t i = 0; i < b->n; i++) {
		const struct seen *s = &u->pic.m[i];
		uint16_t want = flags_of(&b->m[i], user);

		if (s->uid != 0 && s->uid != b->m[i].uid)
			fail(w, "%s takes message %u for UID %u, it is %u", user_names[user], i + 1,
			    s->uid, b->m[i].uid);
		if (s->has_flags && s->flags != want)
			fail(w, "%s believes UID %u has flags %x, want %x", user_names[user],
			    b->m[i].uid, s->flags, want);
	}
}

/*
 * What was told must be true, and what is asked for anew too. A mailbox that one may not read any
 * more has no messages.
 */
static void
look(struct sharing *w, unsigned user)
{
	struct person *u = &w->users[user];
	unsigned rights;

	if (u->box == NULL)
		return;
	rights = rights_of(u->box, user);
	if (u->pic.is_immediate) {
		take(w, user);
		if ((rights & RIGHT_R) != 0)
			compare(w, user);
		else if (u->pic.n != 0)
			fail(w, "%s is not told what may not be read", user_names[user]);
	}
	say(w, user, "NOOP");
	if ((rights & RIGHT_R) == 0) {
		if (u->pic.n != 0)
			fail(w, "%s goes on seeing what may not be read", user_names[user]);
		do_leave(w, user);
		return;
	}
	compare(w, user);
	if (u->box->n > 0) {
		say(w, user, "FETCH 1:* (UID FLAGS)");
		expect(w, user, "OK", NULL);
		compare(w, user);
	}
	/* SELECT alone says anew whether all is read only. */
	if (u->access != ACCESS_NONE && rights != u->rights_at_select
	    && (u->access == ACCESS_SEEN || rnd(w, 2) == 0))
		do_leave(w, user);
}

/* ---- a history ---- */

static void
step(struct sharing *w)
{
	unsigned user = (unsigned)rnd(w, USERS);
	struct person *u = &w->users[user];
	struct shelf *b = &w->boxes[rnd(w, BOXES)];
	uint64_t what = rnd(w, 100);

	if (what < 12)
		do_setacl(w, rnd(w, 3) != 0 ? OWNER : user, b);
	else if (what < 30)
		do_append(w, user, b);
	else if (what < 35)
		do_status(w, user, b);
	else if (what < 38)
		do_myrights(w, user, b);
	else if (what < 41)
		do_list(w, user);
	else if (u->box == NULL || what < 48)
		do_select(w, user, b);
	else if (u->box->n == 0 || what < 52)
		do_expunge(w, user);
	else if (what < 74)
		do_store(w, user);
	else if (what < 82)
		do_fetch_body(w, user);
	else
		do_copy(w, user, b, what >= 92);
	if (w->sim.is_stuck)
		fail(w, "somebody is not answered");
	for (unsigned i = 0; i < USERS; i++)
		check_heard(w, i);
	for (unsigned i = 0; i < USERS; i++)
		look(w, i);
	if (rnd(w, 30) == 0) {
		user = (unsigned)rnd(w, USERS);
		do_listen(w, user);
		check_heard(w, user);
	}
}

static void
play(struct sharing *w, uint64_t seed, bool is_verbose)
{
	struct kv *kv = sim_memory(seed);

	*w = (struct sharing){ .seed = seed,
		.commands = w->commands,
		.refused = w->refused,
		.told = w->told,
		.is_verbose = is_verbose };
	sim_open(&w->sim, kv, true, seed);
	for (unsigned i = 0; i < USERS; i++) {
		sim_connect(&w->sim, &w->users[i].pic.conn);
		sim_settle(&w->sim);
		take(w, i);
		say(w, i, "LOGIN %s secret", user_names[i]);
		expect(w, i, "OK", NULL);
	}
	for (uint32_t i = 0; i < BOXES; i++) {
		w->boxes[i].uidnext = 1;
		say(w, OWNER, "CREATE %s", box_names[i]);
		expect(w, OWNER, "OK", NULL);
		/* The first list of all makes \Seen each user's own. */
		say(w, OWNER, "SETACL %s ann lr", box_names[i]);
		expect(w, OWNER, "OK", NULL);
		w->boxes[i].rights[1] = RIGHT_L | RIGHT_R;
	}
	for (unsigned i = 0; i < USERS; i++) {
		listener_open(w, i);
		check_heard(w, i);
		if (seed % 2 != 0)
			continue;
		say(w, i, "NOTIFY SET (selected (MessageNew MessageExpunge FlagChange))");
		expect(w, i, "OK", NULL);
		w->users[i].pic.is_immediate = true;
	}
	for (unsigned i = 0; i < STEPS; i++)
		step(w);
	sim_close(&w->sim);
	kv_close(kv);
}

int
main(int argc, char **argv)
{
	uint64_t wanted = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000, histories = 0;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : FIRST_SEED;

	printf("1..1\n");
	for (; world.commands < wanted; histories++)
		play(&world, seed++, argc > 2);
	printf("# %llu commands of %d users in %llu histories, %llu refused, %llu lines of news\n",
	    (unsigned long long)world.commands, USERS, (unsigned long long)histories,
	    (unsigned long long)world.refused, (unsigned long long)world.told);
	printf("ok 1 - sharing model\n");
	return 0;
}
