/*
 * config.c - see config.h. libconfuse reads the syntax, as texts only; what a text means is decided
 * by our table (config_value.c).
 */
#include "proc/config_int.h"

#include <confuse.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FIXED = false, LIVE = true };

const struct config_option config_options[] = {
#define OPT(name_, when_, kind_, def_, lo_, hi_, choices_, help_)                                  \
	{ .name = #name_,                                                                          \
		.can_reload = (when_),                                                             \
		.kind = CONFIG_##kind_,                                                            \
		.def = (def_),                                                                     \
		.lowest = (lo_),                                                                   \
		.highest = (hi_),                                                                  \
		.choices = (choices_),                                                             \
		.help = (help_),                                                                   \
		.offset = offsetof(struct config, name_) },
#include "proc/config.def"
#undef OPT
};
const size_t config_option_count = ARRAY_LEN(config_options);

/*
 * What the callbacks of libconfuse need; it hands them only the cfg_t, so it hangs there as the
 * target of a hidden option.
 */
struct sink {
	long unused; /* what libconfuse would write to */
	struct buf *errors;
	/* option and count of values checked last: a list's end reports its last value again */
	const cfg_opt_t *checked;
	unsigned checked_count;
	unsigned lines[ARRAY_LEN(config_options)]; /* where each is set, or 0 */
	bool has_failed;
};

static struct sink *
sink_of(cfg_t *cfg)
{
	return (struct sink *)(void *)cfg->opts[ARRAY_LEN(config_options)].simple_value.number;
}

static const struct config_option *
option_find(const char *name)
{
	for (size_t i = 0; i < config_option_count; i++)
		if (strcmp(config_options[i].name, name) == 0)
			return &config_options[i];
	return NULL;
}

bool
config_is_list(enum config_kind kind)
{
	return kind == CONFIG_LIST || kind == CONFIG_ADDRS || kind == CONFIG_IPS
	    || kind == CONFIG_PATHS;
}

/* Number of single-letter changes between two names (Levenshtein). */
static size_t
distance(struct str a, struct str b)
{
	size_t row[128];

	if (a.n >= ARRAY_LEN(row) || b.n >= ARRAY_LEN(row))
		return SIZE_MAX;
	for (size_t j = 0; j <= b.n; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			size_t above = row[j];

			row[j] = MIN(diagonal + (chr_lower(a.p[i - 1]) != chr_lower(b.p[j - 1])),
			    MIN(above, row[j - 1]) + 1);
			diagonal = above;
		}
	}
	return row[b.n];
}

const struct config_option *
config_nearest(struct str name)
{
	const struct config_option *best = NULL;
	size_t best_distance = SIZE_MAX;

	for (size_t i = 0; i < config_option_count; i++) {
		size_t d = distance(name, str_c(config_options[i].name));

		if (d < best_distance) {
			best = &config_options[i];
			best_distance = d;
		}
	}
	return best_distance <= name.n / 2 + 1 ? best : NULL;
}

static void
error_begin(cfg_t *cfg)
{
	struct sink *s = sink_of(cfg);

	s->has_failed = true;
	buf_printf(s->errors, "%s:%d: ", cfg->filename != NULL ? cfg->filename : "config",
	    cfg->line);
}

/*
 * libconfuse's own errors. It tells an unknown option with this format only, and the name as its
 * argument.
 */
static void
on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	struct buf *errors = sink_of(cfg)->errors;
	char text[512];

	error_begin(cfg);
	if (strcmp(fmt, "no such option '%s'") == 0) {
		const char *name = va_arg(ap, const char *);
		const struct config_option *near = config_nearest(str_c(name));

		buf_printf(errors, "unknown option \"%.200s\"", name);
		if (near != NULL)
			buf_printf(errors, "; did you mean \"%s\"?", near->name);
		buf_chr(errors, '\n');
		return;
	}
	vsnprintf(text, sizeof(text), fmt, ap);
	buf_printf(errors, "%s\n", text);
}

/* Notes where an option is set, which it is once: of two the reader would have to know which counts. */
static void
line_note(cfg_t *cfg, const struct config_option *o)
{
	struct sink *sink = sink_of(cfg);
	unsigned *line = &sink->lines[o - config_options];

	if (*line != 0) {
		error_begin(cfg);
		buf_printf(sink->errors, "%s: is set twice, in line %u, too\n", o->name, *line);
	}
	*line = (unsigned)cfg->line;
}

/* Control characters would do something to the terminal or to the log. */
static void
put_value(struct buf *out, const char *text)
{
	for (size_t i = 0; text != NULL && text[i] != '\0' && i < 200; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
			buf_printf(out, "\\x%02x", (unsigned)text[i]);
		else
			buf_chr(out, text[i]);
}

/*
 * Checks the newest value of an option as soon as it is read, while the line is known. Goes on
 * after an error, to tell them all.
 */
static int
on_value(cfg_t *cfg, cfg_opt_t *opt)
{
	const struct config_option *o = option_find(opt->name);
	struct sink *sink = sink_of(cfg);
	BUF_CLEAN struct buf expected = BUF_MAX(1024);
	struct config *scratch;
	const char *text;
	enum err e;

	if (o == NULL || opt->nvalues == 0
	    || (opt == sink->checked && opt->nvalues == sink->checked_count
		&& config_is_list(o->kind)))
		return 0;
	sink->checked = opt;
	sink->checked_count = opt->nvalues;
	if (opt->nvalues == 1)
		line_note(cfg, o);
	text = cfg_opt_getnstr(opt, opt->nvalues - 1);
	scratch = xcalloc(1, sizeof(*scratch));
	e = opt->nvalues > CONFIG_LIST_MAX
	    ? ERR_LIMIT
	    : config_value_set(scratch, o, opt->nvalues - 1, str_c(text));
	arena_done(&scratch->arena);
	free(scratch);
	if (e == ERR_OK)
		return 0;
	error_begin(cfg);
	config_expected(o, &expected);
	if (e == ERR_LIMIT)
		buf_printf(sink->errors, "%s: more than %d values\n", o->name, CONFIG_LIST_MAX);
	else {
		buf_printf(sink->errors, "%s: \"", o->name);
		put_value(sink->errors, text);
		buf_printf(sink->errors, "\" is not %.*s\n", STR_F(buf_str(&expected)));
	}
	return 0;
}

/* A parser for our table, and its hidden last option. */
static cfg_t *
parser_new(cfg_opt_t *opts, struct sink *sink)
{
	cfg_t *cfg;

	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *o = &config_options[i];

		if (config_is_list(o->kind))
			opts[i] =
			    (cfg_opt_t)CFG_STR_LIST(o->name, (char *)(uintptr_t)o->def, CFGF_NONE);
		else
			opts[i] = (cfg_opt_t)CFG_STR(o->name, (char *)(uintptr_t)o->def, CFGF_NONE);
	}
	opts[config_option_count] = (cfg_opt_t)CFG_SIMPLE_INT(" sink", &sink->unused);
	opts[config_option_count + 1] = (cfg_opt_t)CFG_END();
	cfg = cfg_init(opts, CFGF_NONE);
	if (cfg == NULL)
		return NULL;
	cfg_set_error_function(cfg, on_error);
	for (size_t i = 0; i < config_option_count; i++)
		cfg_set_validate_func(cfg, config_options[i].name, on_value);
	return cfg;
}

/* Takes the values out of the parser; they have been checked, but for defaults, which are ours. */
static enum err
collect(cfg_t *cfg, struct config *c)
{
	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *o = &config_options[i];
		unsigned n = cfg_size(cfg, o->name);

		for (unsigned j = 0; j < n; j++) {
			enum err e = config_value_set(c, o, j, str_c(cfg_getnstr(cfg, o->name, j)));

			if (e != ERR_OK)
				return e;
		}
	}
	return ERR_OK;
}

/* One level of a mailbox name, that is not INBOX, or nothing. */
static bool
is_level(struct str name)
{
	return name.n <= 100 && str_is_utf8(name) && str_chr(name, '/') == SIZE_MAX
	    && str_chr(name, '*') == SIZE_MAX && str_chr(name, '%') == SIZE_MAX
	    && !str_eq_nocase(name, STR("INBOX"));
}

/* The line of the one that is set last, for what is wrong with them together. */
static unsigned
line_of(const unsigned *lines, const char *a, const char *b)
{
	return MAX(lines[option_find(a) - config_options], lines[option_find(b) - config_options]);
}

/* True when each value is two texts with a sign between them; else an error, with an example. */
static bool
are_pairs(const struct config_list *list, char sign, const char *file, unsigned line,
    const char *name, const char *example, struct buf *errors)
{
	bool ok = true;

	for (size_t i = 0; i < list->n; i++) {
		size_t at = str_chr(list->v[i], sign);

		if (at != SIZE_MAX && at > 0 && at + 1 < list->v[i].n)
			continue;
		buf_printf(errors, "%s:%u: %s: \"%.200s\" is not like \"%s\"\n", file, line, name,
		    list->v[i].p, example);
		ok = false;
	}
	return ok;
}

static bool
check_pairs(const struct config *c, const char *file, const unsigned *lines, struct buf *errors)
{
	const struct {
		const struct config_list *list;
		char sign;
		const char *name, *example;
	} pairs[] = {
		{ &c->urlauth_entities, '=', "urlauth_entities", "submit+=relay" },
		{ &c->shared_filters, ' ', "shared_filters", "big-ones LARGER 5000000" },
		{ &c->shared_filter_descriptions, ' ', "shared_filter_descriptions",
		    "big-ones Large messages" },
	};

	bool ok = true;

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
		ok = are_pairs(pairs[i].list, pairs[i].sign, file,
			 line_of(lines, pairs[i].name, pairs[i].name), pairs[i].name,
			 pairs[i].example, errors)
		    && ok;
	return ok;
}

/* Rules over several options, and of what a value consists of. */
static enum err
check_together(const struct config *c, const char *name, const unsigned *lines, struct buf *errors)
{
	if (c->tls_certs.n != c->tls_keys.n) {
		buf_printf(errors,
		    "%s:%u: tls_certs names %zu files and tls_keys %zu; each certificate needs its key, in the same order\n",
		    name, line_of(lines, "tls_certs", "tls_keys"), c->tls_certs.n, c->tls_keys.n);
		return ERR_CONFIG;
	}
	if (!is_level(c->namespace_other) || !is_level(c->namespace_shared)
	    || (c->namespace_other.n > 0 && str_eq(c->namespace_other, c->namespace_shared))) {
		buf_printf(errors,
		    "%s:%u: namespace_other and namespace_shared are two different levels of mailbox names, without \"/\"\n",
		    name, line_of(lines, "namespace_other", "namespace_shared"));
		return ERR_CONFIG;
	}
	return check_pairs(c, name, lines, errors) ? ERR_OK : ERR_CONFIG;
}

enum err
config_parse(const char *name, struct str text, struct config **out, struct buf *errors)
{
	cfg_opt_t opts[ARRAY_LEN(config_options) + 2];
	struct sink sink = { .errors = errors };
	struct config *c;
	cfg_t *cfg;
	char *copy;
	FILE *f;
	int rc;
	enum err e = ERR_CONFIG;

	if (text.n > CONFIG_TEXT_MAX) {
		buf_printf(errors, "%s: larger than %d bytes\n", name, CONFIG_TEXT_MAX);
		return ERR_CONFIG;
	}
	if (text.n > 0 && memchr(text.p, '\0', text.n) != NULL) {
		buf_printf(errors, "%s: contains a NUL byte\n", name);
		return ERR_CONFIG;
	}
	cfg = parser_new(opts, &sink);
	if (cfg == NULL)
		return ERR_NOMEM;
	copy = xmalloc(text.n + 1);
	if (text.n > 0)
		memcpy(copy, text.p, text.n);
	copy[text.n] = '\n';
	if (!config_text_prepare(name, copy, text.n, errors)) {
		free(copy);
		cfg_free(cfg);
		return ERR_CONFIG;
	}
	f = fmemopen(copy, text.n + 1, "r");
	must(f != NULL);
	cfg->filename = xstrdup(str_c(name));
	rc = cfg_parse_fp(cfg, f);
	fclose(f);
	free(copy);
	c = xcalloc(1, sizeof(*c));
	if (rc == CFG_SUCCESS && !sink.has_failed)
		e = collect(cfg, c);
	else if (!sink.has_failed)
		buf_printf(errors, "%s: can't be read\n", name);
	if (e == ERR_OK)
		e = check_together(c, name, sink.lines, errors);
	cfg_free(cfg);
	if (e != ERR_OK) {
		config_free(c);
		return ERR_CONFIG;
	}
	*out = c;
	return ERR_OK;
}

enum err
config_load(const char *path, struct config **out, struct buf *errors)
{
	BUF_CLEAN struct buf text = BUF_MAX(CONFIG_TEXT_MAX + 1);
	FILE *f = fopen(path, "re");
	size_t n;

	if (f == NULL) {
		buf_printf(errors, "%s: %s\n", path, strerror(errno));
		return ERR_CONFIG;
	}
	text.n = 0;
	if (buf_reserve(&text, CONFIG_TEXT_MAX + 1) != NULL) {
		n = fread(text.p, 1, CONFIG_TEXT_MAX + 1, f);
		text.n = n;
	}
	fclose(f);
	return config_parse(path, buf_str(&text), out, errors);
}

size_t
config_loops(const struct config *c)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	return c->threads != 0 ? c->threads : (size_t)MIN(MAX(cores, 1), CONFIG_LOOPS_MAX);
}

size_t
config_doors(const struct config *c)
{
	size_t loops = config_loops(c);

	return MIN((loops + 1) / 2, CONFIG_LOOPS_MAX - loops);
}

void
config_free(struct config *c)
{
	if (c == NULL)
		return;
	arena_done(&c->arena);
	free(c);
}

void
config_format(const struct config *c, bool only_changed, struct buf *out)
{
	for (size_t i = 0; i < config_option_count; i++) {
		BUF_CLEAN struct buf value = BUF_MAX(CONFIG_TEXT_MAX),
				     def = BUF_MAX(CONFIG_TEXT_MAX);
		const struct config_option *o = &config_options[i];

		config_format_value(c, o, &value);
		if (only_changed) {
			config_format_default(o, &def);
			if (str_eq(buf_str(&value), buf_str(&def)))
				continue;
		}
		buf_printf(out, "%s = ", o->name);
		buf_str_add(out, buf_str(&value));
		buf_chr(out, '\n');
	}
}
