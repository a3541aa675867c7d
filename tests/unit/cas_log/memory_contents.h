// MemoryContents: a CAS and a name system of somebody else's, whose calls a test can make fail.
// Threading: any.
#pragma once

#include <functional>
#include <map>

#include "gateways/cas/contents.h"
#include "tlog/base/mutex.h"

namespace tlog::testing {

class MemoryContents final : public cas::Contents {
 public:
  using Judge = std::function<Status(std::string_view what)>;  // "add", "get", "update", "fetch"

  Result<cas::Address> add(std::string_view content) override {
    TLOG_TRY(judge("add"));
    MutexLock lock(mutex_);
    const cas::Address address = cas::address_of(content);
    contents_[address] = content;
    return address;
  }
  Result<std::string> get(const cas::Address& address) override {
    TLOG_TRY(judge("get"));
    MutexLock lock(mutex_);
    const auto found = contents_.find(address);
    if (found == contents_.end()) return fail(Code::kNotFound, "no such content");
    return found->second;
  }
  Status update(const std::string& name, std::string_view content) override {
    TLOG_TRY(judge("update"));
    MutexLock lock(mutex_);
    names_[name] = content;
    return {};
  }
  Result<std::string> fetch(const std::string& name) override {
    TLOG_TRY(judge("fetch"));
    MutexLock lock(mutex_);
    const auto found = names_.find(name);
    if (found == names_.end()) return fail(Code::kNotFound, "no such name");
    return found->second;
  }

  // Fails the calls for which it answers an error.
  void set_judge(Judge judge) { judge_ = std::move(judge); }
  std::map<cas::Address, std::string>& contents() { return contents_; }
  std::map<std::string, std::string>& names() { return names_; }

 private:
  Status judge(std::string_view what) { return judge_ ? judge_(what) : Status(); }

  Judge judge_;
  Mutex mutex_;
  std::map<cas::Address, std::string> contents_;
  std::map<std::string, std::string> names_;
};

}  // namespace tlog::testing
