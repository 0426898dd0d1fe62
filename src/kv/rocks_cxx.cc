// rocks_cxx.cc - see rocks_cxx.h. The C interface's handles are structs whose first member is the object, or a pointer to it.
#include "kv/rocks_cxx.h"

#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/listener.h>
#include <rocksdb/metadata.h>
#include <rocksdb/options.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>

namespace {

rocksdb::Options *
options_of(rocksdb_options_t *o)
{
	return reinterpret_cast<rocksdb::Options *>(o);
}

rocksdb::DB *
db_of(rocksdb_t *db)
{
	return *reinterpret_cast<rocksdb::DB **>(db);
}

rocksdb::ColumnFamilyHandle *
cf_of(rocksdb_column_family_handle_t *cf)
{
	return *reinterpret_cast<rocksdb::ColumnFamilyHandle **>(cf);
}

void
error_put(const rocksdb::Status &s, char **errptr)
{
	if (!s.ok() && !s.IsIncomplete() && *errptr == nullptr)
		*errptr = strdup(s.ToString().c_str());
}

rocksdb::CompactRangeOptions
compact_options(void *canceled)
{
	rocksdb::CompactRangeOptions o;

	o.exclusive_manual_compaction = false;
	o.canceled = static_cast<std::atomic<bool> *>(canceled);
	return o;
}

// Keys of the tables that name the file, or the nearest older one: tables know only the oldest file that they name.
bool
tables_of(const rocksdb::ColumnFamilyMetaData &meta, uint64_t file, std::string *from, std::string *to)
{
	uint64_t nearest = 0;
	bool is_found = false;

	for (const auto &level : meta.levels)
		for (const auto &table : level.files)
			if (table.oldest_blob_file_number <= file)
				nearest = std::max(nearest, table.oldest_blob_file_number);
	for (const auto &level : meta.levels)
		for (const auto &table : level.files) {
			if (nearest == 0 || table.oldest_blob_file_number != nearest)
				continue;
			if (!is_found || table.smallestkey < *from)
				*from = table.smallestkey;
			if (!is_found || table.largestkey > *to)
				*to = table.largestkey;
			is_found = true;
		}
	return is_found;
}

bool
is_damage(const rocksdb::Status &s)
{
	return s.IsCorruption() || s.IsPathNotFound() || (s.IsIOError() && s.ToString().find("No such file") != std::string::npos);
}

class ErrorListener : public rocksdb::EventListener
{
public:
	explicit ErrorListener(const rocks_extra &extra) : extra_(extra) {}

	// Damage that a compaction meets was there before, and is told to whoever reads it: it is no reason to write no more.
	void
	OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status *status) override
	{
		if (reason == rocksdb::BackgroundErrorReason::kCompaction && is_damage(*status))
			*status = rocksdb::Status::OK();
		else
			extra_.on_error(extra_.ctx, status->ToString().c_str());
	}

	void
	OnCompactionCompleted(rocksdb::DB *, const rocksdb::CompactionJobInfo &info) override
	{
		if (is_damage(info.status))
			extra_.on_damage(extra_.ctx, info.cf_name.c_str());
	}

	void
	OnFlushBegin(rocksdb::DB *, const rocksdb::FlushJobInfo &) override
	{
		rocks_env_flush_begins(extra_.env);
	}

	void
	OnStallConditionsChanged(const rocksdb::WriteStallInfo &info) override
	{
		const bool was = info.condition.prev != rocksdb::WriteStallCondition::kNormal;
		const bool is = info.condition.cur != rocksdb::WriteStallCondition::kNormal;

		if (is != was)
			rocks_env_stalled(extra_.env, is);
	}

	void
	OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status, bool *auto_recovery) override
	{
		*auto_recovery = false;
	}

private:
	const rocks_extra extra_;
};

} // namespace

void
rocks_options_extra(rocksdb_options_t *options, const struct rocks_extra *extra)
{
	rocksdb::Options *o = options_of(options);

	o->listeners.emplace_back(std::make_shared<ErrorListener>(*extra));
	o->max_bgerror_resume_count = 0;
	o->avoid_flush_during_recovery = extra->avoid_flush_during_recovery;
	o->env = static_cast<rocksdb::Env *>(extra->env);
}

void
rocks_logs_sync(void *env, const char *dir, char **errptr)
{
	const std::shared_ptr<rocksdb::FileSystem> &fs = static_cast<rocksdb::Env *>(env)->GetFileSystem();
	std::vector<std::string> names;
	std::unique_ptr<rocksdb::FSDirectory> names_dir;
	rocksdb::Status s = fs->GetChildren(dir, rocksdb::IOOptions(), &names, nullptr);

	for (const std::string &name : names) {
		std::unique_ptr<rocksdb::FSWritableFile> file;

		if (!s.ok() || name.size() < 5 || name.compare(name.size() - 4, 4, ".log") != 0)
			continue;
		s = fs->ReopenWritableFile(std::string(dir) + "/" + name, rocksdb::FileOptions(), &file, nullptr);
		if (s.ok())
			s = file->Sync(rocksdb::IOOptions(), nullptr);
		if (s.ok())
			s = file->Close(rocksdb::IOOptions(), nullptr);
	}
	if (s.ok())
		s = fs->NewDirectory(dir, rocksdb::IOOptions(), &names_dir, nullptr);
	if (s.ok())
		s = names_dir->Fsync(rocksdb::IOOptions(), nullptr);
	error_put(s, errptr);
}

void
rocks_compact_deletions(rocksdb_t *db, rocksdb_column_family_handle_t *cf, void *canceled, char **errptr)
{
	rocksdb::CompactRangeOptions o = compact_options(canceled);

	o.blob_garbage_collection_policy = rocksdb::BlobGarbageCollectionPolicy::kDisable;
	error_put(db_of(db)->CompactRange(o, cf_of(cf), nullptr, nullptr), errptr);
}

bool
rocks_reclaim_step(rocksdb_t *db, rocksdb_column_family_handle_t *cf, double garbage_ratio, uint64_t *file, void *canceled,
    char **errptr)
{
	rocksdb::CompactRangeOptions o = compact_options(canceled);
	rocksdb::ColumnFamilyMetaData meta;
	std::string from, to;
	uint64_t next = 0;

	db_of(db)->GetColumnFamilyMetaData(cf_of(cf), &meta);
	for (const auto &blobs : meta.blob_files)
		if (blobs.blob_file_number > *file && (next == 0 || blobs.blob_file_number < next) &&
		    (double)blobs.garbage_blob_bytes >= garbage_ratio * (double)blobs.total_blob_bytes)
			next = blobs.blob_file_number;
	if (next == 0)
		return false;
	*file = next;
	if (!tables_of(meta, next, &from, &to))
		return true;
	rocksdb::Slice begin(from), end(to);
	o.blob_garbage_collection_policy = rocksdb::BlobGarbageCollectionPolicy::kForce;
	o.blob_garbage_collection_age_cutoff = 1.0;
	o.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
	rocksdb::Status s = db_of(db)->CompactRange(o, cf_of(cf), &begin, &end);
	error_put(s, errptr);
	return s.ok();
}

char *
rocks_table_bounds(rocksdb_t *db, rocksdb_column_family_handle_t *cf, size_t *bytes_out)
{
	rocksdb::ColumnFamilyMetaData meta;
	std::vector<std::string> keys;
	size_t bytes = 0;

	db_of(db)->GetColumnFamilyMetaData(cf_of(cf), &meta);
	for (const auto &level : meta.levels)
		for (const auto &table : level.files)
			if (level.level > 0)
				keys.push_back(table.smallestkey);
	std::sort(keys.begin(), keys.end());
	for (const std::string &key : keys)
		bytes += sizeof(uint32_t) + key.size();
	char *all = static_cast<char *>(malloc(bytes + 1)), *p = all;
	for (const std::string &key : keys) {
		uint32_t n = static_cast<uint32_t>(key.size());

		memcpy(p, &n, sizeof(n));
		memcpy(p + sizeof(n), key.data(), n);
		p += sizeof(n) + n;
	}
	*bytes_out = bytes;
	return all;
}

void
rocks_files_check(rocksdb_t *db, rocksdb_options_t *const *cf_options, rocksdb_column_family_handle_t *const *cf, unsigned cf_count,
    bool (*fn)(void *ctx, const struct rocks_file *f), void *ctx)
{
	rocksdb::Env *env = db_of(db)->GetEnv();
	std::vector<rocksdb::LiveFileMetaData> tables;

	db_of(db)->GetLiveFilesMetaData(&tables);
	for (const auto &table : tables) {
		for (unsigned i = 0; i < cf_count; i++) {
			if (cf_of(cf[i])->GetName() != table.column_family_name)
				continue;
			rocksdb::Options options = *options_of(cf_options[i]);
			options.env = env;
			rocksdb::Status s = rocksdb::VerifySstFileChecksum(options, rocksdb::EnvOptions(), rocksdb::ReadOptions(),
			    table.db_path + table.name, table.largest_seqno);
			std::string text = s.ToString();
			struct rocks_file f = { table.relative_filename.c_str(), table.column_family_name.c_str(),
				s.ok() ? nullptr : text.c_str(), table.size };
			if (!fn(ctx, &f))
				return;
		}
	}
	for (unsigned i = 0; i < cf_count; i++) {
		rocksdb::ColumnFamilyMetaData meta;

		db_of(db)->GetColumnFamilyMetaData(cf_of(cf[i]), &meta);
		for (const auto &blobs : meta.blob_files) {
			uint64_t size = 0;
			rocksdb::Status s = env->GetFileSize(blobs.blob_file_path + "/" + blobs.blob_file_name, &size);
			std::string text = s.ok() && size < blobs.blob_file_size ? "it was cut short" : s.ToString();
			struct rocks_file f = { blobs.blob_file_name.c_str(), meta.name.c_str(),
				s.ok() && size >= blobs.blob_file_size ? nullptr : text.c_str(), 0 };
			if (!fn(ctx, &f))
				return;
		}
	}
}
