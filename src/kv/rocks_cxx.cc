// rocks_cxx.cc - see rocks_cxx.h. The C interface's rocksdb_options_t is a struct whose only member is the Options.
#include "kv/rocks_cxx.h"

#include <rocksdb/listener.h>
#include <rocksdb/options.h>

namespace {

rocksdb::Options *
options_of(rocksdb_options_t *o)
{
	return reinterpret_cast<rocksdb::Options *>(o);
}

class ErrorListener : public rocksdb::EventListener
{
public:
	ErrorListener(void (*on_error)(void *, const char *), void *ctx) : on_error_(on_error), ctx_(ctx) {}

	void
	OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status *status) override
	{
		on_error_(ctx_, status->ToString().c_str());
	}

	void
	OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status, bool *auto_recovery) override
	{
		*auto_recovery = false;
	}

private:
	void (*on_error_)(void *, const char *);
	void *ctx_;
};

} // namespace

void
rocks_options_extra(rocksdb_options_t *options, const struct rocks_extra *extra)
{
	rocksdb::Options *o = options_of(options);

	o->listeners.emplace_back(std::make_shared<ErrorListener>(extra->on_error, extra->ctx));
	o->max_bgerror_resume_count = 0;
	o->avoid_flush_during_recovery = extra->avoid_flush_during_recovery;
	if (extra->env != nullptr)
		o->env = static_cast<rocksdb::Env *>(extra->env);
}
