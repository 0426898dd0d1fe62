/* config_value.c - what the values of options mean: from text and back to it. */
#include "proc/config_int.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static const struct {
	const char *name;
	uint64_t factor;
} size_units[] = { { "G", 1u << 30 }, { "M", 1u << 20 }, { "K", 1u << 10 }, { "", 1 } },
  time_units[] = { { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 },
	  { "ms", 1 } };

/* A number with an optional unit; none: of size, bytes; of time, seconds. */
static bool
parse_scaled(struct str text, enum config_kind kind, uint64_t *out)
{
	size_t digits = 0;
	uint64_t v, factor = 0;
	struct str unit;

	while (digits < text.n && chr_is_digit(text.p[digits]))
		digits++;
	if (!str_to_u64(str_sub(text, 0, digits), &v))
		return false;
	unit = str_sub(text, digits, text.n);
	if (kind == CONFIG_SIZE) {
		for (size_t i = 0; i < ARRAY_LEN(size_units); i++)
			if (str_eq_nocase(unit, str_c(size_units[i].name)))
				factor = size_units[i].factor;
	} else {
		if (unit.n == 0)
			unit = STR("s");
		for (size_t i = 0; i < ARRAY_LEN(time_units); i++)
			if (str_eq(unit, str_c(time_units[i].name)))
				factor = time_units[i].factor;
	}
	return factor != 0 && !__builtin_mul_overflow(v, factor, out);
}

static void
format_scaled(uint64_t v, enum config_kind kind, struct buf *out)
{
	if (kind == CONFIG_SIZE) {
		for (size_t i = 0; i < ARRAY_LEN(size_units); i++)
			if (v % size_units[i].factor == 0
			    && (v != 0 || size_units[i].factor == 1)) {
				buf_printf(out, "%llu%s",
				    (unsigned long long)(v / size_units[i].factor),
				    size_units[i].name);
				return;
			}
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(time_units); i++)
		if (v % time_units[i].factor == 0 && (v != 0 || time_units[i].factor == 1000)) {
			buf_printf(out, "%llu%s", (unsigned long long)(v / time_units[i].factor),
			    time_units[i].name);
			return;
		}
}

static bool
parse_bool(struct str text, bool *out)
{
	static const char *const yes[] = { "yes", "true", "on" },
				 *const no[] = { "no", "false", "off" };

	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		if (str_eq_nocase(text, str_c(yes[i])) || str_eq_nocase(text, str_c(no[i]))) {
			*out = str_eq_nocase(text, str_c(yes[i]));
			return true;
		}
	}
	return false;
}

static bool
parse_enum(struct str text, const char *choices, unsigned *out)
{
	struct str rest = str_c(choices), choice;

	for (unsigned i = 0; str_split(&rest, '|', &choice); i++)
		if (str_eq(text, choice)) {
			*out = i;
			return true;
		}
	return false;
}

enum err
listen_addr_parse(struct str text, struct listen_addr *out)
{
	struct listen_addr a = { 0 };
	struct sockaddr_in *in = (struct sockaddr_in *)&a.sa;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a.sa;
	struct sockaddr_un *un = (struct sockaddr_un *)&a.sa;
	size_t colon = str_rchr(text, ':');
	char host[64];
	struct str h;
	uint32_t port;

	if (str_starts(text, STR("unix:"))) {
		struct str path = str_sub(text, 5, text.n);

		if (path.n == 0 || path.p[0] != '/' || path.n >= sizeof(un->sun_path))
			return ERR_SYNTAX;
		un->sun_family = AF_UNIX;
		memcpy(un->sun_path, path.p, path.n);
		a.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.n + 1);
		*out = a;
		return ERR_OK;
	}
	if (colon == SIZE_MAX || !str_to_u32(str_sub(text, colon + 1, text.n), &port)
	    || port > 65535)
		return ERR_SYNTAX;
	h = str_sub(text, 0, colon);
	if (h.n >= 2 && h.p[0] == '[' && h.p[h.n - 1] == ']')
		h = str_sub(h, 1, h.n - 1);
	else if (str_chr(h, ':') != SIZE_MAX)
		return ERR_SYNTAX;
	if (h.n >= sizeof(host))
		return ERR_SYNTAX;
	memcpy(host, h.p, h.n);
	host[h.n] = '\0';
	if (strcmp(host, "*") == 0) {
		a.is_any = true;
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)port);
		a.len = sizeof(*in6);
	} else if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)port);
		a.len = sizeof(*in);
	} else if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)port);
		a.len = sizeof(*in6);
	} else {
		return ERR_SYNTAX;
	}
	*out = a;
	return ERR_OK;
}

static bool
is_path(const struct config_option *o, struct str text)
{
	return text.n <= o->highest
	    && (text.n > 0 ? text.p[0] == '/' : o->kind == CONFIG_PATH && o->def[0] == '\0');
}

/* As inet_ntop() writes it, and so as peers are told. */
static bool
ip_parse(struct str text, char out[INET6_ADDRSTRLEN])
{
	unsigned char addr[sizeof(struct in6_addr)];
	char copy[INET6_ADDRSTRLEN];

	if (text.n >= sizeof(copy))
		return false;
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	for (size_t i = 0; i < 2; i++) {
		int family = i == 0 ? AF_INET : AF_INET6;

		if (inet_pton(family, copy, addr) == 1)
			return inet_ntop(family, addr, out, INET6_ADDRSTRLEN) != NULL;
	}
	return false;
}

/* A value of a list, as it is kept. */
static bool
item_parse(const struct config_option *o, struct str *text, char ip[INET6_ADDRSTRLEN])
{
	struct listen_addr addr;

	switch (o->kind) {
	case CONFIG_ADDRS:
		return listen_addr_parse(*text, &addr) == ERR_OK;
	case CONFIG_IPS:
		if (!ip_parse(*text, ip))
			return false;
		*text = str_c(ip);
		return true;
	case CONFIG_PATHS:
		return is_path(o, *text);
	default:
		return text->n > 0;
	}
}

static enum err
list_set(struct config *c, const struct config_option *o, size_t index, struct str text)
{
	struct config_list *list = (struct config_list *)(void *)((char *)c + o->offset);
	char ip[INET6_ADDRSTRLEN];
	struct str *v;

	if (index >= CONFIG_LIST_MAX)
		return ERR_LIMIT;
	if (!item_parse(o, &text, ip))
		return ERR_SYNTAX;
	v = arena_array(&c->arena, struct str, index + 1);
	for (size_t i = 0; i < index && i < list->n; i++)
		v[i] = list->v[i];
	v[index] = arena_str(&c->arena, text);
	list->v = v;
	list->n = index + 1;
	return ERR_OK;
}

enum err
config_value_set(struct config *c, const struct config_option *o, size_t index, struct str text)
{
	char *at = (char *)c + o->offset;
	uint64_t v = 0;
	uint32_t u;

	if (text.p == NULL)
		text = STR("");
	/* What is written by config_format() must come back. */
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7F)
			return ERR_SYNTAX;
	switch (o->kind) {
	case CONFIG_STR:
	case CONFIG_PATH:
		if (o->kind == CONFIG_PATH ? !is_path(o, text)
					   : o->highest != 0 && text.n > o->highest)
			return ERR_SYNTAX;
		*(struct str *)(void *)at = arena_str(&c->arena, text);
		return ERR_OK;
	case CONFIG_LIST:
	case CONFIG_ADDRS:
	case CONFIG_IPS:
	case CONFIG_PATHS:
		return list_set(c, o, index, text);
	case CONFIG_BOOL:
		return parse_bool(text, (bool *)at) ? ERR_OK : ERR_SYNTAX;
	case CONFIG_UINT:
		if (!str_to_u32(text, &u) || u < o->lowest || u > o->highest)
			return ERR_SYNTAX;
		*(uint32_t *)(void *)at = u;
		return ERR_OK;
	case CONFIG_SIZE:
	case CONFIG_TIME:
		if (!parse_scaled(text, o->kind, &v) || v < o->lowest || v > o->highest)
			return ERR_SYNTAX;
		*(uint64_t *)(void *)at = v;
		return ERR_OK;
	case CONFIG_ENUM:
		return parse_enum(text, o->choices, (unsigned *)(void *)at) ? ERR_OK : ERR_SYNTAX;
	}
	return ERR_BUG;
}

/* Quoted for libconfuse: it expands ${NAME}, so the dollar is escaped too. */
static void
format_quoted(struct str s, struct buf *out)
{
	buf_chr(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\' || s.p[i] == '$')
			buf_chr(out, '\\');
		buf_chr(out, s.p[i]);
	}
	buf_chr(out, '"');
}

void
config_format_value(const struct config *c, const struct config_option *o, struct buf *out)
{
	const char *at = (const char *)c + o->offset;
	const struct config_list *list = (const struct config_list *)(const void *)at;
	struct str rest, choice = STR_NONE;

	switch (o->kind) {
	case CONFIG_STR:
	case CONFIG_PATH:
		format_quoted(*(const struct str *)(const void *)at, out);
		break;
	case CONFIG_LIST:
	case CONFIG_ADDRS:
	case CONFIG_IPS:
	case CONFIG_PATHS:
		buf_chr(out, '{');
		for (size_t i = 0; i < list->n; i++) {
			if (i > 0)
				buf_lit(out, ", ");
			format_quoted(list->v[i], out);
		}
		buf_chr(out, '}');
		break;
	case CONFIG_BOOL:
		buf_c(out, *(const bool *)at ? "yes" : "no");
		break;
	case CONFIG_UINT:
		buf_u64(out, *(const uint32_t *)(const void *)at);
		break;
	case CONFIG_SIZE:
	case CONFIG_TIME:
		format_scaled(*(const uint64_t *)(const void *)at, o->kind, out);
		break;
	case CONFIG_ENUM:
		rest = str_c(o->choices);
		for (unsigned i = 0; i <= *(const unsigned *)(const void *)at; i++)
			if (!str_split(&rest, '|', &choice))
				break;
		buf_str_add(out, choice);
		break;
	}
}

void
config_format_default(const struct config_option *o, struct buf *out)
{
	if (o->kind == CONFIG_STR || o->kind == CONFIG_PATH)
		format_quoted(str_c(o->def), out);
	else
		buf_c(out, o->def);
}

void
config_expected(const struct config_option *o, struct buf *out)
{
	struct str rest, choice;

	switch (o->kind) {
	case CONFIG_STR:
	case CONFIG_LIST:
		buf_lit(out, "a text");
		if (o->kind == CONFIG_STR && o->highest != 0)
			buf_printf(out, " of at most %llu bytes", (unsigned long long)o->highest);
		buf_lit(out, " without control characters");
		break;
	case CONFIG_IPS:
		buf_lit(out, "an address of a machine, such as \"192.0.2.1\" or \"2001:db8::1\"");
		break;
	case CONFIG_PATH:
	case CONFIG_PATHS:
		buf_printf(out, "a path that begins with \"/\", of at most %llu bytes",
		    (unsigned long long)o->highest);
		if (o->kind == CONFIG_PATH && o->def[0] == '\0')
			buf_lit(out, ", or empty");
		break;
	case CONFIG_ADDRS:
		buf_lit(out,
		    "an address to listen on, such as \"*:143\", \"127.0.0.1:143\", \"[::1]:143\" or \"unix:/path\"");
		break;
	case CONFIG_BOOL:
		buf_lit(out, "yes or no");
		break;
	case CONFIG_UINT:
		buf_printf(out, "a number from %llu to %llu", (unsigned long long)o->lowest,
		    (unsigned long long)o->highest);
		break;
	case CONFIG_SIZE:
	case CONFIG_TIME:
		buf_c(out,
		    o->kind == CONFIG_SIZE ? "a size (64M) from "
					   : "a time (90s, 30m, 2h, 7d) from ");
		format_scaled(o->lowest, o->kind, out);
		buf_lit(out, " to ");
		format_scaled(o->highest, o->kind, out);
		break;
	case CONFIG_ENUM:
		buf_lit(out, "one of ");
		rest = str_c(o->choices);
		for (bool first = true; str_split(&rest, '|', &choice); first = false) {
			if (!first)
				buf_lit(out, ", ");
			buf_str_add(out, choice);
		}
		break;
	}
}
