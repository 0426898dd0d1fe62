/* fetch.c - see fetch.h. */
#include "imap/fetch.h"

#include "base/hash.h"
#include "base/size.h"
#include "imap/reply.h"

static const struct {
	struct str name;
	unsigned bits;
} atts[] = {
	{ STR_INIT("FLAGS"), FETCH_FLAGS },
	{ STR_INIT("UID"), FETCH_UID },
	{ STR_INIT("INTERNALDATE"), FETCH_INTERNALDATE },
	{ STR_INIT("RFC822.SIZE"), FETCH_RFC822_SIZE },
	{ STR_INIT("ENVELOPE"), FETCH_ENVELOPE },
	{ STR_INIT("BODY"), FETCH_BODY },
	{ STR_INIT("BODYSTRUCTURE"), FETCH_BODYSTRUCTURE },
	{ STR_INIT("MODSEQ"), FETCH_MODSEQ },
	{ STR_INIT("EMAILID"), FETCH_EMAILID },
	{ STR_INIT("THREADID"), FETCH_THREADID },
	{ STR_INIT("SAVEDATE"), FETCH_SAVEDATE },
	{ STR_INIT("PREVIEW"), FETCH_PREVIEW },
};

static const struct {
	struct str name;
	unsigned bits;
} macros[] = {
	{ STR_INIT("ALL"), FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_RFC822_SIZE | FETCH_ENVELOPE },
	{ STR_INIT("FAST"), FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_RFC822_SIZE },
	{ STR_INIT("FULL"),
	    FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_RFC822_SIZE | FETCH_ENVELOPE | FETCH_BODY },
};

/* Items that are another way to write a section (RFC 3501 6.4.5). */
static const struct {
	struct str name;
	enum imap_section_kind kind;
	bool is_peek;
} old_names[] = {
	{ STR_INIT("RFC822"), SECTION_BODY, false },
	{ STR_INIT("RFC822.HEADER"), SECTION_HEADER, true },
	{ STR_INIT("RFC822.TEXT"), SECTION_TEXT, false },
};

static const struct {
	struct str name;
	enum imap_section_form form;
	bool is_peek;
} section_names[] = {
	{ STR_INIT("BODY"), SECTION_RAW, false },
	{ STR_INIT("BODY.PEEK"), SECTION_RAW, true },
	{ STR_INIT("BINARY"), SECTION_BINARY, false },
	{ STR_INIT("BINARY.PEEK"), SECTION_BINARY, true },
	{ STR_INIT("BINARY.SIZE"), SECTION_BINARY_SIZE, true },
};

static const struct {
	struct str name;
	enum imap_section_kind kind;
} texts[] = {
	{ STR_INIT("HEADER"), SECTION_HEADER },
	{ STR_INIT("HEADER.FIELDS"), SECTION_HEADER_FIELDS },
	{ STR_INIT("HEADER.FIELDS.NOT"), SECTION_HEADER_FIELDS_NOT },
	{ STR_INIT("TEXT"), SECTION_TEXT },
	{ STR_INIT("MIME"), SECTION_MIME },
};

/* Letters, digits and dots from here on; takes nothing. */
static struct str
name_here(const struct imap_scan *s)
{
	size_t i = s->at;

	while (i < s->in.n
	    && (chr_is_alpha(s->in.p[i]) || chr_is_digit(s->in.p[i]) || s->in.p[i] == '.'))
		i++;
	return str_make(s->in.p + s->at, i - s->at);
}

/* "1.2" and the dot behind it, if there is one. */
static bool
take_path(struct imap_scan *s, struct imap_section *out, bool *ends_in_dot_out)
{
	uint32_t path[SECTION_DEPTH_MAX];
	size_t n = 0;

	*ends_in_dot_out = false;
	while (chr_is_digit((char)imap_scan_peek(s))) {
		if (n == SECTION_DEPTH_MAX)
			return imap_scan_fail(s, ERR_LIMIT, "part numbers");
		if (!imap_scan_nz_number(s, &path[n]))
			return false;
		n++;
		*ends_in_dot_out = imap_scan_try_chr(s, '.');
		if (!*ends_in_dot_out)
			break;
	}
	if (n > 0) {
		out->path = arena_array(s->arena, uint32_t, n);
		memcpy(out->path, path, n * sizeof(path[0]));
		out->n_path = n;
	}
	return true;
}

/* "(From To)" behind HEADER.FIELDS. */
static bool
take_fields(struct imap_scan *s, struct imap_section *out)
{
	size_t cap = 0;

	if (!imap_scan_sp(s) || !imap_scan_list_open(s))
		return false;
	for (bool is_first = true; imap_scan_list_more(s, &is_first);) {
		if (out->n_fields == FETCH_FIELDS_MAX)
			return imap_scan_fail(s, ERR_LIMIT, "field names");
		if (out->n_fields == cap) {
			struct str *grown =
			    arena_array(s->arena, struct str, cap == 0 ? 8 : cap * 2);

			if (cap > 0)
				memcpy(grown, out->fields, cap * sizeof(*grown));
			out->fields = grown;
			cap = cap == 0 ? 8 : cap * 2;
		}
		if (!imap_scan_astring(s, &out->fields[out->n_fields++]))
			return false;
	}
	if (imap_scan_err(s) == ERR_OK && out->n_fields == 0)
		return imap_scan_fail(s, ERR_SYNTAX, "a field name");
	return imap_scan_err(s) == ERR_OK;
}

bool
imap_fetch_section(struct imap_scan *s, struct imap_section *out)
{
	bool ends_in_dot;
	struct str name;

	if (imap_scan_err(s) != ERR_OK || !take_path(s, out, &ends_in_dot))
		return false;
	name = name_here(s);
	if (name.n == 0 && !ends_in_dot) {
		out->kind = SECTION_BODY;
		return true;
	}
	if (out->n_path > 0 && !ends_in_dot)
		return imap_scan_fail(s, ERR_SYNTAX, ". or ]");
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		/* MIME is the header of a part; the message has none (RFC 9051 6.4.5.1). */
		if (!str_eq_nocase(texts[i].name, name)
		    || (texts[i].kind == SECTION_MIME && out->n_path == 0))
			continue;
		s->at += name.n;
		out->kind = texts[i].kind;
		return (out->kind != SECTION_HEADER_FIELDS
			   && out->kind != SECTION_HEADER_FIELDS_NOT)
		    || take_fields(s, out);
	}
	return imap_scan_fail(s, ERR_SYNTAX, "HEADER, HEADER.FIELDS, TEXT, MIME or a part number");
}

bool
imap_fetch_partial(struct imap_scan *s, struct imap_section *sec)
{
	if (!imap_scan_try_chr(s, '<'))
		return true;
	sec->has_partial = true;
	if (!imap_scan_number64(s, &sec->offset) || !imap_scan_chr(s, '.')
	    || !imap_scan_number64(s, &sec->length))
		return false;
	if (sec->length == 0)
		return imap_scan_fail(s, ERR_SYNTAX, "a length above 0");
	return imap_scan_chr(s, '>');
}

/* How the answer names the section. */
static struct str
make_label(struct arena *a, const struct imap_section *sec)
{
	static const char *const forms[] = {
		[SECTION_RAW] = "BODY[",
		[SECTION_BINARY] = "BINARY[",
		[SECTION_BINARY_SIZE] = "BINARY.SIZE[",
	};
	BUF_CLEAN struct buf b = BUF_MAX(SIZE_MAX / 2);

	buf_c(&b, forms[sec->form]);
	for (size_t i = 0; i < sec->n_path; i++) {
		if (i > 0)
			buf_chr(&b, '.');
		buf_u64(&b, sec->path[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (texts[i].kind != sec->kind)
			continue;
		if (sec->n_path > 0)
			buf_chr(&b, '.');
		buf_str_add(&b, texts[i].name);
	}
	if (sec->n_fields > 0) {
		bool is_first;

		buf_chr(&b, ' ');
		reply_list_open(&b, &is_first);
		for (size_t i = 0; i < sec->n_fields; i++) {
			reply_item(&b, &is_first);
			reply_astring(&b, sec->fields[i], REPLY_ASCII);
		}
		reply_list_close(&b);
	}
	buf_chr(&b, ']');
	if (sec->has_partial) {
		buf_chr(&b, '<');
		buf_u64(&b, sec->offset);
		buf_chr(&b, '>');
	}
	return arena_str(a, buf_str(&b));
}

static uint64_t
hash_label(struct str label)
{
	uint64_t hash = 0;

	for (size_t i = 0; i < label.n; i++)
		hash = hash * 31 + (unsigned char)chr_lower(label.p[i]);
	return hash_u64(hash);
}

/* Keeps a section, unless the same one is there already. */
static bool
add_section(struct imap_scan *s, struct imap_fetch *f, const struct imap_section *sec)
{
	uint64_t hash = hash_label(sec->label);

	f->sets_seen = f->sets_seen || !sec->is_peek;
	for (size_t i = 0; i < f->n_sections; i++) {
		const struct imap_section *have = &f->sections[i];

		if (have->label_hash == hash && str_eq_nocase(have->label, sec->label)
		    && have->length == sec->length)
			return true;
	}
	if (f->n_sections == FETCH_ITEMS_MAX)
		return imap_scan_fail(s, ERR_LIMIT, "items to fetch");
	/* Powers of two: the array is full whenever its length is one. */
	if ((f->n_sections & (f->n_sections - 1)) == 0) {
		struct imap_section *grown = arena_array(s->arena, struct imap_section,
		    f->n_sections == 0 ? 1 : f->n_sections * 2);

		if (f->n_sections > 0)
			memcpy(grown, f->sections, f->n_sections * sizeof(*grown));
		f->sections = grown;
	}
	f->sections[f->n_sections] = *sec;
	f->sections[f->n_sections++].label_hash = hash;
	return true;
}

/* "[...]<...>" behind the name of a section item. */
static bool
take_section(struct imap_scan *s, struct imap_fetch *f, struct imap_section sec)
{
	if (!imap_scan_chr(s, '[') || !imap_fetch_section(s, &sec))
		return false;
	if (sec.form != SECTION_RAW && sec.kind != SECTION_BODY)
		return imap_scan_fail(s, ERR_SYNTAX, "part numbers only");
	if (!imap_scan_chr(s, ']')
	    || (sec.form != SECTION_BINARY_SIZE && !imap_fetch_partial(s, &sec)))
		return false;
	sec.label = make_label(s->arena, &sec);
	return add_section(s, f, &sec);
}

/* "(LAZY)" behind PREVIEW (RFC 8970 3.1), which must not be taken for a modifier of the FETCH. */
static bool
take_preview_modifiers(struct imap_scan *s, struct imap_fetch *f)
{
	struct imap_scan ahead = *s;
	bool is_lazy;

	if (!imap_scan_at(&ahead, ' ') || !imap_scan_sp(&ahead) || !imap_scan_try_chr(&ahead, '('))
		is_lazy = false;
	else
		is_lazy = imap_scan_at_atom(&ahead, STR("LAZY"));
	if (!is_lazy) {
		/* Asked for without LAZY too: that one counts. */
		f->atts = (f->atts & ~(unsigned)FETCH_PREVIEW_LAZY) | FETCH_PREVIEW;
		return true;
	}
	if ((f->atts & FETCH_PREVIEW) == 0)
		f->atts |= FETCH_PREVIEW | FETCH_PREVIEW_LAZY;
	return imap_scan_sp(s) && imap_scan_chr(s, '(') && imap_scan_try_atom(s, STR("LAZY"))
	    && imap_scan_chr(s, ')');
}

/* "(entries attribs)" behind ANNOTATION (RFC 5257 4.3). */
static bool
take_annotation(struct imap_scan *s, struct imap_fetch *f)
{
	struct imap_annotate_fetch *a = arena_new(s->arena, struct imap_annotate_fetch),
				   **last = &f->annotations;

	while (*last != NULL)
		last = &(*last)->next;
	if (f->n_annotations++ == FETCH_ANNOTATIONS_MAX)
		return imap_scan_fail(s, ERR_LIMIT, "items to fetch");
	*last = a;
	return imap_scan_sp(s) && imap_annotate_fetch(s, a);
}

static bool
take_item(struct imap_scan *s, struct imap_fetch *f)
{
	struct str name = name_here(s);
	bool has_section = s->at + name.n < s->in.n && s->in.p[s->at + name.n] == '[';

	if (str_eq_nocase(name, STR("ANNOTATION"))) {
		s->at += name.n;
		return take_annotation(s, f);
	}
	for (size_t i = 0; i < ARRAY_LEN(section_names) && has_section; i++) {
		if (!str_eq_nocase(section_names[i].name, name))
			continue;
		s->at += name.n;
		return take_section(s, f,
		    (struct imap_section){ .form = section_names[i].form,
			.is_peek = section_names[i].is_peek });
	}
	for (size_t i = 0; i < ARRAY_LEN(atts) && !has_section; i++) {
		if (!str_eq_nocase(atts[i].name, name))
			continue;
		s->at += name.n;
		if (atts[i].bits == FETCH_PREVIEW)
			return take_preview_modifiers(s, f);
		f->atts |= atts[i].bits;
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(old_names) && !has_section; i++) {
		struct imap_section sec = {
			.kind = old_names[i].kind,
			.is_peek = old_names[i].is_peek,
			.label = old_names[i].name,
		};

		if (!str_eq_nocase(old_names[i].name, name))
			continue;
		s->at += name.n;
		return add_section(s, f, &sec);
	}
	return imap_scan_fail(s, ERR_SYNTAX, "an item to fetch");
}

bool
imap_fetch_items(struct imap_scan *s, struct imap_fetch *f)
{
	const size_t from = s->at;
	bool is_first = true;

	if (!imap_scan_list_open(s))
		return false;
	while (imap_scan_list_more(s, &is_first)) {
		if (!take_item(s, f))
			return false;
	}
	if (imap_scan_err(s) == ERR_OK && is_first)
		return imap_scan_fail(s, ERR_SYNTAX, "an item to fetch");
	f->text = str_sub(s->in, from, s->at);
	return imap_scan_err(s) == ERR_OK;
}

static bool
take_items(struct imap_scan *s, struct imap_fetch *f)
{
	if (imap_scan_at(s, '('))
		return imap_fetch_items(s, f);
	for (size_t i = 0; i < ARRAY_LEN(macros); i++) {
		if (imap_scan_try_atom(s, macros[i].name)) {
			f->atts |= macros[i].bits;
			return true;
		}
	}
	return take_item(s, f);
}

static bool
take_modifiers(struct imap_scan *s, struct imap_fetch *f)
{
	bool is_first = true;

	if (!imap_scan_sp(s) || !imap_scan_list_open(s))
		return false;
	while (imap_scan_list_more(s, &is_first)) {
		if (imap_scan_try_atom(s, STR("CHANGEDSINCE"))) {
			f->has_changedsince = true;
			if (!imap_scan_sp(s) || !imap_scan_modseq(s, &f->changedsince))
				return false;
		} else if (imap_scan_try_atom(s, STR("VANISHED"))) {
			f->has_vanished = true;
		} else if (!f->has_partial && imap_scan_try_atom(s, STR("PARTIAL"))) {
			f->has_partial = true;
			if (!imap_scan_sp(s) || !imap_search_partial(s, &f->partial))
				return false;
		} else {
			return imap_scan_fail(s, ERR_SYNTAX,
			    "CHANGEDSINCE, VANISHED or one PARTIAL");
		}
	}
	if (is_first)
		return imap_scan_fail(s, ERR_SYNTAX, "CHANGEDSINCE");
	if (f->has_vanished && !f->has_changedsince)
		return imap_scan_fail(s, ERR_SYNTAX, "CHANGEDSINCE together with VANISHED");
	if (f->has_changedsince)
		f->atts |= FETCH_MODSEQ;
	return imap_scan_err(s) == ERR_OK;
}

enum err
imap_fetch_parse(struct imap_scan *s, struct imap_fetch *out)
{
	struct imap_fetch f = { 0 };

	if (imap_scan_err(s) != ERR_OK || !take_items(s, &f))
		return imap_scan_err(s);
	if (!imap_scan_is_end(s) && !take_modifiers(s, &f))
		return imap_scan_err(s);
	if (!imap_scan_end(s))
		return imap_scan_err(s);
	*out = f;
	return ERR_OK;
}
