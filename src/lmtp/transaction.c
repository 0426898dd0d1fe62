/*
 * transaction.c - sender and recipients, and their answers: see session.h. Recipients are looked up
 * one after the other; when the body is there their deliveries run at the same time.
 */
#include "lmtp/session_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "lmtp/trace.h"
#include "store/arrival.h"
#include "store/message.h"

#include <stdio.h>

void
lmtp_transaction_reset(struct lmtp_session *s)
{
	if (s->lookup != NULL)
		auth_lookup_cancel(s->lookup);
	s->lookup = NULL;
	for (struct recipient *r = s->recipients; r != NULL; r = r->next)
		delivery_cancel(&r->delivery);
	waiter_cancel(&s->room);
	loop_task_cancel(s->shard->loop, &s->room_task);
	arrival_unref(s->arrival);
	s->arrival = NULL;
	s->body_error = ERR_OK;
	s->recipients = NULL;
	s->recipients_end = &s->recipients;
	s->recipient_count = 0;
	s->has_sender = false;
	s->owed = 0;
	s->owes_cr = false;
	s->waits = WAIT_NONE;
	arena_reset(&s->arena);
	arena_reset(&s->lookup_arena);
}

void
lmtp_mail(struct lmtp_session *s, const struct lmtp_command *c)
{
	if (s->client[0] == '\0') {
		lmtp_refuse(s, "503 5.5.1 LHLO first");
	} else if (s->has_sender) {
		lmtp_refuse(s, "503 5.5.1 A transaction is under way");
	} else if (c->path.is_utf8 && !c->is_smtputf8) {
		lmtp_refuse(s, "553 5.6.7 Such an address needs SMTPUTF8");
	} else if (c->has_size && c->size > s->o->message_max_bytes) {
		lmtp_reply(s, "552 5.3.4 The message is too big");
	} else {
		s->sender = arena_str(&s->arena, c->path.text);
		s->body = c->body;
		s->is_smtputf8 = c->is_smtputf8;
		s->has_sender = true;
		s->transaction++;
		lmtp_reply(s, "250 2.1.0 OK");
	}
}

/* ---- recipients ------------------------------------------------------------------------------ */

static void looked_up(void *arg, enum err e, struct str user);

static void
lookup_begin(struct lmtp_session *s, struct str address)
{
	s->waits = WAIT_LOOKUP;
	auth_lookup(s->o->auth, s->shard->loop, address, looked_up, s, &s->lookup);
}

static void
recipient_add(struct lmtp_session *s, struct str user)
{
	struct recipient *r = arena_new(&s->arena, struct recipient);

	r->session = s;
	r->path = arena_str(&s->arena, s->looked_up.text);
	r->user = arena_str(&s->arena, user);
	r->folder = arena_str(&s->arena, s->folder);
	*s->recipients_end = r;
	s->recipients_end = &r->next;
	s->recipient_count++;
}

/* Where the first character is that may stand before a detail; n: nowhere. */
static size_t
delimiter_find(const struct lmtp_session *s, struct str local)
{
	size_t i = 0;

	while (i < local.n && str_chr(s->o->delimiters, local.p[i]) == SIZE_MAX)
		i++;
	return i;
}

/* The address with its "+detail" cut off, which becomes the folder; false when it has none. */
static bool
detail_cut(struct lmtp_session *s, struct str *address_out)
{
	struct str local = str_sub(s->looked_up.address, 0, s->looked_up.local_bytes);
	size_t plus = delimiter_find(s, local);
	struct buf BUF_CLEAN plain = BUF_MAX(LMTP_PATH_MAX);

	if (s->folder.p != NULL || plus == local.n || plus == 0)
		return false;
	buf_str_add(&plain, str_sub(local, 0, plus));
	buf_str_add(&plain, str_sub(s->looked_up.address, local.n, s->looked_up.address.n));
	s->folder = arena_str(&s->lookup_arena, str_sub(local, plus + 1, local.n));
	*address_out = arena_str(&s->lookup_arena, buf_str(&plain));
	return true;
}

static void
looked_up(void *arg, enum err e, struct str user)
{
	struct lmtp_session *s = arg;
	struct str address;

	s->lookup = NULL;
	s->waits = WAIT_NONE;
	if (e == ERR_UNKNOWN && detail_cut(s, &address)) {
		lookup_begin(s, address);
		return;
	}
	switch (e) {
	case ERR_OK:
		recipient_add(s, user);
		lmtp_reply_path(s, "250 2.1.5", s->looked_up.text, "OK");
		break;
	case ERR_UNKNOWN:
		lmtp_reply_path(s, "550 5.1.1", s->looked_up.text, "No such user here");
		break;
	case ERR_CONTACTADMIN:
		lmtp_reply_path(s, "550 5.2.1", s->looked_up.text, "This mailbox is disabled");
		break;
	default:
		lmtp_reply_path(s, "451 4.3.0", s->looked_up.text, "Try again later");
		break;
	}
	if (e != ERR_OK)
		log_event(LOG_INFO, "lmtp-refused", F_U64("session", s->id), F_STR("peer", s->peer),
		    F_STR("from", s->sender), F_STR("to", s->looked_up.text), F_ERR(e));
	lmtp_session_run(s);
}

void
lmtp_rcpt(struct lmtp_session *s, const struct lmtp_command *c)
{
	if (!s->has_sender) {
		lmtp_refuse(s, "503 5.5.1 MAIL first");
	} else if (c->path.is_utf8 && !s->is_smtputf8) {
		lmtp_refuse(s, "553 5.6.7 Such an address needs SMTPUTF8");
	} else if (s->recipient_count >= s->o->recipients_max) {
		lmtp_reply(s, "452 4.5.3 Too many recipients");
	} else {
		arena_reset(&s->lookup_arena);
		s->looked_up = c->path;
		s->looked_up.text = arena_str(&s->lookup_arena, c->path.text);
		s->looked_up.address = arena_str(&s->lookup_arena, c->path.address);
		s->folder = STR_NONE;
		lookup_begin(s, s->looked_up.address);
	}
}

/* ---- answering ------------------------------------------------------------------------------- */

static const char *
result_code(const struct lmtp_session *s, enum err e, const char **text_out)
{
	switch (e) {
	case ERR_OK:
		*text_out = "Delivered";
		return "250 2.0.0";
	case ERR_TOOBIG:
		*text_out = "The message is too big";
		return "552 5.3.4";
	case ERR_FULL:
		*text_out = "No room for more mail at the moment";
		return "452 4.3.1";
	case ERR_OVERQUOTA:
		*text_out = "The mailbox is full";
		return s->o->is_overquota_permanent ? "552 5.2.2" : "452 4.2.2";
	case ERR_LIMIT:
		*text_out = "The mailbox holds as many messages as it may";
		return "452 4.2.2";
	default:
		*text_out = "Try again later";
		return "451 4.3.0";
	}
}

static void
recipient_answer(struct lmtp_session *s, const struct recipient *r, enum err e)
{
	const struct delivery *d = &r->delivery;
	const char *text, *code = result_code(s, e, &text);

	lmtp_reply_path(s, code, r->path, text);
	log_event(e == ERR_OK ? LOG_INFO : LOG_WARNING, e == ERR_OK ? "delivered" : "not-delivered",
	    F_U64("session", s->id), F_U64("transaction", s->transaction), F_STR("peer", s->peer),
	    F_STR("from", s->sender), F_STR("to", r->path), F_STR("user", r->user),
	    F_STR("mailbox", d->is_inbox || r->folder.n == 0 ? STR("INBOX") : r->folder),
	    F_U64("uid", d->uid.v),
	    F_U64("size", s->arrival != NULL ? arrival_size(s->arrival) : 0), F_ERR(e));
}

/* All are done: answers in the order of the recipients. */
static void
deliveries_end(struct lmtp_session *s)
{
	log_hold();
	for (const struct recipient *r = s->recipients; r != NULL; r = r->next)
		recipient_answer(s, r,
		    s->body_error != ERR_OK ? s->body_error : r->delivery.result);
	log_release();
	lmtp_transaction_reset(s);
}

static void
delivery_done(struct delivery *d)
{
	struct lmtp_session *s = container_of(d, struct recipient, delivery)->session;

	if (--s->pending != 0)
		return;
	deliveries_end(s);
	lmtp_session_run(s);
}

static void
prefix_make(struct lmtp_session *s, struct recipient *r, int64_t now_s)
{
	const bool is_tls = stream_ssl(s->stream) != NULL, is_utf8 = s->is_smtputf8;
	struct buf BUF_CLEAN out = BUF_MAX(MESSAGE_PREFIX_MAX);
	char id[40];

	snprintf(id, sizeof(id), "%llx.%llx.%llx", (unsigned long long)now_s,
	    (unsigned long long)s->id, (unsigned long long)s->transaction);
	trace_format(
	    &(struct trace){
		.sender = s->sender,
		.recipient = r->path,
		.client = str_c(s->client),
		.client_address = str_c(s->client_address),
		.hostname = s->o->hostname,
		.protocol =
		    is_utf8 ? (is_tls ? "UTF8LMTPS" : "UTF8LMTP") : (is_tls ? "LMTPS" : "LMTP"),
		.id = str_c(id),
		.now_s = now_s,
	    },
	    &out);
	must(buf_err(&out) == ERR_OK);
	r->delivery.prefix = arena_str(&s->arena, buf_str(&out));
}

/* The body is complete: every recipient gets a delivery, all at once. */
void
lmtp_deliveries_begin(struct lmtp_session *s)
{
	const int64_t now_s = s->o->clock->wall_ms(s->o->clock) / 1000;

	s->mode = MODE_COMMAND;
	if (s->body_error == ERR_OK)
		s->body_error = arrival_finish(s->arrival);
	if (s->body_error != ERR_OK) {
		deliveries_end(s);
		return;
	}
	s->waits = WAIT_DELIVERIES;
	/* one for this loop: deliveries may end inside it */
	s->pending = s->recipient_count + 1;
	for (struct recipient *r = s->recipients; r != NULL; r = r->next) {
		struct delivery *d = &r->delivery;

		prefix_make(s, r, now_s);
		d->store = s->o->store;
		d->loop = s->shard->loop;
		d->user = r->user;
		d->folder = r->folder;
		d->arrival = s->arrival;
		d->done = delivery_done;
		delivery_begin(d);
	}
	if (--s->pending == 0)
		deliveries_end(s);
}
