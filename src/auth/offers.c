/* offers.c - see offers.h. */
#include "auth/offers.h"

#include "base/size.h"

#include <string.h>

static const struct {
	const char *name;
	bool shows_password, needs_binding, needs_cert;
} mechs[] = {

#define MECH(name, shows_password, needs_binding, needs_cert)                                      \
	{ name, shows_password, needs_binding, needs_cert },
#include "auth/mech.def"
#undef MECH
};

_Static_assert(ARRAY_LEN(mechs) < OFFERS_MAX, "a list has room for all, and its end");

static void
offer(const char **list, bool is_secure, bool has_binding, bool has_cert, bool has_scram)
{
	for (size_t i = 0; i < ARRAY_LEN(mechs); i++) {
		if ((mechs[i].shows_password && !is_secure)
		    || (mechs[i].needs_binding && !has_binding)
		    || (mechs[i].needs_cert && !has_cert)
		    || (!has_scram && strncmp(mechs[i].name, "SCRAM", 5) == 0))
			continue;
		*list++ = mechs[i].name;
	}
	*list = NULL;
}

void
mech_offers_init(struct mech_offers *o, bool has_scram)
{
	for (unsigned i = 0; i < ARRAY_LEN(o->lists); i++)
		offer(o->lists[i], (i & 1) != 0, (i & 2) != 0, (i & 4) != 0, has_scram);
}

const char *const *
mech_offers_of(const struct mech_offers *o, bool is_secure, bool has_binding, bool has_cert)
{
	return o->lists[(is_secure ? 1 : 0) | (has_binding ? 2 : 0) | (has_cert ? 4 : 0)];
}
