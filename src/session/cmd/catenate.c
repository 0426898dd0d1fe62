/*
 * catenate.c - see catenate.h.
 *
 *     FIND ---> view, message ---> LOAD ---> record ---> LOCATE -- header fields --> GATHER (read header, pick) --> COPY
 *                                                               -- plain bytes ------------------------------> COPY
 */
#include "session/cmd/catenate.h"

#include "auth/name.h"
#include "mime/header.h"
#include "session/urlauth.h"

/* ---- which message ---- */

/*
 * An absolute URL is right when it is what a relative one stands for: this server, this user (RFC
 * 4469 3).
 */
static bool
is_ours(struct session *s, struct arena *a, const struct imap_url *url)
{
	struct str user;

	return urlauth_is_here(s, url) && url->user.n > 0
	    && name_normalise(a, url->user, &user) == ERR_OK && str_eq(user, s->user);
}

static void
close_view(struct catenate *x)
{
	view_close(x->view);
	x->view = NULL;
	x->name = STR_NONE;
}

static enum err
open_named(struct session *s, struct arena *a, struct catenate *x, struct str name)
{
	struct target t;
	enum err e;

	if (x->view != NULL && str_eq(x->name, name))
		return ERR_OK;
	close_view(x);
	e = target_open(s, a, name, &t);
	if (e != ERR_OK)
		return e;
	e = target_check(&t, RIGHT_R);
	if (e == ERR_OK)
		e = view_open_as(t.snapshot, t.mailbox->id, account_id(s->account), VIEW_READ_ONLY,
		    session_waiter(s), &x->view);
	else
		e = ERR_BADURL;
	target_close(&t);
	if (e == ERR_OK)
		x->name = name;
	return e == ERR_NOTFOUND || e == ERR_NOSELECT ? ERR_BADURL : e;
}

static enum err
open_mailbox(struct session *s, struct arena *a, struct catenate *x, const struct imap_url *url)
{
	if ((url->base == IMAP_URL_ABSOLUTE && !is_ours(s, a, url))
	    || url->auth.application.p != NULL)
		return ERR_BADURL;
	if (url->base != IMAP_URL_MAILBOX)
		return open_named(s, a, x, url->mailbox);
	close_view(x);
	if (s->view == NULL || view_is_gone(s->view) || (s->rights & RIGHT_R) == 0)
		return ERR_BADURL;
	x->view = view_ref(s->view);
	return ERR_OK;
}

static enum err
find(struct session *s, struct arena *a, struct catenate *x, const struct imap_url *url)
{
	struct entry entry;
	enum err e = open_mailbox(s, a, x, url);

	if (e != ERR_OK)
		return e;
	if (url->uidvalidity != 0 && url->uidvalidity != view_mailbox(x->view)->uidvalidity)
		return ERR_BADURL;
	if (!view_entry(x->view, (struct uid){ url->uid }, &entry) || entry.is_ghost)
		return ERR_BADURL;
	if (entry.msgno.v == 0)
		return ERR_CORRUPT;
	x->msgno = entry.msgno;
	x->src.account = view_account(x->view);
	x->step = CATENATE_LOAD;
	return ERR_OK;
}

/* ---- which bytes ---- */

/* What "/;PARTIAL=" leaves of them. */
static void
cut(struct catenate *x, const struct imap_section *sec)
{
	if (sec->has_partial) {
		x->at += MIN(sec->offset, x->end - x->at);
		x->end = x->at + MIN(sec->length, x->end - x->at);
	}
	x->bytes = x->end - x->at;
	x->step = CATENATE_COPY;
}

static enum err
locate(struct catenate *x, const struct imap_section *sec)
{
	enum mime_encoding encoding;
	enum err e = fetch_source_locate(&x->src, sec, &x->at, &x->end, &encoding);

	if (e != ERR_OK)
		return e == ERR_NOTFOUND ? ERR_BADURL : e;
	if (sec->kind == SECTION_HEADER_FIELDS || sec->kind == SECTION_HEADER_FIELDS_NOT) {
		x->end = MIN(x->end, x->at + FETCH_HEADER_MAX);
		x->buf = BUF_MAX(FETCH_HEADER_MAX);
		x->step = CATENATE_GATHER;
		return ERR_OK;
	}
	cut(x, sec);
	return ERR_OK;
}

static enum err
gather(struct session *s, struct catenate *x, const struct imap_section *sec)
{
	struct buf picked = BUF_MAX(SIZE_MAX / 2);

	while (x->at < x->end) {
		struct kv_bytes *bytes = NULL;
		struct str data;
		enum err e = fetch_source_read(s, &x->src, x->at, x->end, &bytes, &data);

		if (e != ERR_OK)
			return e;
		buf_str_add(&x->buf, data);
		x->at += data.n;
		if (bytes != NULL)
			kv_bytes_unref(bytes);
	}
	mime_header_pick(buf_str(&x->buf), sec->fields, sec->n_fields,
	    sec->kind == SECTION_HEADER_FIELDS_NOT, &picked);
	buf_done(&x->buf);
	x->buf = picked;
	x->is_picked = true;
	x->at = 0;
	x->end = picked.n;
	cut(x, sec);
	return ERR_OK;
}

/* ---- copying ---- */

static enum err
copy_piece(struct session *s, struct catenate *x, struct arrival *into)
{
	struct kv_bytes *bytes = NULL;
	struct str data = STR_NONE;
	size_t taken = 0;
	enum err e = ERR_OK;

	if (x->is_picked)
		data = str_sub(buf_str(&x->buf), (size_t)x->at, (size_t)x->end);
	else
		e = fetch_source_read(s, &x->src, x->at, x->end, &bytes, &data);
	if (e == ERR_OK)
		e = arrival_write(into, data, &taken, session_waiter(s));
	x->at += taken;
	if (bytes != NULL)
		kv_bytes_unref(bytes);
	return e;
}

static enum err
copy(struct session *s, struct catenate *x, struct arrival *into, uint64_t room)
{
	if (x->bytes > room)
		return ERR_TOOBIG;
	while (x->at < x->end) {
		enum err e;

		if (session_should_yield(s))
			return session_yield(s);
		e = copy_piece(s, x, into);
		if (e != ERR_OK)
			return e;
	}
	return ERR_END;
}

/* Ready for the next URL; the mailbox stays open. */
static void
end_message(struct catenate *x)
{
	fetch_source_done(&x->src);
	buf_done(&x->buf);
	*x = (struct catenate){ .view = x->view, .name = x->name };
}

static enum err
take_step(struct session *s, struct arena *a, struct catenate *x, const struct imap_url *url,
    struct arrival *into, uint64_t room)
{
	enum err e;

	switch (x->step) {
	case CATENATE_FIND:
		if (session_should_yield(s))
			return session_yield(s);
		return find(s, a, x, url);
	case CATENATE_LOAD:
		e = message_get(x->src.account, x->msgno, MESSAGE_SUMMARY, session_waiter(s),
		    &x->src.message);
		if (e == ERR_OK)
			x->step = CATENATE_LOCATE;
		return e;
	case CATENATE_LOCATE:
		return locate(x, &url->section);
	case CATENATE_GATHER:
		return gather(s, x, &url->section);
	case CATENATE_COPY:
		return copy(s, x, into, room);
	}
	return ERR_BUG;
}

enum err
catenate_copy(struct session *s, struct arena *a, struct catenate *x, const struct imap_url *url,
    struct arrival *into, uint64_t room, uint64_t *bytes_out)
{
	enum err e;

	do {
		e = take_step(s, a, x, url, into, room);
	} while (e == ERR_OK);
	if (e != ERR_END)
		return e;
	*bytes_out = x->bytes;
	end_message(x);
	return ERR_OK;
}

void
catenate_done(struct catenate *x)
{
	end_message(x);
	close_view(x);
}
