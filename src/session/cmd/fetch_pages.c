/* fetch_pages.c - see fetch_pages.h. */
#include "session/cmd/fetch_pages.h"

enum {
	PAGE_ATTS = FETCH_UID | FETCH_FLAGS | FETCH_RFC822_SIZE,
	LINE_BYTES = 192, /* of a line with them, at most, but for keywords */
};

struct str
flags_text(struct flags_text *t, unsigned system)
{
	struct buf text = { .p = t->text, .cap = sizeof(t->text), .max = sizeof(t->text) };

	if (!t->is_set || t->of != system) {
		reply_flags(&text, system, (struct keywords){ 0 }, NULL, 0);
		t->is_set = true;
		t->of = system;
		t->n = text.n;
	}
	return str_make(t->text, t->n);
}

bool
fetch_pages_may(const struct session *s, const struct imap_fetch *args)
{
	return (args->atts & ~(unsigned)PAGE_ATTS) == 0 && args->atts != 0 && args->n_sections == 0
	    && args->annotations == NULL && !args->has_changedsince
	    && (s->enabled & ENABLED_UIDONLY) == 0;
}

static char *
put(char *to, const char *text, size_t n)
{
	memcpy(to, text, n);
	return to + n;
}

#define PUT_LIT(to, lit) put((to), (lit), sizeof(lit) - 1)

/* False: it needs more than its page, and nothing is written. */
static bool
write_line(struct session *s, unsigned atts, const struct entry *e, struct seqnum seq,
    struct flags_text *t)
{
	const struct mailbox_info *box = view_mailbox(s->view);
	struct buf *b = session_out(s);
	unsigned system = e->flags;
	struct str flags;
	char *p;

	if (e->size_bytes > UINT32_MAX)
		return false;
	p = buf_room(b, LINE_BYTES);
	if (p == NULL)
		return true;
	p = PUT_LIT(p, "* ");
	p = put_decimal(p, seq.v);
	p = PUT_LIT(p, " FETCH (");
	if ((atts & FETCH_UID) != 0) {
		p = PUT_LIT(p, "UID ");
		p = put_decimal(p, e->uid.v);
		*p++ = ' ';
	}
	if ((atts & FETCH_FLAGS) != 0) {
		if (e->is_recent && (s->enabled & ENABLED_IMAP4REV2) == 0)
			system |= FLAG_RECENT;
		p = PUT_LIT(p, "FLAGS ");
		if (keywords_is_empty(e->keywords)) {
			flags = flags_text(t, system);
			p = put(p, flags.p, flags.n);
		} else {
			b->n = (size_t)(p - b->p);
			reply_flags(b, system, e->keywords, box->keywords, box->keyword_count);
			p = buf_room(b, LINE_BYTES);
			if (p == NULL)
				return true;
		}
		*p++ = ' ';
	}
	if ((atts & FETCH_RFC822_SIZE) != 0) {
		p = PUT_LIT(p, "RFC822.SIZE ");
		p = put_decimal(p, (uint32_t)e->size_bytes);
		*p++ = ' ';
	}
	/* in the place of the last space */
	p = put(p - 1, ")\r\n", 3);
	b->n = (size_t)(p - b->p);
	return true;
}

uint32_t
fetch_pages_write(struct session *s, const struct imap_fetch *args, const struct rangeset *uids,
    uint32_t from, struct flags_text *t)
{
	struct view_page p;
	uint64_t asked;

	if (from == 0 || !view_next_page(s->view, from, 0, 0, &p))
		return from;
	asked = p.present & rangeset_bits(uids, p.first);
	if (from > p.first)
		asked &= UINT64_MAX << (from - p.first);
	for (; asked != 0; asked &= asked - 1) {
		const unsigned bit = (unsigned)__builtin_ctzll(asked);
		struct entry e;

		if ((p.known >> bit & 1) == 0)
			break;
		view_page_entry(s->view, &p, bit, &e);
		if (!write_line(s, args->atts, &e, view_page_seq(&p, bit), t))
			break;
		from = e.uid.v + 1;
	}
	return from;
}
