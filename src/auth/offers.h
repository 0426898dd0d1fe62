/* offers.h - which mechanisms a connection is offered (auth/mech.def). */
#ifndef AUTH_OFFERS_H
#define AUTH_OFFERS_H

#include <stdbool.h>

enum { OFFERS_MAX = 16 };

/* Lists of names that end with NULL, by is_secure (1), has_binding (2), has_cert (4). */
struct mech_offers {
	const char *lists[8][OFFERS_MAX];
};

void mech_offers_init(struct mech_offers *o, bool has_scram);
const char *const *mech_offers_of(const struct mech_offers *o, bool is_secure, bool has_binding,
    bool has_cert);

#endif
