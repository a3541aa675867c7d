// File: tlog/config/property_access.h
// What the tables of properties are made with: how a key's value gets into its section's struct,
// and the sections below the root. Only for the property tables; who reads them includes
// properties.h. Threading: constant after the first call.
#pragma once

#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "tlog/base/limits.h"
#include "tlog/config/properties.h"

namespace tlog::config {

const Section& journal_section();
const Section& server_section();
const Section& cluster_section();
const Section& server_tls_section();
const Section& tlog_section();
const Section& slave_storage_section();
const Section& storage_section();
const Section& coordination_section();
const Section& vdisk_section();
const Section& repo_section();
const Section& log_section();
const Section& cas_section();

template <class T>
struct MemberOf;
template <class Class, class Field>
struct MemberOf<Field Class::*> {
  using class_type = Class;
  using field_type = Field;
};

template <auto kMember>
void write_member(Target target, Value&& value) {
  using Member = MemberOf<decltype(kMember)>;
  using Field = typename Member::field_type;
  Field& field = std::get<typename Member::class_type*>(target)->*kMember;
  if constexpr (std::is_same_v<Field, std::string>) {
    field = std::move(value.text);
  } else if constexpr (std::is_same_v<Field, std::vector<std::string>>) {
    field = std::move(value.list);
  } else {
    field = static_cast<Field>(value.number);  // checked against the property's range
  }
}

template <auto kMember>
Value read_member(Target target) {
  using Member = MemberOf<decltype(kMember)>;
  using Field = typename Member::field_type;
  const Field& field = std::get<typename Member::class_type*>(target)->*kMember;
  Value value;
  if constexpr (std::is_same_v<Field, std::string>) {
    value.text = field;
  } else if constexpr (std::is_same_v<Field, std::vector<std::string>>) {
    value.list = field;
  } else {
    value.number = static_cast<std::uint64_t>(field);
  }
  return value;
}

template <auto kMember>
constexpr Access assign = {&write_member<kMember>, &read_member<kMember>};

// Of a struct inside the section's own, which has no section of its own in the file.
template <auto kOuter, auto kInner>
constexpr Access assign_within = {
    [](Target target, Value&& value) {
      write_member<kInner>(
          &(std::get<typename MemberOf<decltype(kOuter)>::class_type*>(target)->*kOuter),
          std::move(value));
    },
    [](Target target) {
      return read_member<kInner>(
          &(std::get<typename MemberOf<decltype(kOuter)>::class_type*>(target)->*kOuter));
    }};

template <auto kMember>
Target enter_member(Target target, std::string) {
  return &(std::get<typename MemberOf<decltype(kMember)>::class_type*>(target)->*kMember);
}

inline constexpr std::size_t kReposMax = 256;  // of logset
inline constexpr std::uint64_t kTiB = 1024 * kGiB;
inline constexpr std::uint64_t kMillisecondNs = 1'000'000;
inline constexpr std::uint64_t kDayNs = 86'400'000 * kMillisecondNs;

}  // namespace tlog::config
