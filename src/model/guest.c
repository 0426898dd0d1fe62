/* guest.c - see guest.h. */
#include "model/guest.h"

#include "imap/flags.h"
#include "model/grammar.h"
#include "store/mailbox.h"
#include "store/view.h"

#include <stdarg.h>
#include <sys/socket.h>

enum { TEXT_MAX = 1 << 20 };

static void wrong(struct guest *g, const char *fmt, ...) printf_like(2, 3);

static void
wrong(struct guest *g, const char *fmt, ...)
{
	va_list ap;

	if (g->wrong[0] != '\0')
		return;
	va_start(ap, fmt);
	vsnprintf(g->wrong, sizeof(g->wrong), fmt, ap);
	va_end(ap);
}

static void
say(struct guest *g, char side, struct str line)
{
	if (g->is_verbose)
		printf("# %c %c %.*s\n", g->name, side, STR_F(line));
}

static bool
holds(struct str text, const char *word)
{
	return text.n > 0 && memmem(text.p, text.n, word, strlen(word)) != NULL;
}

/* ---- connecting ---- */

static void
connect_operator(struct guest *g)
{
	struct sim *s = g->sim;
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
	g->pic.conn = (struct sim_conn){ .sim = s,
		.fd = fds[0],
		.in = BUF_MAX(64 << 20),
		.out = BUF_MAX(64 << 20) };
	list_add_tail(&s->conns, &g->pic.conn.in_sim);
	server_serve_preauth(s->server, s->loop, fds[1], g->user, account_ref(g->account));
}

static void
connect_guest(struct guest *g)
{
	BUF_CLEAN struct buf login = BUF_MAX(1024);

	memset(&g->pic, 0, sizeof(g->pic));
	g->pic.is_free = true;
	g->is_on = true;
	g->is_wild = g->kind == GUEST_STRANGER || g->kind == GUEST_MTA;
	g->is_opaque = g->is_leaving = g->is_silent = false;
	switch (g->kind) {
	case GUEST_MTA:
		sim_connect_lmtp(g->sim, &g->pic.conn);
		break;
	case GUEST_OPERATOR:
		connect_operator(g);
		break;
	case GUEST_USER:
	case GUEST_STRANGER:
		sim_connect(g->sim, &g->pic.conn);
		break;
	}
	if (g->kind == GUEST_USER) {
		buf_printf(&login, "LOGIN %.*s secret", STR_F(g->user));
		picture_send(&g->pic, true, buf_str(&login));
	}
	if (g->kind == GUEST_MTA)
		sim_send(&g->pic.conn, STR("LHLO mta.example\r\n"));
	sim_settle(g->sim);
	guest_take(g);
}

void
guest_hang_up(struct guest *g)
{
	if (!g->is_on)
		return;
	sim_disconnect(&g->pic.conn);
	g->is_on = false;
	sim_settle(g->sim);
}

/* ---- what comes ---- */

/* What a tame client learns besides its picture. */
static void
learn(struct guest *g, const struct told *t)
{
	struct picture *p = &g->pic;
	bool is_ok = t->kind == TOLD_TAGGED && str_eq(t->condition, STR("OK"));

	if (t->kind == TOLD_OTHER && str_starts(t->line, STR("* ENABLED "))) {
		p->is_qresync |= memmem(t->line.p, t->line.n, "QRESYNC", 7) != NULL;
		p->is_utf8 |= memmem(t->line.p, t->line.n, "UTF8", 4) != NULL
		    || memmem(t->line.p, t->line.n, "REV2", 4) != NULL
		    || memmem(t->line.p, t->line.n, "rev2", 4) != NULL;
	}
	if (t->kind != TOLD_TAGGED)
		return;
	/* Also what was told before the command was done is not so any more. */
	if (g->is_silent)
		picture_forget_flags(p);
	if (p->tag_done == p->tag)
		g->is_silent = false;
	if (p->is_selecting) {
		/*
		 * A SELECT that is refused leaves nothing selected; one that is no command changes
		 * nothing.
		 */
		p->is_selecting = false;
		if (str_eq(t->condition, STR("NO")))
			picture_clear(p);
		else if (!is_ok)
			p->is_selected = g->was_selected;
	} else if (g->is_leaving && is_ok) {
		picture_clear(p);
	}
	g->is_leaving = false;
}

static void
check_lmtp(struct guest *g, struct str line)
{
	bool is_reply = line.n >= 4 && chr_is_digit(line.p[0]) && chr_is_digit(line.p[1])
	    && chr_is_digit(line.p[2]) && (line.p[3] == ' ' || line.p[3] == '-');

	if (!is_reply || !str_is_ascii(line) || memchr(line.p, '\0', line.n) != NULL)
		wrong(g, "no LMTP reply: \"%.*s\"", STR_F(str_sub(line, 0, 400)));
}

/* In whatever language: what is behind the tag and OK is no code, and names what begins. */
static bool
begins_deflate(struct str line)
{
	return line.n > 0 && line.p[0] != '*' && holds(line, " OK ") && !holds(line, " OK [")
	    && holds(line, "DEFLATE");
}

static void
take_wild(struct guest *g, struct str line)
{
	const char *why = line.p[line.n] == '\r' ? NULL : "a line end that is none";

	say(g, 'S', line);
	if (why == NULL && g->kind == GUEST_MTA)
		check_lmtp(g, line);
	else if (why == NULL)
		why = grammar_check(line, true);
	if (why != NULL)
		wrong(g, "%s: \"%.*s\"", why, STR_F(str_sub(line, 0, 400)));
	g->is_opaque = begins_deflate(line);
	sim_consume(&g->pic.conn, line);
}

void
guest_take(struct guest *g)
{
	struct sim_conn *c = &g->pic.conn;
	struct str line;
	struct told t;

	if (!g->is_on)
		return;
	if (c->in.n > 0 && memmem(c->in.p, c->in.n, g->secret.p, g->secret.n) != NULL)
		wrong(g, "it is told what is another's");
	while (!g->is_opaque && (line = sim_line(c)).p != NULL && g->wrong[0] == '\0') {
		if (g->is_wild) {
			take_wild(g, line);
			continue;
		}
		picture_next(&g->pic, &t);
		say(g, 'S', t.line);
		if (g->pic.is_outgrown)
			g->is_wild = true;
		else if (g->pic.wrong[0] != '\0')
			wrong(g, "%s", g->pic.wrong);
		else
			learn(g, &t);
	}
	if (g->is_opaque)
		buf_clear(&c->in);
	else if (c->in.n > 0 && !c->is_eof && g->wrong[0] == '\0')
		wrong(g, "half a response: \"%.*s\"", (int)MIN(c->in.n, (size_t)300), c->in.p);
	if (c->is_eof)
		guest_hang_up(g);
}

/* ---- what is said ---- */

/* "|" becomes a line end. */
static void
add_lines(struct buf *b, struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '|')
			buf_lit(b, "\r\n");
		else
			buf_chr(b, text.p[i]);
	}
}

/* "{{text}}" becomes a literal. False: what is left is not one line. */
static bool
compose(struct str text, struct buf *b)
{
	while (text.n > 0) {
		const char *open = memmem(text.p, text.n, "{{", 2), *close = NULL;
		BUF_CLEAN struct buf literal = BUF_MAX(TEXT_MAX);
		size_t at = open != NULL ? (size_t)(open - text.p) : text.n;

		if (open != NULL)
			close = memmem(open, text.n - at, "}}", 2);
		if (close == NULL)
			at = text.n;
		for (size_t i = 0; i < at; i++) {
			if (text.p[i] == '\r' || text.p[i] == '\n' || text.p[i] == '\0')
				return false;
		}
		buf_add(b, text.p, at);
		if (close == NULL)
			return text.p[text.n - 1] != '}';
		add_lines(&literal, str_make(open + 2, (size_t)(close - open) - 2));
		buf_printf(b, "{%zu+}\r\n", literal.n);
		buf_str_add(b, buf_str(&literal));
		text = str_sub(text, (size_t)(close - text.p) + 2, text.n);
	}
	return true;
}

/* What is known of a command: by its name, since what follows may be anything. */
static bool
is_named(struct str name, const char *const *names)
{
	while (*names != NULL && !str_eq_nocase(name, str_c(*names)))
		names++;
	return *names != NULL;
}

static bool
is_awaited(const struct guest *g)
{
	return g->pic.tag != g->pic.tag_done;
}

static void
settle(struct guest *g)
{
	sim_settle(g->sim);
	guest_take(g);
}

static void
send_command(struct guest *g, struct str text, bool *settles)
{
	static const char *const selecting[] = { "SELECT", "EXAMINE", NULL };
	static const char *const leaving[] = { "CLOSE", "UNSELECT", "LOGOUT", NULL };
	static const char *const by_number[] = { "FETCH", "STORE", "SEARCH", "SORT", "THREAD",
		NULL };
	/* These change what responses mean, or when they may come. */
	static const char *const taming_not[] = { "COMPRESS", "STARTTLS", "AUTHENTICATE", "NOTIFY",
		"LANGUAGE", "LOGIN", "UNAUTHENTICATE", NULL };
	struct str name = str_sub(text, 0, MIN(str_chr(text, ' '), text.n));
	struct picture *p = &g->pic;

	if (is_named(name, taming_not) || holds(text, "IDONLY") || holds(text, "idonly"))
		g->is_wild = true;
	*settles |= is_named(name, selecting) || is_named(name, leaving)
	    || str_eq_nocase(name, STR("ENABLE")) || str_eq_nocase(name, STR("IDLE"));
	/* What it does to the picture is only known when all before it is answered. */
	if (*settles && is_awaited(g)) {
		settle(g);
		g->is_wild |= is_awaited(g);
	}
	if (!g->is_on)
		return;
	if (is_named(name, selecting)) {
		g->was_selected = p->is_selected;
		p->is_selecting = true;
		if (!p->is_selected)
			picture_clear(p);
	} else if (is_named(name, leaving)) {
		g->is_leaving = true;
	}
	/* What a silent STORE does is not told. */
	g->is_silent |= holds(text, "SILENT") || holds(text, "ilent");
	picture_send(p, !is_named(name, by_number), text);
}

void
guest_command(struct guest *g, struct str text, bool settles)
{
	BUF_CLEAN struct buf b = BUF_MAX(TEXT_MAX);

	if (!g->is_on)
		connect_guest(g);
	if (!g->is_on)
		return;
	if (g->kind == GUEST_MTA) {
		guest_raw(g, text);
		if (g->is_on) /* it may have been QUIT| */
			sim_send(&g->pic.conn, STR("\r\n"));
		settle(g);
		return;
	}
	if (!settles && g->pic.tag - g->pic.tag_done >= PICTURE_COMMANDS - 1)
		settle(g);
	if (settles && is_awaited(g))
		settle(g);
	if (!g->is_on)
		return;
	if (is_awaited(g) && settles && g->pic.is_idling && str_eq_nocase(text, STR("DONE"))) {
		sim_send(&g->pic.conn, STR("DONE\r\n"));
		settle(g);
		return;
	}
	/*
	 * It is taken as something else than a command: the end of IDLE, the rest of one that is
	 * not answered.
	 */
	if (!compose(text, &b)
	    || (is_awaited(g)
		&& (settles || g->pic.is_idling
		    || g->pic.tag - g->pic.tag_done >= PICTURE_COMMANDS - 1)))
		g->is_wild = true;
	if (g->is_wild) {
		say(g, 'C', buf_str(&b));
		if (g->pic.tag - g->pic.tag_done < PICTURE_COMMANDS - 1) {
			picture_send(&g->pic, true, buf_str(&b));
			g->pic.tag_done = g->pic.tag;
		} else {
			sim_send(&g->pic.conn, buf_str(&b));
		}
	} else {
		say(g, 'C', buf_str(&b));
		send_command(g, buf_str(&b), &settles);
	}
	if (settles)
		settle(g);
}

void
guest_raw(struct guest *g, struct str text)
{
	BUF_CLEAN struct buf b = BUF_MAX(TEXT_MAX);

	if (!g->is_on)
		connect_guest(g);
	if (!g->is_on)
		return;
	g->is_wild = true;
	add_lines(&b, text);
	say(g, 'C', buf_str(&b));
	sim_send(&g->pic.conn, buf_str(&b));
	settle(g);
}

/* ---- what the store holds ---- */

static void
no_wake(unused_arg struct waiter *w)
{
}

static void
flags_of(const struct mailbox_info *info, const struct entry *e, uint16_t *flags, uint32_t *others)
{
	*flags = e->flags & FLAGS_STORABLE;
	*others = 0;
	for (uint32_t i = 0; i < info->keyword_count; i++) {
		unsigned k = 0;

		if (!keywords_has(e->keywords, i))
			continue;
		while (
		    k < SEEN_KEYWORDS && !str_eq_nocase(info->keywords[i], str_c(seen_keywords[k])))
			k++;
		if (k < SEEN_KEYWORDS)
			*flags |= (uint16_t)(1u << (SEEN_KEYWORD_SHIFT + k));
		else
			*others ^= told_keyword(info->keywords[i]);
	}
}

/* The picture, beside the messages of a mailbox. */
static void
compare(struct guest *g, const struct mailbox_info *info, struct view *v)
{
	uint32_t i = 0, others;
	uint16_t flags;
	struct entry e;

	for (uint32_t uid = 0; view_next(v, uid, &e, NULL); uid = e.uid.v + 1, i++) {
		const struct seen *m = &g->pic.m[i];

		if (i == g->pic.n)
			break;
		flags_of(info, &e, &flags, &others);
		if (m->uid != 0 && m->uid != e.uid.v)
			wrong(g, "message %u is UID %u, the client believes %u", i + 1, e.uid.v,
			    m->uid);
		else if (m->has_flags && (m->flags != flags || m->others != others))
			wrong(g, "UID %u has flags %x and %08x, the client believes %x and %08x",
			    e.uid.v, flags, others, m->flags, m->others);
		else if (m->modseq > e.modseq)
			wrong(g, "UID %u has modseq %llu, the client believes %llu", e.uid.v,
			    (unsigned long long)e.modseq, (unsigned long long)m->modseq);
	}
	/* Who gave up the right to read his own mailbox is shown none of it. */
	if (g->pic.n == 0 && info->acl.n > 0)
		return;
	if (i != g->pic.n || i != info->exists)
		wrong(g, "the mailbox says %u messages, the client believes %u, and %u agree",
		    info->exists, g->pic.n, i);
}

static void
check_picture(struct guest *g)
{
	struct snapshot *snapshot = account_snapshot(g->account, NULL);
	const struct mailbox_info *info = NULL;
	struct view *v = NULL;
	struct waiter w;
	enum err e;

	/* A UIDVALIDITY is of one mailbox of the account only. Others are another's, or gone. */
	for (uint32_t i = 0; (info = snapshot_mailbox_at(snapshot, i)) != NULL; i++) {
		if (info->uidvalidity == g->pic.validity && !info->is_noselect)
			break;
	}
	if (info != NULL) {
		waiter_init(&w, no_wake);
		while ((e = view_open(snapshot, info->id, VIEW_READ_ONLY, &w, &v)) == ERR_WAIT
		    && sim_wait(g->sim))
			continue;
		waiter_cancel(&w);
		if (e != ERR_OK)
			wrong(g, "a mailbox can't be opened");
		else
			compare(g, info, v);
		view_close(v);
	}
	snapshot_unref(snapshot);
}

void
guest_check(struct guest *g)
{
	settle(g);
	if (g->is_on && !g->is_wild && g->pic.is_idling) {
		sim_send(&g->pic.conn, STR("DONE\r\n"));
		settle(g);
	}
	if (!g->is_on || g->is_wild || g->wrong[0] != '\0')
		return;
	if (is_awaited(g)) {
		wrong(g, "t%u is not answered", g->pic.tag_done + 1);
		return;
	}
	picture_send(&g->pic, true, STR("NOOP"));
	settle(g);
	if (g->is_on && !g->is_wild && g->wrong[0] == '\0' && g->pic.is_selected
	    && !g->pic.is_outgrown)
		check_picture(g);
}

void
guest_done(struct guest *g)
{
	if (g->is_on)
		sim_disconnect(&g->pic.conn);
	g->is_on = false;
}
