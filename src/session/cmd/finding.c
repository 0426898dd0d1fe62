/* finding.c - see finding.h. */
#include "session/cmd/finding.h"

#include "session/cmd/message_limit.h"
#include "session/cmd/message_set.h"
#include "session/context.h"
#include "session/core.h"
#include "session/metadata.h"
#include "session/server.h"

/* Those that clients use, of all that the converter knows (mime/charset.h). */
#define BADCHARSET_LIST                                                                                                           \
	"UTF-8 US-ASCII ISO-8859-1 ISO-8859-2 ISO-8859-5 ISO-8859-7 ISO-8859-8 ISO-8859-9 ISO-8859-15 windows-1250 windows-1251 " \
	"windows-1252 windows-1255 windows-1256 KOI8-R KOI8-U ISO-2022-JP EUC-JP Shift_JIS GB18030 GB2312 Big5 EUC-KR UTF-16 UTF-7"

struct filter_search {
	struct session *s;
	struct arena *arena;
};

/* The user's own goes before that of all (RFC 5466 3.1). */
static bool
find_filter(void *ctx, struct str name, struct str *value_out)
{
	const struct filter_search *f = ctx;

	return metadata_server_value(f->s, f->arena,
		   arena_printf(f->arena, "/private/filters/values/%.*s", STR_F(name)), value_out)
	    || metadata_server_value(f->s, f->arena,
		arena_printf(f->arena, "/shared/filters/values/%.*s", STR_F(name)), value_out);
}

void
finding_know_filters(struct session *s, struct command *c, struct imap_scan *in)
{
	struct imap_filters *filters = arena_new(c->arena, struct imap_filters);
	struct filter_search *f = arena_new(c->arena, struct filter_search);

	*f = (struct filter_search){ s, c->arena };
	*filters = (struct imap_filters){ find_filter, f };
	in->filters = filters;
}

void
finding_forget_saved(struct session *s, const struct imap_search *args, enum err e)
{
	if ((args->returns & RETURN_SAVE) != 0 && err_reply(e) == ERR_REPLY_NO)
		rangeset_clear(&s->saved);
}

/* Whether some key looks for a part of a text. What is FUZZY does so in its own way (RFC 6203). */
static bool
needs_substrings(const struct imap_search_key *key)
{
	for (; key != NULL; key = key->next) {
		bool has_text = key->kind == SEARCH_HEADER || key->kind == SEARCH_BODY
		    || key->kind == SEARCH_TEXT || key->kind == SEARCH_ANNOTATION;

		if ((has_text && key->text.n > 0 && !key->is_fuzzy)
		    || needs_substrings(key->children))
			return true;
	}
	return false;
}

enum err
finding_parsed(struct session *s, struct command *c, struct imap_scan *in, struct imap_search *args,
    enum err e)
{
	args->collation = s->collation;
	if (e == ERR_BADCHARSET)
		c->code = STR("BADCHARSET (" BADCHARSET_LIST ")");
	if (e == ERR_NOFILTER)
		c->code = arena_printf(c->arena, "UNDEFINED-FILTER %.*s", STR_F(in->error_name));
	if (e != ERR_OK) {
		finding_forget_saved(s, args, e);
		return e;
	}
	if ((args->returns & RETURN_UPDATE) != 0 && s->view == NULL) {
		imap_scan_fail(in, ERR_SYNTAX, "a selected mailbox to keep up to date");
		return ERR_SYNTAX;
	}
	if ((args->returns & RETURN_UPDATE) != 0 && contexts_have(s, c->tag)) {
		c->text = STR("This tag is in use: its search is being updated.");
		return ERR_SYNTAX;
	}
	/* i;ascii-numeric compares whole values only (RFC 4790 9.1.1, RFC 5255 4.4). */
	if (s->collation == COLLATION_ASCII_NUMERIC && needs_substrings(args->root)) {
		c->text = STR("The comparator in use does not find parts of texts.");
		return ERR_SYNTAX;
	}
	/* All strings are UTF-8 then (RFC 6855 3). SORT and THREAD can't do without a charset. */
	if (args->has_charset && !args->is_charset_needed && (s->enabled & ENABLED_UTF8) != 0) {
		imap_scan_fail(in, ERR_SYNTAX, "no CHARSET after ENABLE UTF8=ACCEPT");
		return ERR_SYNTAX;
	}
	return args->has_seqs && (s->enabled & ENABLED_UIDONLY) != 0 ? ERR_UIDREQUIRED : ERR_OK;
}

bool
finding_should_yield(void *ctx)
{
	struct session *s = ctx;

	if (!session_should_yield(s))
		return false;
	session_wake(s);
	return true;
}

/* What counts are the messages that are searched, not those that are found (RFC 9738 3.1). */
static enum err
keep_limit(struct session *s, struct command *c, struct finding *f, struct search *search)
{
	const struct range every = { 1, UINT32_MAX };
	const struct rangeset all = { .r = (struct range *)&every, .n = 1 };
	const struct rangeset *uids = search_uids(search);
	RANGESET_CLEAN struct rangeset highest = RANGESET_NONE;

	if (session_message_limit(s) == 0 || f->when_limited == FINDING_UNLIMITED
	    || (f->when_limited == FINDING_REFUSES_TO_READ && !search_reads_messages(search)))
		return ERR_OK;
	f->named = message_limit_count(f->view, uids != NULL ? uids : &all);
	if (!message_limit_is_over(f->view, uids != NULL ? uids : &all, f->limit, &f->lowest))
		return ERR_OK;
	if (f->when_limited != FINDING_HIGHEST)
		return message_limit_refuse(c, f->limit, (struct uid){ 0 });
	f->is_cut = true;
	if (f->lowest.v != 0)
		rangeset_add(&highest, f->lowest.v, UINT32_MAX);
	search_among(search, &highest);
	return ERR_OK;
}

static enum err
begin(struct session *s, struct command *c, struct finding *f)
{
	const struct rangeset none = RANGESET_NONE;
	struct clock *clock = loop_clock(s->core->loop);
	struct scan_options o = { .pool = server_options(s->server)->pool,
		.prompt_pool = server_options(s->server)->prompt_pool,
		.clock = clock,
		.view = f->view,
		.wants_seqs = f->wants_seqs,
		.wants_relevancy = f->args->has_fuzzy,
		.is_first_enough = f->is_first_enough };
	enum err e;

	/* Asking for a modseq switches CONDSTORE on (RFC 7162 3.1). */
	if (f->args->has_modseq)
		session_enable_condstore(s);
	e = search_new(f->arena, f->args, f->view, f->is_elsewhere ? &none : &s->saved,
	    clock->wall_ms(clock) / 1000, &o.search);
	if (e == ERR_OK)
		e = keep_limit(s, c, f, o.search);
	if (e != ERR_OK) {
		search_free(o.search);
		return e;
	}
	if (f->among != NULL)
		search_among(o.search, f->among);
	f->scan = scan_new(&o);
	f->at = 1;
	f->step = FINDING_SEARCH;
	return ERR_OK;
}

static enum err
search(struct session *s, struct finding *f)
{
	enum err e = scan_run(f->scan, session_waiter(s));

	if (e == ERR_BUSY)
		return session_yield(s);
	if (e != ERR_OK)
		return e;
	f->step = f->take != NULL ? FINDING_TAKE : FINDING_OVER;
	if (f->expect != NULL)
		f->expect(f->take_ctx, rangeset_count(&scan_found(f->scan)->uids));
	return ERR_OK;
}

static enum err
take(struct session *s, struct finding *f)
{
	const struct scan_found *found = scan_found(f->scan);
	struct entry e;
	struct seqnum seq;

	for (unsigned n = 1; f->at != 0 && message_set_next(f->view, &found->uids, f->at, &e, &seq);
	     n++) {
		f->take(f->take_ctx, &e, seq,
		    found->relevancy != NULL ? found->relevancy[f->at_index] : 0);
		f->at_index++;
		f->at = e.uid.v + 1;
		if (n % 256 == 0 && session_should_yield(s))
			return session_yield(s);
	}
	f->step = FINDING_OVER;
	return ERR_OK;
}

enum err
finding_run(struct session *s, struct command *c, struct finding *f,
    const struct scan_found **found_out)
{
	enum err e = ERR_OK;

	if (f->step == FINDING_BEGIN)
		e = begin(s, c, f);
	if (e == ERR_OK && f->step == FINDING_SEARCH)
		e = search(s, f);
	if (e == ERR_OK && f->step == FINDING_TAKE)
		e = take(s, f);
	if (e == ERR_OK)
		*found_out = scan_found(f->scan);
	return e;
}

void
finding_progress(const struct finding *f, uint64_t *done_out, uint64_t *goal_out)
{
	if (f->step != FINDING_SEARCH)
		return;
	*done_out = scan_looked_at(f->scan);
	*goal_out = view_exists(f->view);
}

void
finding_done(struct session *s, struct finding *f)
{
	struct scan *scan = f->scan;

	/* A search must not wait when it goes. The pool may take the arena, and f with it. */
	f->scan = NULL;
	waiter_cancel(session_waiter(s));
	scan_free(scan, f->arena);
}
