/*
 * body.c - DATA and BDAT: bytes go from the input to the arrival, dots done; after an error they
 * are dropped.
 */
#include "lmtp/session_int.h"

#include "store/arrival.h"

static void
body_begin(struct lmtp_session *s)
{
	if (s->arrival == NULL)
		s->arrival = arrival_new(s->o->store);
}

/* Gives bytes to the arrival; after an error they are dropped. ERR_WAIT: none taken. */
static enum err
body_write(struct lmtp_session *s, struct str bytes, size_t *taken_out)
{
	enum err e;

	*taken_out = bytes.n;
	if (s->body_error != ERR_OK || s->is_chunk_refused)
		return ERR_OK;
	e = arrival_write(s->arrival, bytes, taken_out, &s->room);
	if (e == ERR_WAIT) {
		s->waits = WAIT_ROOM;
		return e;
	}
	if (e != ERR_OK) {
		s->body_error = e;
		*taken_out = bytes.n;
	}
	return ERR_OK;
}

/* False: it waits, or more input is needed. */
bool
lmtp_data_step(struct lmtp_session *s)
{
	struct str in = stream_input(s->stream), rest = in, piece;
	size_t taken;

	if (s->owes_cr) {
		if (body_write(s, STR("\r"), &taken) == ERR_WAIT)
			return false;
		s->owes_cr = false;
	} else if (s->owed != 0) {
		if (body_write(s, str_sub(in, 0, s->owed), &taken) == ERR_WAIT)
			return false;
		stream_consume(s->stream, taken);
		s->owed -= taken;
	} else if (s->data.state == LMTP_DATA_END) {
		lmtp_deliveries_begin(s);
	} else if (in.n == 0) {
		return false;
	} else {
		piece = lmtp_data_next(&s->data, &rest);
		if (piece.p == in.p && piece.n != 0) {
			s->owed = piece.n;
		} else {
			s->owes_cr = piece.n != 0;
			stream_consume(s->stream, in.n - rest.n);
		}
	}
	return true;
}

static void
chunk_end(struct lmtp_session *s)
{
	s->mode = MODE_COMMAND;
	if (s->is_chunk_refused)
		lmtp_refuse(s, "503 5.5.1 No valid recipients");
	else if (s->is_chunk_last)
		lmtp_deliveries_begin(s);
	else if (s->body_error == ERR_TOOBIG)
		lmtp_reply(s, "552 5.3.4 The message is too big");
	else
		lmtp_reply(s, "250 2.0.0 OK");
}

bool
lmtp_chunk_step(struct lmtp_session *s)
{
	struct str in = stream_input(s->stream);
	size_t taken;

	if (s->chunk_left == 0) {
		chunk_end(s);
		return true;
	}
	if (in.n == 0
	    || body_write(s, str_sub(in, 0, (size_t)MIN(s->chunk_left, in.n)), &taken) == ERR_WAIT)
		return false;
	stream_consume(s->stream, taken);
	s->chunk_left -= taken;
	return true;
}

void
lmtp_data_begin(struct lmtp_session *s)
{
	if (s->recipient_count == 0) {
		lmtp_refuse(s,
		    s->has_sender ? "503 5.5.1 No valid recipients"
				  : "503 5.5.1 MAIL and RCPT first");
	} else if (s->arrival != NULL) {
		lmtp_refuse(s, "503 5.5.1 BDAT has begun");
	} else if (s->body == LMTP_BODY_BINARYMIME) {
		lmtp_refuse(s, "503 5.5.1 BINARYMIME needs BDAT");
	} else {
		body_begin(s);
		s->data = LMTP_DATA_START;
		s->is_chunk_refused = false;
		s->mode = MODE_DATA;
		lmtp_reply(s, "354 End with <CR><LF>.<CR><LF>");
	}
}

void
lmtp_bdat(struct lmtp_session *s, const struct lmtp_command *c)
{
	s->chunk_left = c->size;
	s->is_chunk_last = c->is_last;
	s->is_chunk_refused = s->recipient_count == 0;
	if (!s->is_chunk_refused)
		body_begin(s);
	s->mode = MODE_CHUNK;
}
