/*
 * fetch_answer.c - FETCH's answer about one message: what its mailbox knows of it, what its record
 * knows, and sections of its bytes, which may come piece by piece.
 */
#include "session/cmd/fetch_int.h"

#include "base/log.h"
#include "mime/bodystructure.h"
#include "session/cmd/annotate.h"

/* Without its record nothing of it was begun. */
void
fetch_message_close(struct fetch_message *m)
{
	if (m->src.message != NULL) {
		fetch_section_done(&m->section);
		fetch_source_done(&m->src);
	}
	m->is_open = m->is_head_written = false;
	m->at_section = 0;
}

static enum err
load_message(struct session *s, struct fetch_ctx *x)
{
	struct fetch_message *m = &x->m;

	if (!x->needs_message || m->src.message != NULL)
		return ERR_OK;
	m->src.account = view_account(s->view);
	if (x->ahead != NULL) {
		fetch_read_ahead(s, x);
		return message_ahead_get(x->ahead, m->entry.msgno, session_waiter(s),
		    &m->src.message, &m->src.blob);
	}
	return message_get(m->src.account, m->entry.msgno, x->need, session_waiter(s),
	    &m->src.message);
}

static void
item(struct session *s, struct fetch_message *m, const char *name)
{
	reply_item(session_out(s), &m->is_first);
	buf_c(session_out(s), name);
	buf_chr(session_out(s), ' ');
}

/* "EMAILID (M1)", or NIL. */
static void
write_id(struct session *s, struct fetch_message *m, const char *name, struct str id)
{
	item(s, m, name);
	if (id.n == 0) {
		buf_lit(session_out(s), "NIL");
		return;
	}
	buf_chr(session_out(s), '(');
	reply_atom(session_out(s), id);
	buf_chr(session_out(s), ')');
}

static void
write_flags(struct session *s, struct fetch_ctx *x)
{
	const struct mailbox_info *box = view_mailbox(s->view);
	const struct entry *e = &x->m.entry;
	unsigned system = e->flags;

	if (e->is_recent && (s->enabled & ENABLED_IMAP4REV2) == 0)
		system |= FLAG_RECENT;
	item(s, &x->m, "FLAGS");
	if (!keywords_is_empty(e->keywords)) {
		reply_flags(session_out(s), system, e->keywords, box->keywords, box->keyword_count);
		return;
	}
	buf_str_add(session_out(s), flags_text(&x->flags_text, system));
}

/* What the mailbox itself knows of the message. */
static void
write_entry_items(struct session *s, struct fetch_ctx *x, unsigned atts)
{
	struct fetch_message *m = &x->m;
	struct buf *b = session_out(s);

	if ((atts & FETCH_UID) != 0) {
		item(s, m, "UID");
		reply_number(b, m->entry.uid.v);
	}
	if ((atts & FETCH_FLAGS) != 0)
		write_flags(s, x);
	if ((atts & FETCH_MODSEQ) != 0) {
		item(s, m, "MODSEQ");
		buf_chr(b, '(');
		reply_number(b, m->entry.modseq);
		buf_chr(b, ')');
	}
	if ((atts & FETCH_INTERNALDATE) != 0) {
		item(s, m, "INTERNALDATE");
		reply_datetime(b,
		    (struct imap_datetime){ m->entry.internal_s, m->entry.internal_zone_min });
	}
	if ((atts & FETCH_SAVEDATE) != 0) {
		item(s, m, "SAVEDATE");
		reply_datetime(b, (struct imap_datetime){ m->entry.saved_s, 0 });
	}
	if ((atts & FETCH_RFC822_SIZE) != 0) {
		item(s, m, "RFC822.SIZE");
		reply_number(b, m->entry.size_bytes);
	}
}

/* What the message's record knows, ready to send. */
static enum err
write_record_items(struct session *s, struct fetch_message *m, unsigned atts)
{
	const struct message *message = m->src.message;
	struct buf *b = session_out(s);

	if ((atts & FETCH_EMAILID) != 0)
		write_id(s, m, "EMAILID", message->emailid);
	if ((atts & FETCH_THREADID) != 0)
		write_id(s, m, "THREADID", message->threadid);
	if ((atts & FETCH_PREVIEW) != 0) {
		item(s, m, "PREVIEW");
		/* Made at arrival, so LAZY asks for the same. */
		reply_string(b, message->preview, session_form(s));
	}
	if ((atts & FETCH_ENVELOPE) != 0) {
		item(s, m, "ENVELOPE");
		buf_str_add(b, message->envelope);
	}
	if ((atts & FETCH_BODYSTRUCTURE) != 0) {
		item(s, m, "BODYSTRUCTURE");
		buf_str_add(b, message->bodystructure);
	}
	if ((atts & FETCH_BODY) != 0) {
		BUF_CLEAN struct buf body = BUF_MAX(SIZE_MAX / 2);
		enum err e = mime_body_from_bodystructure(message->bodystructure, &body);

		if (e != ERR_OK)
			return e;
		item(s, m, "BODY");
		buf_str_add(b, buf_str(&body));
	}
	return ERR_OK;
}

static void
note_result(struct session *s, struct fetch_ctx *x, enum err e)
{
	if (e == ERR_CORRUPT || e == ERR_IO)
		log_event(LOG_ERROR, "message-damaged",
		    F_STR("user", account_user(view_account(s->view))),
		    F_STR("mailbox", view_mailbox(s->view)->name),
		    F_U64("mailbox_id", view_mailbox(s->view)->id.v),
		    F_U64("uid", x->m.entry.uid.v), F_U64("message", x->m.entry.msgno.v), F_ERR(e));
	if (x->result == ERR_OK)
		x->result = x->m.entry.is_ghost && e != ERR_UNKNOWN_CTE ? ERR_EXPUNGED : e;
}

static void
write_head(struct session *s, struct fetch_ctx *x)
{
	struct fetch_message *m = &x->m;
	unsigned atts = x->args.atts;
	enum err e = ERR_OK;

	if (rangeset_contains(&x->seen, m->entry.uid.v)) {
		atts |= FETCH_FLAGS;
		/*
		 * RFC 7162 3.2.4, RFC 9051 7.5.2: what a client did not ask for names its message
		 * by UID.
		 */
		if ((s->enabled & ENABLED_CONDSTORE) != 0)
			atts |= FETCH_UID | FETCH_MODSEQ;
		else if ((s->enabled & ENABLED_IMAP4REV2) != 0)
			atts |= FETCH_UID;
	}
	session_begin_fetch(s, m->seq, m->entry.uid);
	m->is_first = true;
	m->is_head_written = true;
	write_entry_items(s, x, atts);
	if (m->src.message != NULL)
		e = write_record_items(s, m, atts);
	if (e == ERR_OK)
		e = annotate_reply(s, x->annotations, m->entry.uid, m->src.message, &m->is_first);
	if (e != ERR_OK)
		note_result(s, x, e);
}

enum err
fetch_answer(struct session *s, struct fetch_ctx *x)
{
	struct fetch_message *m = &x->m;
	enum err e = m->entry.msgno.v == 0 ? ERR_CORRUPT : load_message(s, x);

	if (e == ERR_WAIT)
		return e;
	/* its page is lost: nothing of it is known but that it is there */
	if (m->entry.msgno.v == 0) {
		note_result(s, x, e);
		return ERR_OK;
	}
	if (e != ERR_OK) {
		note_result(s, x, e);
		if ((x->args.atts & ~(unsigned)SUMMARY_ATTS) == 0
		    && !rangeset_contains(&x->seen, m->entry.uid.v))
			return ERR_OK;
		m->at_section = x->args.n_sections;
	}
	if (!m->is_head_written)
		write_head(s, x);
	while (m->at_section < x->args.n_sections) {
		e = fetch_section_send(s, &m->section, &m->src, &x->args.sections[m->at_section],
		    &m->is_first);
		if (e == ERR_WAIT || e == ERR_CLOSED)
			return e;
		if (e != ERR_OK)
			note_result(s, x, e);
		m->at_section++;
	}
	/* The grammar wants at least one item. */
	if (m->is_first)
		write_entry_items(s, x, FETCH_UID);
	buf_chr(session_out(s), ')');
	reply_end(session_out(s));
	return ERR_OK;
}
