/*
 * content.c - see content_int.h. A Content-Type that can't be understood counts as none (RFC 2045
 * 5.2), so that a person gets to see the bytes as text rather than nothing.
 */
#include "mime/content_int.h"

#include "mime/header.h"
#include "mime/lex_int.h"
#include "mime/limits.h"

struct str
mime_keep(struct mime_keeper *k, struct str s)
{
	if (s.n > k->left)
		return STR_NONE;
	k->left -= s.n;
	return arena_str(k->a, s);
}

static void
default_type(struct mime_part *part, bool is_in_digest)
{
	part->is_type_default = true;
	part->kind = is_in_digest ? MIME_KIND_MESSAGE : MIME_KIND_TEXT;
	part->type = is_in_digest ? STR("message") : STR("text");
	part->subtype = is_in_digest ? STR("rfc822") : STR("plain");
	part->params = NULL;
	part->charset = STR_NONE;
}

void
mime_content_set_opaque(struct mime_part *part)
{
	part->is_opaque = true;
	part->kind = MIME_KIND_BASIC;
	part->type = STR("application");
	part->subtype = STR("octet-stream");
	part->params = NULL;
	part->charset = STR_NONE;
}

static void
parse_type(struct mime_keeper *k, struct str value, bool is_in_digest, struct mime_part *part)
{
	struct mime_lex l = mime_lex(value);
	struct str type, subtype = STR_NONE;

	mime_lex_skip(&l);
	if (!mime_lex_token(&l, &type)) {
		default_type(part, is_in_digest);
		return;
	}
	mime_lex_skip(&l);
	if (mime_lex_is(&l, '/')) {
		l.p++;
		mime_lex_skip(&l);
		if (!mime_lex_token(&l, &subtype))
			subtype = STR_NONE;
	}
	if (subtype.n == 0) {
		/*
		 * "text" alone was RFC 1049's way, and means plain text; another type without a
		 * subtype says nothing.
		 */
		default_type(part, is_in_digest);
		return;
	}
	part->is_type_default = false;
	part->type = mime_keep(k, type);
	part->subtype = mime_keep(k, subtype);
	if (part->type.p == NULL || part->subtype.p == NULL) {
		mime_content_set_opaque(part);
		return;
	}
	if (str_eq_nocase(type, STR("text")))
		part->kind = MIME_KIND_TEXT;
	else if (str_eq_nocase(type, STR("multipart")))
		part->kind = MIME_KIND_MULTIPART;
	else if (str_eq_nocase(type, STR("message"))
	    && (str_eq_nocase(subtype, STR("rfc822")) || str_eq_nocase(subtype, STR("global"))))
		part->kind = MIME_KIND_MESSAGE;
	else
		part->kind = MIME_KIND_BASIC;
	part->params = mime_params_parse(k, str_make(l.p, (size_t)(l.end - l.p)));
	part->charset = mime_param_find(part->params, STR("charset"));
	/* Without its boundary a multipart is no multipart: what it holds is shown as text. */
	if (part->kind == MIME_KIND_MULTIPART
	    && mime_param_find(part->params, STR("boundary")).n == 0)
		default_type(part, false);
}

static void
parse_encoding(struct mime_keeper *k, struct str value, struct mime_part *part)
{
	struct mime_lex l = mime_lex(value);
	struct str token;

	mime_lex_skip(&l);
	if (!mime_lex_token(&l, &token))
		return;
	mime_lex_skip(&l);
	/* "quoted printable", "text/html": no encoding at all, rather than one that is unknown. */
	if (mime_encoding_parse(token) == MIME_ENC_UNKNOWN && !mime_lex_is_end(&l))
		return;
	part->encoding = mime_encoding_parse(token);
	part->encoding_name = mime_keep(k, token);
}

static void
parse_disposition(struct mime_keeper *k, struct str value, struct mime_part *part)
{
	struct mime_lex l = mime_lex(value);
	struct str token;

	mime_lex_skip(&l);
	if (!mime_lex_token(&l, &token)) {
		/*
		 * 'Content-Disposition: ; filename="x"' is common enough; RFC 2183 2.8: unknown
		 * means attachment.
		 */
		if (!mime_lex_is(&l, ';'))
			return;
		token = STR("attachment");
	}
	part->disposition = mime_keep(k, token);
	if (part->disposition.p != NULL)
		part->disposition_params =
		    mime_params_parse(k, str_make(l.p, (size_t)(l.end - l.p)));
}

/* RFC 3282: tags, separated by commas. */
static void
parse_languages(struct mime_keeper *k, struct str value, struct mime_part *part)
{
	struct mime_lex l = mime_lex(value);
	struct str tags[MIME_MAX_LANGUAGES];
	uint32_t n = 0;

	while (n < MIME_MAX_LANGUAGES) {
		mime_lex_skip(&l);
		if (mime_lex_is_end(&l))
			break;
		if (mime_lex_token(&l, &tags[n])) {
			tags[n] = mime_keep(k, tags[n]);
			if (tags[n].p != NULL)
				n++;
		} else {
			l.p++;
		}
	}
	if (n == 0)
		return;
	part->languages = arena_array(k->a, struct str, n);
	memcpy(part->languages, tags, n * sizeof(tags[0]));
	part->language_count = n;
}

/*
 * Content-ID, -MD5 and -Location are given as they stand, but for comments and white space around
 * them.
 */
static struct str
parse_plain(struct mime_keeper *k, struct str value)
{
	struct mime_lex l = mime_lex(value);

	mime_lex_skip(&l);
	return mime_keep(k, str_trim(str_make(l.p, (size_t)(l.end - l.p))));
}

void
mime_content_parse(struct mime_keeper *k, struct str header, bool is_in_digest,
    struct mime_part *part)
{
	enum {
		TYPE = 1,
		ENCODING = 2,
		DISPOSITION = 4,
		LANGUAGE = 8,
		ID = 16,
		DESCRIPTION = 32,
		MD5 = 64,
		LOCATION = 128
	};

	static const struct {
		struct str name;
		int bit;
	} fields[] = {
		{ STR_INIT("type"), TYPE },
		{ STR_INIT("transfer-encoding"), ENCODING },
		{ STR_INIT("disposition"), DISPOSITION },
		{ STR_INIT("language"), LANGUAGE },
		{ STR_INIT("id"), ID },
		{ STR_INIT("description"), DESCRIPTION },
		{ STR_INIT("md5"), MD5 },
		{ STR_INIT("location"), LOCATION },
	};
	struct mime_field f;
	struct str value;
	int seen = 0, bit;

	default_type(part, is_in_digest);
	while (mime_header_next(&header, &f)) {
		if (f.name.n < 10 || !str_starts_nocase(f.name, STR("content-")))
			continue;
		bit = 0;
		for (size_t i = 0; i < ARRAY_LEN(fields); i++)
			if (str_eq_nocase(str_sub(f.name, 8, f.name.n), fields[i].name))
				bit = fields[i].bit;
		if (bit == 0 || (seen & bit) != 0)
			continue;
		seen |= bit;
		buf_clear(&k->scratch);
		mime_value_unfold(f.value, &k->scratch);
		value = buf_str(&k->scratch);
		switch (bit) {
		case TYPE:
			parse_type(k, value, is_in_digest, part);
			break;
		case ENCODING:
			parse_encoding(k, value, part);
			break;
		case DISPOSITION:
			parse_disposition(k, value, part);
			break;
		case LANGUAGE:
			parse_languages(k, value, part);
			break;
		case ID:
			part->id = parse_plain(k, value);
			break;
		case DESCRIPTION:
			part->description = mime_keep(k, value);
			break;
		case MD5:
			part->md5 = parse_plain(k, value);
			break;
		case LOCATION:
			part->location = parse_plain(k, value);
			break;
		}
	}
}
