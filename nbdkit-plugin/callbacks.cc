// The functions nbdkit calls, and the table of them. Each is a guard around one call of Plugin or
// Connection; what they mean and when they come is in nbdkit-plugin(3) and plugin.h.
#include <nbdkit-plugin.h>

#include <memory>
#include <string>
#include <utility>

#include "nbdkit-plugin/connection.h"
#include "nbdkit-plugin/dump.h"
#include "nbdkit-plugin/errors.h"
#include "nbdkit-plugin/parameters.h"
#include "nbdkit-plugin/plugin.h"

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

namespace tlog::plugin {
namespace {

// Made in load, dropped in unload. Not a unique_ptr: nbdkit's parent process leaves through exit()
// after the fork, and must not destroy what the child uses.
Plugin* the_plugin = nullptr;

Connection& of(void* handle) {
  return *static_cast<Connection*>(handle);
}

void load() {
  guard_status("load", [] {
    the_plugin = std::make_unique<Plugin>().release();
    return Status();
  });
}

void unload() {
  std::unique_ptr<Plugin> dying(std::exchange(the_plugin, nullptr));
}

int config(const char* key, const char* value) {
  return guard_status("config", [&] { return the_plugin->set_parameter(key, value); });
}
int config_complete() {
  return guard_status("config", [] { return the_plugin->check_parameters(); });
}
int get_ready() {
  return guard_status("get_ready", [] { return the_plugin->get_ready(); });
}
int after_fork() {
  return guard_status("after_fork", [] { return the_plugin->after_fork(); });
}
void cleanup() {
  guard_status("cleanup", [] {
    the_plugin->cleanup();
    return Status();
  });
}

void dump() {
  guard_status("dump_plugin", [] {
    dump_plugin();
    return Status();
  });
}

// `is_tls` is not asked: with --tls=require nbdkit lists nothing before TLS, and with --tls=on
// every client may open every export in clear, so that hiding their names would protect nothing.
int list_exports(int /*readonly*/, int /*is_tls*/, nbdkit_exports* exports) {
  return guard_status("list_exports", [&]() -> Status {
    for (const std::string& name : the_plugin->names()) {
      const std::string description = the_plugin->description(name);
      const char* text = description.empty() ? nullptr : description.c_str();
      if (nbdkit_add_export(exports, name.c_str(), text) == -1) {
        return fail(Code::kIoError, "list: nbdkit took no more exports");
      }
    }
    return {};
  });
}

const char* default_export(int /*readonly*/, int /*is_tls*/) {
  return guard<const char*>("default_export", nullptr, []() -> Result<const char*> {
    const std::string* name = the_plugin->default_export();
    return name == nullptr ? nullptr : name->c_str();
  });
}

void* open(int readonly) {
  return guard<void*>("open", nullptr, [&]() -> Result<void*> {
    const char* name = nbdkit_export_name();
    if (name == nullptr) return fail(Code::kInvalidArgument, "open: no export name");
    TLOG_ASSIGN(void* handle, the_plugin->open_connection(name, readonly != 0));
    return handle;
  });
}
void close(void* handle) {
  guard_status("close", [&] {
    the_plugin->close_connection(&of(handle));
    return Status();
  });
}

const char* export_description(void* handle) {
  const std::string& text = of(handle).description();
  return text.empty() ? nullptr : text.c_str();
}

int64_t get_size(void* handle) {
  return static_cast<int64_t>(of(handle).size());
}

int block_size(void* handle, uint32_t* minimum, uint32_t* preferred, uint32_t* maximum) {
  const BlockSize sizes = of(handle).block_size();
  *minimum = sizes.minimum;
  *preferred = sizes.preferred;
  *maximum = sizes.maximum;
  return 0;
}

int can_write(void* handle) {
  return of(handle).can_write() ? 1 : 0;
}
int can_flush(void*) {
  return 1;
}
int can_trim(void*) {
  return 1;
}
int can_zero(void*) {
  return 1;
}
int can_fast_zero(void*) {
  return 1;
}
int can_extents(void*) {
  return 1;
}
int can_fua(void*) {
  return NBDKIT_FUA_NATIVE;
}
// Native although it only reads: the host's page cache keeps what was read, and nbdkit's readahead
// filter works with plugins of their own cache only.
int can_cache(void*) {
  return NBDKIT_CACHE_NATIVE;
}
// One journal and one extent map per vdisk serve all connections, so a flush on one covers what was
// answered on all.
int can_multi_conn(void*) {
  return 1;
}
int is_rotational(void*) {
  return 0;
}

int pread(void* handle, void* into, uint32_t count, uint64_t offset, uint32_t /*flags*/) {
  return guard_status("read", [&] { return of(handle).read(into, count, offset); });
}
int pwrite(void* handle, const void* from, uint32_t count, uint64_t offset, uint32_t flags) {
  return guard_status("write", [&] { return of(handle).write(from, count, offset, flags); });
}
int flush(void* handle, uint32_t /*flags*/) {
  return guard_status("flush", [&] { return of(handle).flush(); });
}
int trim(void* handle, uint32_t count, uint64_t offset, uint32_t flags) {
  return guard_status("trim", [&] { return of(handle).trim(count, offset, flags); });
}
int zero(void* handle, uint32_t count, uint64_t offset, uint32_t flags) {
  return guard_status("zero", [&] { return of(handle).zero(count, offset, flags); });
}
int extents(void* handle, uint32_t count, uint64_t offset, uint32_t flags, nbdkit_extents* into) {
  return guard_status("extents", [&] { return of(handle).extents(count, offset, flags, into); });
}
int cache(void* handle, uint32_t count, uint64_t offset, uint32_t /*flags*/) {
  return guard_status("cache", [&] { return of(handle).prefetch(count, offset); });
}

constexpr nbdkit_plugin describe_lifecycle() {
  nbdkit_plugin table{};
  table.name = "tlogdisk";
  table.longname = "tlogdisk: block devices that never forget";
  table.version = TLOG_VERSION;
  table.description =
      "virtual disks whose every write is logged, so that they can be put back to any point";
  table.magic_config_key = "config";
  table.config_help = kParameterHelp;
  table.load = load;
  table.unload = unload;
  table.config = config;
  table.config_complete = config_complete;
  table.get_ready = get_ready;
  table.after_fork = after_fork;
  table.cleanup = cleanup;
  table.dump_plugin = dump;
  table.list_exports = list_exports;
  table.default_export = default_export;
  table.export_description = export_description;
  table.open = open;
  table.close = close;
  return table;
}

constexpr nbdkit_plugin describe() {
  nbdkit_plugin table = describe_lifecycle();
  table.get_size = get_size;
  table.block_size = block_size;
  table.can_write = can_write;
  table.can_flush = can_flush;
  table.can_trim = can_trim;
  table.can_zero = can_zero;
  table.can_fast_zero = can_fast_zero;
  table.can_extents = can_extents;
  table.can_fua = can_fua;
  table.can_cache = can_cache;
  table.can_multi_conn = can_multi_conn;
  table.is_rotational = is_rotational;
  table.pread = pread;
  table.pwrite = pwrite;
  table.flush = flush;
  table.trim = trim;
  table.zero = zero;
  table.extents = extents;
  table.cache = cache;
  return table;
}

constinit nbdkit_plugin registered = describe();

}  // namespace
}  // namespace tlog::plugin

NBDKIT_REGISTER_PLUGIN(tlog::plugin::registered)
