#include "tests/kernel/subject.h"

#include <fmt/core.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/crash/process.h"
#ifdef TLOG_TLOGPLAY
#include "tests/crash/tlogdisk_disk.h"
#endif

namespace tlog::kernel {
namespace {

constexpr unsigned kRestoreMs = 180'000;

// A server that keeps its disk in {dir}/disk.img, and no log.
class PlainServer final : public Subject {
 public:
  PlainServer(const std::string& plugin, const std::string& directory)
      : server_({.command = "nbdkit -f -i 127.0.0.1 -p {port} " + plugin,
                 .export_name = "vm1",
                 .directory = directory,
                 .tcp = true}) {
    const std::string image = directory + "/disk.img";
    std::ofstream(image).close();
    std::filesystem::resize_file(image, kSubjectMib * kMiB);
  }
  crash::Server& server() override { return server_; }
  Result<bool> restore(const std::string&) override { return false; }

 private:
  crash::Server server_;
};

#ifdef TLOG_TLOGPLAY
class Tlogdisk final : public Subject {
 public:
  Tlogdisk() : site_(site_options()), server_(options(site_)) {}
  crash::Server& server() override { return server_; }
  Result<bool> restore(const std::string& image) override {
    TLOG_TRY(server_.terminate(kRestoreMs));
    const std::string command =
        crash::expand(crash::tlogdisk_restore_command(site_), {{"image", image}});
    TLOG_TRY(crash::run_command(
        {.command = command, .log_path = site_.file("restore.log"), .directory = ""}, kRestoreMs));
    return true;
  }

 private:
  static testing::SiteOptions site_options() {
    testing::SiteOptions options = crash::crash_site_options();
    options.vdisks[0].size_mib = kSubjectMib;
    return options;
  }
  static crash::ServerOptions options(const testing::Site& site) {
    crash::ServerOptions options = crash::tlogdisk_server(site);
    options.command = crash::expand(options.command, {{"socket", "-"}});
    const auto at = options.command.find("-U -");
    options.command.replace(at, 4, "-i 127.0.0.1 -p {port}");
    options.tcp = true;
    return options;
  }

  testing::Site site_;
  crash::Server server_;
};
#endif

}  // namespace

std::vector<SubjectKind> subject_kinds() {
  std::vector<SubjectKind> kinds = {
      {"NbdkitFile", [](const std::string& directory) -> std::unique_ptr<Subject> {
         return std::make_unique<PlainServer>("file {dir}/disk.img", directory);
       }}};
#ifdef TLOG_TLOGPLAY
  kinds.push_back({"Tlogdisk", [](const std::string&) -> std::unique_ptr<Subject> {
                     return std::make_unique<Tlogdisk>();
                   }});
#endif
  return kinds;
}

SubjectKind broken_subject_kind() {
  return {"Broken", [](const std::string& directory) -> std::unique_ptr<Subject> {
            const char* const plugin = std::getenv("BROKEN_PLUGIN");
            return std::make_unique<PlainServer>(
                fmt::format("{} mode=no-sync file={{dir}}/disk.img size={}M",
                            plugin == nullptr ? "" : plugin, kSubjectMib),
                directory);
          }};
}

}  // namespace tlog::kernel
